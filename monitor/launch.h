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
#include "monitor/session.h"
#include "policy/policy.h"

namespace callgate {

// How far the start got, as the program's process tells it, or (Trace) the monitor. Ready: all that
// is left is execve.
struct LaunchReport {
  enum class Step : int { Failed, Trace, Filter, Handshake, Ready, Exec };
  Step step = Step::Failed;
  int error = 0;
};

// "nofile" -> RLIMIT_NOFILE; -1 for a word that names none.
int limit_resource(std::string_view name);

class Launch {
 public:
  // EINVAL names an unknown limit in `message`; ENOENT or EACCES: argv[0] is not to be found or
  // not executable (127, 126).
  static Result<Launch> prepare(const SessionOptions& options, const Policy& policy,
                                Filter filter, std::string* message);

  // In the program's process. `monitor` is a socket: it brings the monitor's pid, takes one byte
  // when the monitor may seize us, and brings one when it has. Never returns.
  [[noreturn]] void run(int monitor, int report, const sigset_t& signal_mask) const;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  Launch() = default;
  std::string path_;
  std::vector<std::string> argv_;
  std::vector<std::string> environment_;
  std::vector<std::pair<int, uint64_t>> limits_;
  Filter filter_;
  bool inherit_descriptors_ = false;
  bool keep_core_dumps_ = false;
};

}  // namespace callgate
