// The programs that `callgate bench` runs under each contestant: loops over one system call that
// time themselves, so that nobody's start is counted. They know nothing of monitors.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "arch/result.h"

namespace callgate {

struct BenchLoop {
  const char* name;
  const char* what;  // one line
};
std::span<const BenchLoop> bench_loops();

struct LoopRequest {
  std::string name;        // of bench_loops()
  int milliseconds = 100;  // how long to call
  int tasks = 1;           // processes that call at the same time
  int descriptors = 0;     // open descriptors beside the usual ones
  int past = 0;            // calls made, and a hundredth of it processes, before the clock starts
};

// "open", "200", "tasks=4", "descriptors=1000", "past=100000"; EINVAL when a word is none of these.
Result<LoopRequest> parse_loop(std::span<const std::string> words);
std::vector<std::string> loop_words(const LoopRequest& request);

// Nanoseconds of wall time by calls of all tasks together. Works in the current directory, where it
// leaves a file and a link. The errno of a call that failed and should not have.
Result<double> run_loop(const LoopRequest& request);

}  // namespace callgate
