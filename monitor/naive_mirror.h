// What the naive monitor believes of each process: descriptors by number, the working directory as
// a string. Learnt when a call is entered, whatever becomes of it; copied at fork, whatever is
// shared; kept when a process ends, whoever gets its number next.
#pragma once

#include <sys/types.h>

#include <array>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>

#include "monitor/socket_facts.h"

namespace callgate {

class NaiveMirror {
 public:
  // Calls that it watches to keep its beliefs; each one that is missing here is a trap.
  static constexpr std::array<std::string_view, 3> kWatched = {"dup2", "dup3", "chdir"};

  struct Process {
    std::map<int, SocketFacts> sockets;
    std::set<int> peers;    // numbers whose connect was granted: what they send goes there, surely
    std::string directory;  // empty: not asked for yet
  };
  // A process that is seen for the first time has what its parent has now.
  Process& of(pid_t pid, pid_t parent) {
    auto found = processes_.find(pid);
    if (found != processes_.end()) return found->second;
    auto copied = processes_.find(parent);
    Process born = copied == processes_.end() ? Process{} : copied->second;
    return processes_[pid] = std::move(born);
  }

 private:
  std::unordered_map<pid_t, Process> processes_;
};

}  // namespace callgate
