// attack: sigtrap-spoof
// class: lifecycle
// severity: high
// trap: Send oneself the signals by which old tracers tell stops apart: SIGTRAP by kill, with forged
//   si_code, by int3, by the trap flag; then open $S/key, in the hope that entry and exit are mixed up.
// naive: WSTOPSIG == SIGTRAP means a call's stop; entry and exit alternate. (Not shown by `--model
//   naive`: its loop is callgate's own, and only its judgement is naive.)
// kernel: PTRACE_O_TRACESYSGOOD, PTRACE_EVENT_* in status >> 8, PTRACE_GET_SYSCALL_INFO.op (ptrace(2)).
// sealed: Stops are told apart by what cannot be forged.
// source: ptrace(2), "Syscall-stops"; Garfinkel, NDSS 2003
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: $S/key
#include "tests/support/attack.h"

namespace attack {
namespace {

volatile sig_atomic_t caught = 0;

void send_them() {
  struct sigaction action {};
  action.sa_handler = [](int) { caught = caught + 1; };
  must(::sigaction(SIGTRAP, &action, nullptr) == 0, "sigaction");
  ::raise(SIGTRAP);
  ::kill(::getpid(), SIGTRAP);
  siginfo_t info{};
  info.si_signo = SIGTRAP;
  for (int code : {-1, -6, -60}) {
    info.si_code = code;
    ::syscall(SYS_rt_tgsigqueueinfo, ::getpid(), ::gettid(), SIGTRAP, &info);
  }
#if defined(__x86_64__)
  asm volatile("int3");
#endif
  ::syscall(SYS_tgkill, ::getpid(), ::gettid(), SIGTRAP);
}

}  // namespace

void strike() {
  for (int i = 0; i < 3; ++i) {
    send_them();
    take(secret());
    ::raise(SIGTRAP);
    take(secret());
  }
  errno = EACCES;
  held("after forged traps");
}

void twin() {
  send_them();
  must(caught >= 4, "each SIGTRAP is delivered: " + std::to_string(caught));
  must(reads(work("ok.dat"), "harmless\n"), "open");
  pid_t child = spawn([] {
    ::signal(SIGTRAP, SIG_DFL);
    ::raise(SIGTRAP);
  });
  must(reap(child) == 128 + SIGTRAP, "and kills by default");
  twin_ok();
}

}  // namespace attack
