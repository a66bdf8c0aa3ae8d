// attack: arg-race-thread
// class: races
// severity: critical
// models: naive canonical
// trap: Thread B flips the bytes of the name that thread A is opening: "$T/ok.dat" when the monitor
//   reads it, "$S/key" when the kernel does.
// naive: Reads the string, finds it allowed, lets the call run on the same memory. Canonical resolution
//   changes nothing: the second reader is the kernel.
// kernel: getname() copies the string at its own time; threads share memory (ptrace(2), seccomp_unotify(2) NOTES).
// sealed: The checked bytes are put where the sandbox cannot write, and the registers point there.
// source: Garfinkel, NDSS 2003, "argument races"; Watson, WOOT 2007
// time: 5000
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: $S/key
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

}  // namespace

void strike() {
  must(race(work("ok.dat"), secret()) > 0, "no harmless open got through");
  errno = 0;
  held("every open was the harmless file");
}

void twin() {
  spill(work("ok.two"), kHarmless);
  must(race(work("ok.dat"), work("ok.two")) > 100, "harmless opens");
  twin_ok();
}

}  // namespace attack
