// The least that a monitor behind this filter can cost: a tracer that lets every stop go on at
// once. What any monitor costs above it is the monitor's own work. It judges nothing and enforces
// nothing; `callgate bench` runs it beside callgate. On request it also makes, one after the other,
// the requests that a redirected call needs, so that their cost can be told apart.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "monitor/filter.h"

namespace callgate {

// What is done at each seccomp stop; every step includes those before it.
enum class NullStep : uint8_t {
  Continue,  // the stop, waitpid, PTRACE_CONT
  Fetch,     // the registers are read
  Name,      // the first bytes that the call's second argument points to (openat's name)
  Store,     // the registers are written
  ExitStop,  // PTRACE_SYSCALL instead of PTRACE_CONT: a second stop when the call returns
  Result,    // there, the result register is read
  Restore,   // and all registers written
};
inline constexpr std::array kNullSteps = {NullStep::Continue, NullStep::Fetch,    NullStep::Name,
                                          NullStep::Store,    NullStep::ExitStop, NullStep::Result,
                                          NullStep::Restore};
const char* null_step_name(NullStep step);

struct NullMonitor {
  std::vector<std::string> argv;  // looked up in PATH
  Filter filter;                  // whose RET_TRACE are the stops
  bool co_schedule = true;        // tracer and tracees on one CPU
  NullStep last = NullStep::Continue;

  // Runs the program and all its descendants to their end: the program's wait status. The calling
  // process stays on one CPU afterwards.
  [[nodiscard]] Result<int> run() const;
};

}  // namespace callgate
