// Memory of a tracee that the fuzzer fills: one page at a fixed low address, so that 32-bit
// pointers reach it and an input can hold pointers into itself; the page after it cannot be read.
#pragma once

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "monitor/argument_area.h"
#include "monitor/tracee_memory.h"
#include "tests/fuzz/fuzz_input.h"

namespace callgate::fuzz {

class TraceeArena {
 public:
  static constexpr uint64_t kAddress = 0x10000000;
  static constexpr size_t kSize = 4096;

  TraceeArena() {
    void* wanted = reinterpret_cast<void*>(kAddress);
    void* at = ::mmap(wanted, 2 * kSize, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    holds(at == wanted && ::mprotect(static_cast<char*>(at) + kSize, kSize, PROT_NONE) == 0,
          "the arena is mapped");
    stop_stack();
    bytes_ = {static_cast<std::byte*>(at), kSize};
  }
  // The input's bytes first, zeros behind them.
  void fill(std::span<const std::byte> input) {
    const size_t size = std::min(input.size(), kSize);
    std::copy_n(input.begin(), size, bytes_.begin());
    std::fill(bytes_.begin() + static_cast<ptrdiff_t>(size), bytes_.end(), std::byte{0});
  }
  // What lies there, without the monitor's code; empty where not all of it is in the arena.
  [[nodiscard]] std::span<const std::byte> at(uint64_t address, uint64_t size) const {
    if (address < kAddress || address - kAddress > kSize) return {};
    if (size > kSize - (address - kAddress)) return {};
    return std::span<const std::byte>(bytes_).subspan(address - kAddress, size);
  }
  [[nodiscard]] TraceeMemory memory() const { return TraceeMemory(::getpid()); }

 private:
  // The kernel lets the stack grow under a call's pointer, and into what another reads it does not:
  // pointers to below it would be answered differently. So it grows now, and never again.
  static void stop_stack() {
    constexpr size_t kStack = size_t{1} << 20;
    volatile char grown[kStack];
    for (size_t i = 0; i < kStack; i += 4096) grown[i] = 0;
    const rlimit limit{kStack, kStack};
    holds(::setrlimit(RLIMIT_STACK, &limit) == 0, "the stack has its limit");
  }

  std::span<std::byte> bytes_;
};

// An argument area, attached where a tracee would find it.
inline ArgumentArea attached_area() {
  auto area = ArgumentArea::create();
  auto* at = reinterpret_cast<void*>(ArgumentArea::kAddress);
  holds(area.ok() && ::shmat(area->segment(), at, SHM_RDONLY) == at, "there is an argument area");
  return *std::move(area);
}

}  // namespace callgate::fuzz
