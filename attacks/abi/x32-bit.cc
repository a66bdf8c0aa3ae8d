// attack: x32-bit
// class: abi
// severity: critical
// needs: x86
// bare: held
// trap: Numbers with bit 30 set are the x32 ABI under the same audit architecture; 512 to 547 are its
//   own. open is 0x40000002.
// naive: "nr == open" misses it; a deny-list passes it.
// kernel: Where x32 is built in, the call runs; elsewhere ENOSYS (seccomp(2), NOTES).
// sealed: The filter answers ENOSYS to every number from 0x40000000 up, before the table.
// source: firejail release notes; seccomp(2)
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: none
#include "tests/support/attack.h"

namespace attack {

void strike() {
  std::string key = secret();
  constexpr long kX32 = 0x40000000;
  take(static_cast<int>(::syscall(kX32 | SYS_open, key.c_str(), O_RDONLY)));
  take(static_cast<int>(::syscall(kX32 | SYS_openat, AT_FDCWD, key.c_str(), O_RDONLY)));
  for (long nr = 512; nr < 548; ++nr) {
    if (nr == 520 || nr == 545) continue;  // execve, execveat
    ::syscall(nr, 0, 0, 0, 0, 0, 0);
    ::syscall(kX32 | nr, 0, 0, 0, 0, 0, 0);
  }
  errno = ENOSYS;
  held("x32");
}

void twin() {
  must(::syscall(0x40000000 | SYS_getpid) == -1 ? errno == ENOSYS : true, "x32 getpid");
  must(reads(work("ok.dat"), "harmless\n"), "the ordinary call");
  twin_ok();
}

}  // namespace attack
