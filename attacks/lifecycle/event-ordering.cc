// attack: event-ordering
// class: lifecycle
// severity: high
// trap: A birth has two witnesses, the child's first stop and its parent's event, and they come in
//   either order. Kill the parent before its event is read, kill the newborn, stop and continue it,
//   execute in it at once, end it at once, and have it open $S/key before anybody has put the two
//   together.
// naive: Expects the parent's event first: a stop of an unknown pid is ignored, resumed, or taken for an
//   error. (Not shown by `--model naive`: its loop is callgate's own, and only its judgement is naive.)
// kernel: "The first stop of the child may be reported before the event of its parent"; when the
//   parent is killed, PTRACE_GETEVENTMSG says ESRCH and the child is traced all the same
//   (ptrace(2)).
// sealed: A task that nobody announced stays stopped until the kernel has been asked what it
//   shares; its traced calls wait in the filter. Nothing runs free in between.
// source: ptrace(2); in-toto/go-witness#791; cooperative-computing-lab/cctools#1218; rr
//   kill_newborn.c
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: $S/key
#include <vector>

#include "tests/support/attack.h"

namespace attack {
namespace {

// A newborn's first act: what it reads goes into the pipe, as one write.
[[noreturn]] void read_and_tell(const char* path, int pipe) {
  char buffer[4096];
  const auto fd = static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, O_RDONLY));
  const ssize_t n = fd >= 0 ? ::read(fd, buffer, sizeof buffer) : 0;
  if (n > 0 && ::write(pipe, buffer, static_cast<size_t>(n)) != n) ::_exit(1);
  ::_exit(0);
}

constexpr const char* kWays[] = {"ordinary", "orphaned",      "orphaned by vfork",
                                 "stopped",  "grandchildren", "executed"};
constexpr int kAll = std::size(kWays);

// A parent that bears children in this way until it dies, or has borne a few.
void bear(int way, const char* path, int pipe) {
  for (int i = 0; i < 4; ++i) {
    pid_t child = 0;
    switch (way) {
      case 0:  // the ordinary birth
        child = ::fork();
        if (child == 0) read_and_tell(path, pipe);
        break;
      case 1:  // a birth whose parent is dead before anybody could read of it
        child = ::fork();
        if (child == 0) read_and_tell(path, pipe);
        ::kill(::getpid(), SIGKILL);
        break;
      case 2:  // a parent that is killed while it sleeps in the birth
        child = ::vfork();
        if (child == 0) {
          ::kill(::getppid(), SIGKILL);
          read_and_tell(path, pipe);
        }
        break;
      case 3:  // a newborn that is stopped and continued before it has run
        child = ::fork();
        if (child == 0) read_and_tell(path, pipe);
        ::kill(child, SIGSTOP);
        ::kill(child, SIGCONT);
        break;
      case 4:  // a newborn that is killed, and one of its own that it leaves behind
        child = ::fork();
        if (child == 0) {
          if (::fork() == 0) read_and_tell(path, pipe);
          ::_exit(0);
        }
        ::kill(child, SIGKILL);
        break;
      default:  // execute at once
        child = ::fork();
        if (child == 0) {
          ::dup2(pipe, 1);
          ::execl("/usr/bin/cat", "cat", path, nullptr);
          ::_exit(1);
        }
        break;
    }
    if (child > 0) reap(child);
  }
}

// What all children of all parents read, of whichever lived long enough.
std::string births(const std::string& path, int families, int how = -1) {
  std::string all;
  for (int family = 0; family < families; ++family) {
    int pipes[2];
    must(::pipe(pipes) == 0, "pipe");
    const pid_t parent = spawn([&] {
      ::close(pipes[0]);
      if (const int null = ::open("/dev/null", O_WRONLY); null >= 0) ::dup2(null, 2);
      bear(how >= 0 ? how : family % kAll, path.c_str(), pipes[1]);
    });
    must(parent > 0, "fork");
    ::close(pipes[1]);
    all += read_all(pipes[0]);  // the end of the file: the last of the family is gone
    ::close(pipes[0]);
    reap(parent);
  }
  return all;
}

}  // namespace

void strike() {
  for (int how = 0; how < kAll; ++how) {
    if (!way(kWays[how])) continue;
    const std::string text = births(secret(), 20, how);
    if (!text.empty()) prey_taken(text);
  }
  errno = EACCES;
  held("no newborn read it");
}

void twin() {
  const std::string text = births(work("ok.dat"), 60);
  must(text.size() % kHarmless.size() == 0, "whole readings only");
  // Of the ways in which nobody is killed each birth reads: ordinary, stopped and continued, executed.
  must(text.size() / kHarmless.size() >= 60 / kAll * 3 * 4, "every newborn that lived has read");
  twin_ok();
}

}  // namespace attack
