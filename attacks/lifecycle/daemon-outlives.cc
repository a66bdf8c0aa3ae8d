// attack: daemon-outlives
// class: lifecycle
// severity: high
// launch: late
// trap: Fork twice, setsid, ignore SIGHUP and SIGTERM, let the first process end; the survivor opens
//   $S/key half a second later.
// naive: Ends with its first child and leaves the rest unguarded. (Not shown by `--model naive`: its
//   loop is callgate's own, and only its judgement is naive.)
// kernel: Orphans are reparented to init or a subreaper; nothing ends with the first process.
// sealed: callgate runs as long as one tracee does, or kills what is left; never lets go.
// source: sandlock#238, #252; rr daemon.c
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: none
#include "tests/support/attack.h"

namespace attack {
namespace {

void daemonise() {
  std::fflush(nullptr);
  if (::fork() != 0) {
    errno = 0;
    held("the first process ends");
  }
  ::setsid();
  ::signal(SIGHUP, SIG_IGN);
  ::signal(SIGTERM, SIG_IGN);
  if (::fork() != 0) ::_exit(0);
}

}  // namespace

void strike() {
  daemonise();
  int null = ::open("/dev/null", O_RDWR);
  for (int fd = 0; fd < 3; ++fd) ::dup2(null, fd);
  ::usleep(400000);
  int fd = ::open(secret().c_str(), O_RDONLY);
  if (fd >= 0) ::unlink(secret().c_str());  // the mark the driver sees
  ::_exit(0);
}

// The daemon's work on what is allowed is done, also after its parent.
void twin() {
  std::fflush(nullptr);
  int pipes[2];
  must(::pipe(pipes) == 0, "pipe");
  pid_t child = ::fork();
  if (child == 0) {
    ::setsid();
    if (::fork() != 0) ::_exit(0);
    ::usleep(100000);
    must(reads(work("ok.dat"), "harmless\n"), "the orphan reads");
    must(::write(pipes[1], "x", 1) == 1, "write");
    ::_exit(0);
  }
  ::close(pipes[1]);
  must(reap(child) == 0, "the middle process");
  char byte = 0;
  must(::read(pipes[0], &byte, 1) == 1, "the orphan's word");
  twin_ok();
}

}  // namespace attack
