// attack: arg-race-thread
// class: races
// severity: critical
// models: naive canonical
// trap: Thread B flips the bytes of the name that thread A is opening: "$T/ok.dat" when the monitor
//   reads it, "$S/key" when the kernel does. Or the struct open_how, from reading to writing.
// naive: Reads the string, finds it allowed, lets the call run on the same memory. Canonical resolution
//   changes nothing: the second reader is the kernel.
// kernel: getname() copies the string at its own time; threads share memory (ptrace(2), seccomp_unotify(2) NOTES).
// sealed: The checked bytes are put where the sandbox cannot write, and the registers point there.
// source: Garfinkel, NDSS 2003, "argument races"; Watson, WOOT 2007
// time: 5000
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   path allow read $S/run
//   network deny all
// report: $S/key
// report: write of $S/run
#include <atomic>
#include <thread>

#include "tests/support/attack.h"

namespace attack {
namespace {

// Two names of one length that differ in a run of bytes; flipping copies only that run.
void flip(char* place, const std::string& a, const std::string& b, std::atomic<bool>& stop) {
  while (!stop.load(std::memory_order_relaxed)) {
    std::memcpy(place, b.c_str(), b.size() + 1);
    for (int i = 0; i < 50; ++i) asm volatile("");
    std::memcpy(place, a.c_str(), a.size() + 1);
    for (int i = 0; i < 50; ++i) asm volatile("");
  }
}

long race(const std::string& a, const std::string& b) {
  static char place[4096];
  std::memcpy(place, a.c_str(), a.size() + 1);
  std::atomic<bool> stop{false};
  std::thread other([&] { flip(place, a, b, stop); });
  const long good = open_until_time_is_up(place).good;
  stop = true;
  other.join();
  return good;
}

// Opens a file that may be read while the flags say "write" now and then; how often it could be read.
long race_how(const std::string& path, bool may_write = false) {
  static open_how how{};
  auto* flags = reinterpret_cast<volatile uint64_t*>(&how.flags);
  std::atomic<bool> stop{false};
  std::thread other([&] {
    while (!stop.load(std::memory_order_relaxed)) {
      *flags = O_RDWR;
      for (int i = 0; i < 50; ++i) asm volatile("");
      *flags = O_RDONLY;
      for (int i = 0; i < 50; ++i) asm volatile("");
    }
  });
  long good = 0;
  for (Stopwatch watch; watch.running();) {
    const auto fd =
        static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how));
    if (fd < 0) continue;
    ++good;
    if ((::fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY && !may_write)
      prey_taken("opened for writing");
    ::close(fd);
  }
  stop = true;
  other.join();
  return good;
}

}  // namespace

void strike() {
  if (way("name")) must(race(work("ok.dat"), secret()) > 0, "no harmless open got through");
  if (way("open_how")) race_how(secret("run"));
  errno = 0;
  held("every open was the harmless file");
}

void twin() {
  spill(work("ok.two"), kHarmless);
  must(race(work("ok.dat"), work("ok.two")) > 100, "harmless opens");
  must(race_how(work("ok.dat"), true) > 100, "harmless flags");
  twin_ok();
}

}  // namespace attack
