// attack: wait-loop-robustness
// class: lifecycle
// severity: medium
// bare: held
// trap: vfork parents, children without exit signal, hundreds of deaths at once, SIGKILL in the middle of
//   calls and forks.
// naive: Waits for one pid, takes ESRCH for a bug, loses a child whose parent died before the event.
// kernel: SIGKILL ends any stop; SIGCHLD coalesces; the next ptrace request is ESRCH (ptrace(2), "Death under ptrace").
// sealed: One loop that waits for all; ESRCH means "its death is on the way".
// source: ptrace(2); Chromium monitor_ptrace.cc; rr async_kill_*, vfork*
// time: 1500
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: none
#include "tests/support/attack.h"

namespace attack {
namespace {

// Kills children at every moment of their life: between fork, open, mkdir and exec.
void massacre() {
  long rounds = 0;
  for (Stopwatch watch; watch.running();) {
    pid_t child = spawn([&] {
      ::setpgid(0, 0);
      for (;;) {
        reads(work("ok.dat"), "");
        if (pid_t inner = ::fork(); inner == 0) {
          ::execl("/usr/bin/true", "true", nullptr);
          ::_exit(1);
        }
        ::waitpid(-1, nullptr, WNOHANG);
      }
    });
    must(child > 0, "fork");
    ::setpgid(child, child);
    ::usleep(static_cast<useconds_t>(500 + rounds * 137 % 9000));
    must(::kill(-child, SIGKILL) == 0, "kill of the group");
    must(reap(child) == 128 + SIGKILL, "it died");
    ++rounds;
  }
  must(rounds > 5, "rounds");
  for (int i = 0; i < 20; ++i) {
    pid_t child = ::vfork();
    if (child == 0) {
      ::execl("/usr/bin/true", "true", nullptr);
      ::_exit(1);
    }
    must(reap(child) == 0, "vfork and exec");
  }
}

}  // namespace

void strike() {
  massacre();
  errno = 0;
  held("the loop goes on");
}

void twin() {
  massacre();
  must(reads(work("ok.dat"), "harmless\n"), "open");
  twin_ok();
}

}  // namespace attack
