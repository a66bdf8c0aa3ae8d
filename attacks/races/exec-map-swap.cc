// attack: exec-map-swap
// class: races
// severity: medium
// models: naive
// trap: $S/program may be read and not executed. One thread maps a number executable, another puts
//   the harmless file and the program on it in turn.
// naive: Asks what the number is, then lets mmap run on whatever it has become.
// kernel: mmap looks the number up when it begins to run, after the seccomp stop (mmap(2)).
// sealed: All who share the table are held until the call is done, also where it runs with its own
//   arguments.
// source: Watson, WOOT 2007
// time: 4000
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   path allow execute $T/ok.dat
//   path allow read $S/program
//   network deny all
// report: $S/program
#include <atomic>
#include <thread>

#include "tests/support/attack.h"

namespace attack {
namespace {

// How often the harmless file was mapped; -1 when the other was.
long race(const std::string& other_name) {
  const int harmless = ::open(work("ok.dat").c_str(), O_RDONLY);
  const int other = ::open(other_name.c_str(), O_RDONLY);
  must(harmless >= 0 && other >= 0, "open");
  const int number = ::fcntl(harmless, F_DUPFD, 100);
  std::atomic<bool> stop{false};
  std::thread swapper([&] {
    while (!stop.load(std::memory_order_relaxed)) {
      ::dup2(other, number);
      ::dup2(harmless, number);
    }
  });
  long mapped = 0;
  for (Stopwatch watch; watch.running() && mapped >= 0;) {
    void* at = ::mmap(nullptr, 8, PROT_READ | PROT_EXEC, MAP_PRIVATE, number, 0);
    if (at == MAP_FAILED) continue;
    mapped = std::memcmp(at, "harmless", 8) == 0 ? mapped + 1 : -1;
    ::munmap(at, 8);
  }
  stop = true;
  swapper.join();
  return mapped;
}

}  // namespace

void strike() {
  if (race(secret("program")) < 0) prey_taken("the program was mapped executable");
  held("mmap");
}

void twin() {
  must(race(work("ok.dat")) > 0, "mmap");
  twin_ok();
}

}  // namespace attack
