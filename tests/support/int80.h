// Calls by the 32-bit entry, from a program of either width: numbers and structures of i386, and
// only the low halves of the registers count.
#pragma once

#include "tests/support/attack.h"

namespace attack {

// r8 to r11 survive int 0x80 since Linux 4.17 (entry_64_compat.S).
inline long int80(long nr, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0) {
  long result = 0;
  asm volatile("int $0x80"
               : "=a"(result)
               : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
               : "memory");
  return static_cast<int>(result);
}

// Without IA32 emulation the instruction faults.
inline bool has_32_bit_calls() {
  constexpr long kGetpid = 20;
  if (reap(spawn([] { int80(kGetpid); })) == 128 + SIGSEGV) return false;
  must(int80(kGetpid) == ::getpid(), "getpid by int 0x80");
  return true;
}
inline void need_32_bit_calls() {
  if (!has_32_bit_calls()) skip("this kernel has no IA32 emulation");
}

// 64 KiB below 4 GiB, for pointers that i386 can hold.
inline char* low_memory(int protection = PROT_READ | PROT_WRITE) {
  void* memory =
      ::mmap(nullptr, 1 << 16, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  must(memory != MAP_FAILED, "MAP_32BIT");
  return static_cast<char*>(memory);
}

inline uint32_t word(const volatile void* p) {
  return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(p));
}

}  // namespace attack
