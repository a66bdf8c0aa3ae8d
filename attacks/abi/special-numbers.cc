// attack: special-numbers
// class: abi
// severity: medium
// trap: Call number -1, the mark by which a monitor skips a call; restart_syscall, which the kernel
//   makes after a stop in nanosleep, poll or futex.
// naive: Takes the program's -1 for its own skip; an allow-list by name kills sleepers. (Not shown by
//   `--model naive`: its loop is callgate's own, and only its judgement is naive.)
// kernel: -1 is ENOSYS; restart_syscall follows SIGSTOP and SIGCONT (restart_syscall(2)).
// sealed: Skips are known by the stop's own state, never by a number; restart_syscall passes.
// source: ptrace(2); genodelabs/genode#3831
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: none
#include "tests/support/attack.h"

namespace attack {
namespace {

void try_numbers() {
  for (long nr : {-1L, -2L, -100L, 0x7fffffffL, static_cast<long>(0x80000000U), 1000L, 512L}) {
    must(::syscall(nr, 0, 0, 0, 0, 0, 0) == -1 && errno == ENOSYS, "a number that is none is ENOSYS");
  }
}

}  // namespace

void strike() {
  try_numbers();
  take(secret());
  held("after odd numbers");
}

void twin() {
  try_numbers();
  pid_t child = spawn([] {
    timespec time{0, 300000000};
    must(::nanosleep(&time, nullptr) == 0, "nanosleep across a stop");
    must(::poll(nullptr, 0, 300) == 0, "poll across a stop");
  });
  for (int i = 0; i < 4; ++i) {
    ::usleep(50000);
    must(::kill(child, SIGSTOP) == 0, "stop");
    int status = 0;
    must(::waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status), "it stopped");
    ::usleep(20000);
    must(::kill(child, SIGCONT) == 0, "continue");
  }
  must(reap(child) == 0, "it slept on");
  must(reads(work("ok.dat"), "harmless\n"), "open");
  twin_ok();
}

}  // namespace attack
