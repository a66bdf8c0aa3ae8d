// The return stub: a few instructions, mapped read-only into tracees, through which a redirected
// call comes back. It puts the program's own argument registers back and goes on behind the
// program's call, so that no exit stop is needed to do it. No flag and no memory is touched.
//
// Where the kernel says ELOOP or EACCES the stub calls again instead, which traps: whether that is
// the program's own error is the monitor's to say.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "arch/registers.h"

namespace callgate {

// The machine code, position-independent; empty where this machine has none, and calls are then
// met at their exit stop.
std::span<const std::byte> return_stub();

// What the stub needs to find right before the bytes that argument 1 (the path of openat2) points
// to. x86_64 calls only: elsewhere every call is met at its exit.
inline constexpr size_t kReturnFrameWords = 6;
std::array<uint64_t, kReturnFrameWords> return_frame(const Registers& original);

// Where in the stub the program counter stands, as an offset from its first byte.
enum class StubPoint : uint8_t {
  Outside,
  Returning,  // the call is done or about to start over; the registers may be partly restored
  Looped,     // the call said ELOOP, and the stub asks what now
  Refused,    // the call said EACCES, likewise
};
StubPoint stub_point(uint64_t offset);
// Where a redirected call returns to.
uint64_t return_stub_entry();

}  // namespace callgate
