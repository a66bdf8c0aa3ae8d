// attack: delegated-open-blocks
// class: races
// severity: high
// bare: held
// trap: open of a FIFO without a peer blocks until the peer's open, which is another call for the
//   monitor to judge. A file with a lease on it blocks up to 45 s.
// naive: A monitor that opens on the program's behalf deadlocks with itself.
// kernel: fifo(7), fcntl(2) leases: the opener sleeps in the call.
// sealed: The program sleeps in its own call; the loop serves the others. Only names are pinned
//   beforehand, by O_PATH, which neither blocks nor wakes a peer.
// source: sandlock#158, #249
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: none
#include "tests/support/attack.h"

namespace attack {
namespace {

void exchange_by_fifo() {
  must(::mkfifo(work("fifo").c_str(), 0600) == 0, "mkfifo");
  pid_t reader = spawn([] { must(reads(work("fifo"), "through"), "read from the fifo"); });
  must(::usleep(50000) == 0, "usleep");
  must(reads(work("ok.dat"), "harmless\n"), "others are served meanwhile");
  int fd = ::open(work("fifo").c_str(), O_WRONLY);
  must(fd >= 0 && ::write(fd, "through", 7) == 7, "write");
  ::close(fd);
  must(reap(reader) == 0, "reader");
}

// An open waits until whoever has the lease gives it up; others are served meanwhile.
void open_against_lease() {
  spill(work("leased"), "content");
  int go[2];
  must(::pipe(go) == 0, "pipe");
  const pid_t holder = spawn([&] {
    const int fd = ::open(work("leased").c_str(), O_WRONLY);
    sigset_t broken;
    ::sigemptyset(&broken);
    ::sigaddset(&broken, SIGIO);
    must(::sigprocmask(SIG_BLOCK, &broken, nullptr) == 0, "sigprocmask");
    must(::fcntl(fd, F_SETLEASE, F_WRLCK) == 0, "a lease");
    must(::write(go[1], "x", 1) == 1, "write");
    int signal = 0;
    must(::sigwait(&broken, &signal) == 0, "the opener is announced");
    must(reads(work("ok.dat"), kHarmless), "others are served meanwhile");
    must(::fcntl(fd, F_SETLEASE, F_UNLCK) == 0, "given up");
  });
  char byte = 0;
  must(::read(go[0], &byte, 1) == 1, "the holder");
  must(reads(work("leased"), "content"), "the open that waited");
  must(reap(holder) == 0, "the holder's end");
}

}  // namespace

void strike() {
  exchange_by_fifo();
  open_against_lease();
  errno = 0;
  held("nothing hung");
}

void twin() {
  exchange_by_fifo();
  open_against_lease();
  // A blocked open is interrupted by a signal, as bare.
  struct sigaction action {};
  action.sa_handler = [](int) {};
  must(::sigaction(SIGALRM, &action, nullptr) == 0, "sigaction");
  timespec now{};
  must(::clock_gettime(CLOCK_MONOTONIC, &now) == 0, "clock");
  ::ualarm(50000, 0);
  must(::open(work("fifo").c_str(), O_RDONLY) == -1 && errno == EINTR, "EINTR");
  must(::open(work("fifo").c_str(), O_WRONLY | O_NONBLOCK) == -1 && errno == ENXIO, "ENXIO");
  twin_ok();
}

}  // namespace attack
