// attack: exec-path-argv-race
// class: races
// severity: critical
// models: naive canonical
// trap: Another process that shares the memory flips the name that execve is about to run between
//   /usr/bin/false and $S/program.
// naive: Reads the name, allows it, lets execve read it again.
// kernel: execve copies the name at its own time; sharers of the memory go on running until the new
//   image is installed.
// sealed: execve gets a sealed copy, and at PTRACE_EVENT_EXEC the image that really came is judged
//   again before it runs; a mismatch kills.
// source: sandlock#29, #33, #225; Garfinkel, NDSS 2003
// default: any
// time: 4000
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: $S/program
#include "tests/support/attack.h"

namespace attack {
namespace {

// Runs the name on the flipping page many times; counts exits 0 (the other program ran).
long race(const std::string& a, const std::string& b, long limit, long* runs) {
  auto* place = static_cast<volatile char*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE,
                                                   MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  must(place != MAP_FAILED, "mmap");
  const Rival flipper([&] {
    for (int turn = 0; turn < 1000; ++turn) {
      for (size_t i = 0; i <= b.size(); ++i) place[i] = b.c_str()[i];
      for (int i = 0; i < 100; ++i) asm volatile("");
      for (size_t i = 0; i <= a.size(); ++i) place[i] = a.c_str()[i];
      for (int i = 0; i < 100; ++i) asm volatile("");
    }
  });
  long zeros = 0;
  *runs = 0;
  for (Stopwatch watch; (watch.running() || *runs <= 5) && zeros < limit;) {
    pid_t child = spawn([&] {
      char* argv[] = {const_cast<char*>("x"), nullptr};
      char* envp[] = {nullptr};
      ::execve(const_cast<const char*>(place), argv, envp);
      finish(126);
    });
    int status = reap(child);
    if (status == 0) ++zeros;
    if (status < 126) ++*runs;
  }
  return zeros;
}

}  // namespace

void strike() {
  long runs = 0;
  long zeros = race("/usr/bin/false", secret("program"), 1, &runs);
  std::printf("ran %ld\n", runs);
  if (zeros > 0) prey_taken("the other program ran");
  errno = 0;
  held("only the allowed program ran");
}

void twin() {
  long runs = 0;
  race("/usr/bin/false", "/usr/bin/true", 5, &runs);
  must(runs >= 5, "allowed programs run");
  twin_ok();
}

}  // namespace attack
