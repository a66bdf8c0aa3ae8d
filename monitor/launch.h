// The program's side of the start: what its process does between fork and its first instruction.
// Everything is prepared before the fork; after it only system calls are made.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "arch/result.h"
#include "arch/unique_fd.h"
#include "monitor/filter.h"
#include "monitor/front.h"
#include "monitor/session.h"
#include "policy/policy.h"

namespace callgate {

// How far the start got, as the program's process tells it, or (Trace) the monitor. Ready: all that
// is left is execve.
struct LaunchReport {
  enum class Step : int { Failed, Trace, Fence, Filter, Handshake, Ready, Exec };
  Step step = Step::Failed;
  int error = 0;
};

// "nofile" -> RLIMIT_NOFILE; -1 for a word that names none.
int limit_resource(std::string_view name);

class Launch {
 public:
  // EINVAL names an unknown limit in `message`; ENOENT or EACCES: argv[0] is not to be found or
  // not executable (127, 126).
  // `fence` is a ruleset for enter_fence that outlives the launch; -1: none.
  static Result<Launch> prepare(const SessionOptions& options, const Policy& policy,
                                Filter filter, int fence, std::string* message);

  // Sockets of the program's process. `monitor` takes one byte when the monitor may seize it, and
  // brings one when it has; `report` takes LaunchReports; `pid` its number, first of all.
  struct Ends {
    int monitor = -1;
    int report = -1;
    int pid = -1;
  };
  // Starts the program's process and waits until it executes the program, or has given up: it
  // shares this one's memory so long, and no page of it is copied. -1 and errno as clone says.
  [[nodiscard]] pid_t start(const Ends& ends, pid_t monitor, const Inherited& inherited) const;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  struct Call;
  Launch() = default;
  int run(const Call& call) const;  // its exit status, if it comes back
  std::string path_;
  std::vector<std::string> argv_;
  std::vector<std::string> environment_;
  std::vector<std::pair<int, uint64_t>> limits_;
  Filter filter_;
  int fence_ = -1;
  bool inherit_descriptors_ = false;
  bool keep_core_dumps_ = false;
};

}  // namespace callgate
