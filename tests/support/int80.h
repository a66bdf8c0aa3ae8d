// The kernel's old entry: numbers and arguments of i386, also from a 64-bit program. x86 only.
#pragma once

#include "tests/support/attack.h"

namespace attack {

inline long int80(long nr, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0) {
  long result = 0;
  asm volatile("int $0x80"
               : "=a"(result)
               : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
               : "memory", "r8", "r9", "r10", "r11");
  return static_cast<int>(result);
}

// Memory below 4 GiB, for pointers that i386 can hold.
inline char* low_memory() {
  auto* page = static_cast<char*>(::mmap(nullptr, 1 << 16, PROT_READ | PROT_WRITE,
                                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0));
  must(page != MAP_FAILED, "MAP_32BIT");
  return page;
}

inline long address_of(const volatile void* p) {
  return static_cast<long>(reinterpret_cast<uintptr_t>(p));
}

inline void need_ia32() {
  constexpr long kGetpid = 20;
  if (int80(kGetpid) == -ENOSYS) skip("this kernel has no IA32 emulation");
}

}  // namespace attack
