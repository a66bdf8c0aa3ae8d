// What an attack of the lab is after: a secret tree with a canary in it, listeners that nobody may
// reach, and, where asked for, a process that nobody may touch. All of it lies in one fresh
// directory and on loopback, and is gone when this object is. It remembers every contact: the judge
// of an attack is the prey, not the attack's own word.
#pragma once

#include <poll.h>
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "arch/result.h"
#include "arch/unique_fd.h"
#include "monitor/lab_lesson.h"
#include "monitor/lab_tree.h"

namespace callgate {

class LabPrey {
 public:
  // `what` says what could not be laid out, when there is an error.
  static Result<std::unique_ptr<LabPrey>> lay_out(const LabLesson& lesson, std::string* what);
  ~LabPrey();
  LabPrey(const LabPrey&) = delete;
  LabPrey& operator=(const LabPrey&) = delete;

  [[nodiscard]] const std::string& root() const { return root_; }
  [[nodiscard]] std::string work() const { return root_ + "/t"; }
  [[nodiscard]] std::string secret() const { return root_ + "/s"; }
  [[nodiscard]] const std::string& token() const { return token_; }
  [[nodiscard]] pid_t victim() const { return victim_; }
  [[nodiscard]] const TreeImage& before() const { return before_; }

  // What the $WORDs stand for; the ports are numbers.
  using Words = std::map<std::string, std::string, std::less<>>;
  [[nodiscard]] const Words& words() const { return words_; }
  // $T, $S, $PORT, $TCP, $UDP, $OK_TCP, $OK_UDP and $TOKEN replaced; any other $WORD stays.
  [[nodiscard]] std::string expand(std::string_view text) const;
  // NAME=VALUE as the programs expect them, and nothing of the caller's environment.
  [[nodiscard]] std::vector<std::string> environment(std::chrono::milliseconds time) const;

  // The listeners, for poll(2); answer(i) serves the i-th when it is readable.
  [[nodiscard]] std::vector<pollfd> listeners() const;
  void answer(size_t listener);
  // Whether a listener that nobody may reach has been reached by now, answered or not. Also true
  // in a fork of this process: what was answered is counted in memory that both share.
  [[nodiscard]] bool reached() const;
  void victim_died() { victim_died_ = true; }  // and has been waited for

  // Ends the victim and removes the trees; the destructor does so too. False when something is
  // left.
  bool clear();

  // What the attack got, in a sentence; nullopt: nothing. `printed` is its standard output.
  [[nodiscard]] std::optional<std::string> lost(std::string_view printed) const;

 private:
  LabPrey() = default;
  struct Listener {
    UniqueFd fd;
    size_t row = 0;  // of the table of listeners
  };
  Status make_trees();
  Status make_listeners();
  Result<UniqueFd> listen_inet(int family, int type, uint16_t* port);
  Status start_victim();

  std::string root_;
  std::string token_;
  TreeImage before_;
  std::vector<Listener> listeners_;
  Words words_;
  std::vector<std::string> contacts_;
  std::atomic<uint32_t>* contact_count_ = nullptr;  // shared with forks
  pid_t victim_ = 0;
  bool victim_died_ = false;
};

}  // namespace callgate
