// One run of a contestant: a child in a process group of its own, with pipes to its stdin and from
// its stdout, and the time from its fork to its end.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "arch/result.h"
#include "arch/unique_fd.h"

namespace callgate {

class BenchProcess {
 public:
  BenchProcess() = default;
  BenchProcess(const BenchProcess&) = delete;
  BenchProcess& operator=(const BenchProcess&) = delete;
  ~BenchProcess();  // kills the whole group if it still runs

  // argv[0] is looked up in PATH. What it says on stderr is kept in a file of `directory`, where it
  // runs.
  Status start(const std::vector<std::string>& argv, const std::string& directory);
  [[nodiscard]] pid_t pid() const { return pid_; }
  // The next line of its stdout, without the newline; ETIME when none comes, EPIPE at the end.
  Result<std::string> read_line();
  // Closes its stdin, reads the rest and waits. A process that does not end is killed: ETIME.
  Result<int> finish();

  [[nodiscard]] const std::string& output() const { return output_; }  // not yet read as lines
  [[nodiscard]] double seconds() const { return seconds_; }            // after finish
  // How a status that is not wanted came about, in words, with the last line of its stderr.
  [[nodiscard]] std::string explain(int status) const;

 private:
  Result<bool> read_more(int64_t deadline_ns);  // false: the end of its output

  pid_t pid_ = 0;
  UniqueFd to_;
  UniqueFd from_;
  std::string output_;
  std::string messages_;  // the file
  int64_t started_ns_ = 0;
  double seconds_ = 0;
};

}  // namespace callgate
