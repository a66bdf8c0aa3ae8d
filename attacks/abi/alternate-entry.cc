// attack: alternate-entry
// class: abi
// severity: low
// needs: x86
// bits: 64, for the vsyscall page lies beyond 4 GiB
// trap: Other doors: the vsyscall page, and syscall user dispatch, which turns calls into SIGSYS
//   before seccomp or ptrace see them and would catch calls that a monitor injects.
// naive: Rewinds the instruction pointer over a two-byte instruction that is not there; or waits for an
//   entry that never comes. (Not shown by `--model naive`: it rewinds and injects as callgate does, and
//   a dispatched call is no call.)
// kernel: vsyscall emulation runs seccomp with the slot's address as ip (seccomp_filter.rst, Caveats);
//   syscall-user-dispatch.rst.
// sealed: PR_SET_SYSCALL_USER_DISPATCH is refused; a call is rewound only onto an instruction that was
//   decoded.
// source: seccomp_filter.rst; gVisor vsyscall.cc
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: none
#include <sys/time.h>

#include <ctime>

#include "tests/support/attack.h"

namespace attack {

void strike() {
  static char selector = 1;  // SYSCALL_DISPATCH_FILTER_BLOCK
  pid_t child = spawn([] {
    struct sigaction action {};
    action.sa_handler = [](int) { selector = 0; };
    ::sigaction(SIGSYS, &action, nullptr);
    selector = 0;
    if (::prctl(59, 1, 0, 0, &selector) != 0) held("PR_SET_SYSCALL_USER_DISPATCH");
    selector = 1;
    int fd = ::open(secret().c_str(), O_RDONLY);
    selector = 0;
    take(fd);
    take(secret());
    finish(kHeld);
  });
  reap(child);
  errno = 0;
  held("user dispatch");
}

void twin() {
  // Present on all but the most hardened kernels; when it is absent the call faults, in a child.
  pid_t child = spawn([] {
    using Time = long (*)(long*);
    long now = reinterpret_cast<Time>(0xffffffffff600400)(nullptr);
    must(now > 1000000, "vsyscall time");
    must(reads(work("ok.dat"), "harmless\n"), "open after a vsyscall");
  });
  int status = reap(child);
  must(status == 0 || status == 128 + SIGSEGV, "vsyscall");
  must(reads(work("ok.dat"), "harmless\n"), "open");
  twin_ok();
}

}  // namespace attack
