// attack: group-stop
// class: lifecycle
// severity: medium
// bare: held
// trap: Stop and continue: SIGSTOP to a process with threads, SIGTSTP, SIGTTIN, a stop while a call is
//   pending, SIGKILL of a stopped process.
// naive: Restarts a stopped task, or injects the stop for ever, or swallows SIGCONT: a hang.
// kernel: Group-stops under PTRACE_SEIZE are PTRACE_EVENT_STOP; PTRACE_LISTEN keeps the task stopped
//   (ptrace(2), "Group-stop").
// sealed: SEIZE, EVENT_STOP and LISTEN; only signal-delivery stops inject.
// source: ptrace(2); rr ptrace_group_stop.c
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: none
#include <thread>
#include "tests/support/attack.h"

namespace attack {
namespace {

void stops() {
  pid_t child = spawn([] {
    std::thread worker([] {
      for (;;) {
        if (reads(work("ok.dat"), "")) break;
        ::usleep(1000);
      }
    });
    worker.join();
  });
  // A group of its own: in an orphaned one SIGTSTP, SIGTTIN and SIGTTOU stop nobody (signal(7)).
  ::setpgid(child, child);
  for (int signal : {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU}) {
    int status = 0;
    ::usleep(10000);
    must(::kill(child, signal) == 0, "stop");
    must(::waitpid(child, &status, WUNTRACED) == child, "waitpid");
    must(WIFSTOPPED(status) && WSTOPSIG(status) == signal, "it stopped, by the very signal");
    must(::waitpid(child, &status, WNOHANG) == 0, "and once");
    must(::kill(child, SIGCONT) == 0, "continue");
    must(::waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status), "it continued");
  }
  must(::kill(child, SIGSTOP) == 0, "stop");
  int status = 0;
  must(::waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status), "stopped");
  must(::kill(child, SIGKILL) == 0 && reap(child) == 128 + SIGKILL, "killed while stopped");
}

}  // namespace

void strike() {
  stops();
  take(work("nothing"));
  errno = 0;
  held("stops and continues");
}

void twin() {
  stops();
  twin_ok();
}

}  // namespace attack
