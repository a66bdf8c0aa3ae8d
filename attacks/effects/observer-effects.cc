// attack: observer-effects
// class: effects
// severity: medium
// bare: held
// trap: Look for traces of the watcher: a pipe that never ends because the monitor holds the other end,
//   a lock that survives its owner's close, exit statuses, descriptors and the lowest free number.
// naive: Holds copies of descriptors, opens with side effects, eats signals.
// kernel: flock(2) and leases belong to the open file description; a pipe ends when its last writer closes.
// sealed: Names are pinned by O_PATH, which has no such effects; the program's descriptors are its own.
// source: open(2), flock(2); sandlock#158
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: none
#include <sys/file.h>
#include "tests/support/attack.h"

namespace attack {
namespace {

void look() {
  int expected = ::dup(0);
  ::close(expected);
  must(::open(work("ok.dat").c_str(), O_RDONLY) == expected, "the lowest free number is given");
  ::close(expected);
  int pipes[2];
  must(::pipe(pipes) == 0 && pipes[0] == expected, "pipe");
  ::close(pipes[1]);
  char byte = 0;
  must(::read(pipes[0], &byte, 1) == 0, "a pipe ends with its last writer");
  ::close(pipes[0]);
  spill(work("lock"), "");
  for (int i = 0; i < 20; ++i) {
    int fd = ::open(work("lock").c_str(), O_RDWR);
    must(::flock(fd, LOCK_EX | LOCK_NB) == 0, "the lock was let go");
    ::close(fd);
    fd = ::open(work("lock").c_str(), O_RDWR);
    must(::fcntl(fd, F_SETLEASE, F_WRLCK) == 0, "a write lease: nobody else has it open");
    ::close(fd);
  }
  for (int status : {0, 1, 7, 126, 127, 255}) {
    must(reap(spawn([&] { finish(status); })) == status, "statuses are true");
  }
  int fifo_writer = -1;
  must(::mkfifo(work("fifo").c_str(), 0600) == 0, "mkfifo");
  fifo_writer = ::open(work("fifo").c_str(), O_WRONLY | O_NONBLOCK);
  must(fifo_writer == -1 && errno == ENXIO, "nobody reads the fifo");
  struct stat before {};
  struct stat after {};
  must(::stat(work("ok.dat").c_str(), &before) == 0, "stat");
  must(::open(work("ok.dat").c_str(), O_RDONLY | O_TRUNC | O_EXCL | O_DIRECTORY) == -1, "no open");
  must(::stat(work("ok.dat").c_str(), &after) == 0 && before.st_size == after.st_size, "untouched");
}

}  // namespace

void strike() {
  look();
  errno = 0;
  held("no trace of a watcher");
}

void twin() {
  look();
  twin_ok();
}

}  // namespace attack
