// attack: startup-window
// class: lifecycle
// severity: critical
// trap: Act before the gate is shut: a constructor, which runs before main, opens $S/key; so does a
//   fresh thread and a fresh image.
// naive: Starts the program, then attaches; the first instructions run free. (Not shown by `--model
//   naive`: its loop is callgate's own, and only its judgement is naive.)
// kernel: A seccomp filter holds from the call that loads it; ptrace from the seize on.
// sealed: The program's first instruction comes after a handshake that proved the filter live.
// source: kxxt/tracexec#66, #73
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   path allow execute ${PROGRAM}
//   network deny all
// report: $S/key
#include <thread>

#include "tests/support/attack.h"

namespace attack {
namespace {

bool early = false;

__attribute__((constructor)) void before_main() {
  const char* s = std::getenv("ATTACK_S");
  if (s == nullptr) return;
  int fd = ::open((std::string(s) + "/key").c_str(), O_RDONLY);
  if (fd >= 0) early = true;
}

}  // namespace

void strike() {
  if (std::getenv("ATTACK_FRESH") != nullptr) {
    if (early) prey_taken("before main of a fresh image");
    held("in a fresh image");
  }
  if (way("before main") && early) prey_taken("before main");
  if (way("a fresh thread")) std::thread([] { take(secret()); }).join();
  if (way("a fresh image")) {
    const pid_t child = spawn([] {
      ::setenv("ATTACK_FRESH", "1", 1);
      ::execl("/proc/self/exe", "startup-window", "attack", nullptr);
      finish(126);
    });
    const int status = reap(child);
    must(status == 0 || status == kHeld, "the fresh image");
    if (status == 0) prey_taken("before main of a fresh image");
  }
  held("at the start");
}

void twin() {
  pid_t child = spawn([] {
    ::execl("/proc/self/exe", "startup-window", "nothing", nullptr);
    finish(1);
  });
  must(reap(child) == 64, "the own program may be executed again");
  twin_ok();
}

}  // namespace attack
