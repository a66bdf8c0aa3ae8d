// The keeper: a process that shares the monitor's descriptor table and nothing else, so that a
// tracee can reach an object the monitor has pinned as /proc/<keeper>/fd/<n>. It runs with the
// tracee's user and group, else the kernel would not let the tracee through; it has no
// capabilities, and the sandbox can neither signal it nor name it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "arch/result.h"
#include "monitor/proc_files.h"

namespace callgate {

class Keepers {
 public:
  Keepers() = default;
  Keepers(const Keepers&) = delete;
  Keepers& operator=(const Keepers&) = delete;
  ~Keepers();

  // "/proc/<keeper>/fd/<fd>" for a tracee with these credentials. EAGAIN or EPERM when no keeper
  // can be had.
  Result<std::string> path_to(int fd, const Credentials& credentials);
  [[nodiscard]] bool is_keeper(pid_t pid) const;
  // waitpid has reported its end; the next use starts another.
  void forget(pid_t pid);

 private:
  // Ends the one that has not been needed for the longest time. Should a call still pass through
  // it, its name leads nowhere.
  void retire_one();

  struct Keeper {
    pid_t pid = 0;
    uint64_t needed = 0;  // the use of all that was its latest
  };
  std::map<std::pair<uid_t, gid_t>, Keeper> keepers_;
  uint64_t uses_ = 0;
};

}  // namespace callgate
