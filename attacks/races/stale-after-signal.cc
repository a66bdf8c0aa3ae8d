// attack: stale-after-signal
// class: races
// severity: high
// bare: held
// trap: Signals rain on calls in flight: a handler that uses the stack frame and makes calls of its
//   own, siglongjmp out of a blocked call. Then make calls whose names are known.
// naive: Acts for a call that no longer exists, or restores the registers of one over another.
// kernel: A signal during a stop is delivered when the call ends or restarts; -ERESTART* comes back
//   with the original registers (ptrace(2)).
// sealed: Registers are restored at every exit stop before any signal frame is built; a restarted
//   call is judged anew.
// source: seccomp_unotify(2), "Caveats regarding the use of /proc/[tid]/mem"
// time: 2000
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: none
#include <setjmp.h>
#include <sys/time.h>

#include "tests/support/attack.h"

namespace attack {
namespace {

volatile sig_atomic_t ticks = 0;

// One drop at a time: where calls are slow, a repeating timer would leave no time between them.
void next_drop() {
  const itimerval timer{{0, 0}, {0, 300}};
  must(::setitimer(ITIMER_REAL, &timer, nullptr) == 0, "setitimer");
}

void on_alarm(int) {
  int saved = errno;
  ticks = ticks + 1;
  int fd = ::open("/usr/bin/true", O_RDONLY);
  if (fd >= 0) ::close(fd);
  next_drop();
  errno = saved;
}

void rain() {
  struct sigaction action {};
  action.sa_handler = on_alarm;
  action.sa_flags = SA_RESTART;
  must(::sigaction(SIGALRM, &action, nullptr) == 0, "sigaction");
  next_drop();
  std::string file = work("file");
  std::string dir = work("dir");
  long rounds = 0;
  for (Stopwatch watch; watch.running() && rounds < 3000; ++rounds) {
    spill(file, "content");
    must(reads(file, "content"), "read back");
    must(::mkdir(dir.c_str(), 0755) == 0, "mkdir");
    must(::rename(dir.c_str(), (dir + "2").c_str()) == 0, "rename");
    must(::rmdir((dir + "2").c_str()) == 0, "rmdir");
    must(::unlink(file.c_str()) == 0, "unlink");
    must(::open(file.c_str(), O_RDONLY) == -1 && errno == ENOENT, "ENOENT");
  }
  ::signal(SIGALRM, SIG_IGN);
  const itimerval off{};
  ::setitimer(ITIMER_REAL, &off, nullptr);
  std::printf("%ld rounds\n", rounds);
  must(ticks > 0 && rounds > 3, "ticks");
}

}  // namespace

void strike() {
  rain();
  errno = 0;
  held("every call did what it said");
}

void twin() {
  rain();
  int pipes[2];
  must(::pipe(pipes) == 0, "pipe");
  // A read that is restarted after a handler without SA_RESTART gives EINTR.
  struct sigaction action {};
  action.sa_handler = [](int) {};
  must(::sigaction(SIGALRM, &action, nullptr) == 0, "sigaction");
  ::ualarm(20000, 0);
  char byte = 0;
  must(::read(pipes[0], &byte, 1) == -1 && errno == EINTR, "EINTR");
  twin_ok();
}

}  // namespace attack
