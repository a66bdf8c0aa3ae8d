// Experiments that show whether this kernel, and whatever confines us already, lets callgate work.
// Each runs in a child of its own, leaves nothing behind and takes milliseconds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace callgate::cli {

struct Finding {
  enum class State : uint8_t { Fine, Note, Broken };
  State state = State::Fine;
  std::string what;  // one sentence
  std::string cure;  // Broken: what to do; may be empty
};

// A child with a seccomp filter is stopped at a call, the call is replaced, and the child sees the
// replacement: SEIZE, EXITKILL, RET_TRACE, GET_SYSCALL_INFO, reading memory, writing registers.
std::vector<Finding> probe_tracing();
// The argument area: a System V segment, attached read-only at its fixed address.
Finding probe_argument_area();
Finding probe_openat2();
Finding probe_proc();
// A 32-bit program of 96 bytes, run from memory.
Finding probe_32bit();
Finding probe_landlock();

}  // namespace callgate::cli
