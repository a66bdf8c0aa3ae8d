// attack: notif-continue-toctou
// class: races
// severity: critical
// models: naive canonical
// trap: A monitor by user notification reads the name from the caller's memory, finds it allowed,
//   asks whether the caller still waits, and answers "continue". The kernel then reads the name
//   itself. The program builds that monitor and beats it, every time; where it may not build one,
//   it turns the same trick on whoever judges it.
// naive: Takes NOTIF_ID_VALID, before and after the reading, for a protection of the arguments.
// kernel: SECCOMP_USER_NOTIF_FLAG_CONTINUE lets the call begin anew with the caller's pointers:
//   "cannot be used to implement a security policy" (seccomp_unotify(2)). The id says that the
//   caller waits, not that its memory stands still.
// sealed: Nothing depends on it: no call by name goes on with the caller's pointer, and new filters
//   are refused, so that nobody inside can come between.
// source: seccomp_unotify(2), NOTES; sysprog21/kbox#40; canyonroad/agentsh#148
// time: 4000
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: $S/key
#include <atomic>
#include <thread>

#include "tests/support/user_notify.h"

namespace attack {
namespace {

char place[4096];

void put(const std::string& name) { std::memcpy(place, name.c_str(), name.size() + 1); }

// The monitor in miniature. What happens between its check and its answer is up to the program's
// other threads; here they strike in the moment that suits them best.
void check_and_continue(int listener, const std::string& granted, const std::string& wanted) {
  const Notification call(listener);
  if (!call.valid()) return;
  // The caller's memory is this thread's: /proc/<pid>/mem might be kept from it.
  const bool allowed = std::string(place).starts_with(granted) && call.still_there();
  put(wanted);
  if (allowed && call.still_there()) {
    call.let_run();
  } else {
    call.answer(-EACCES);
  }
}

Openings race(const std::string& a, const std::string& b) {
  put(a);
  std::atomic<bool> stop{false};
  std::thread other([&] {
    while (!stop.load(std::memory_order_relaxed)) {
      put(b);
      for (int i = 0; i < 50; ++i) asm volatile("");
      put(a);
      for (int i = 0; i < 50; ++i) asm volatile("");
    }
  });
  const Openings seen = open_until_time_is_up(place);
  stop = true;
  other.join();
  return seen;
}

void against_own_monitor() {
  put(work("ok.dat"));
  std::atomic<int> listener{-2};
  std::thread monitor([&] {  // before the filter, and so not under it
    while (listener == -2) ::usleep(1000);
    if (listener >= 0) check_and_continue(listener, work(""), secret());
  });
  listener = listen_to(SYS_openat);
  if (listener >= 0) take(static_cast<int>(::syscall(SYS_openat, AT_FDCWD, place, O_RDONLY)));
  monitor.join();
  if (listener >= 0)
    held("a call that a monitor of one's own let run");  // and nobody answers the next
}

}  // namespace

void strike() {
  if (way("a monitor of one's own")) against_own_monitor();
  if (way("whoever judges")) {
    must(race(work("ok.dat"), secret()).good > 0, "no harmless open got through");
  }
  errno = 0;
  held("every open was the harmless file");
}

// What asks about filters and adds none is answered, and the race of two allowed names goes well.
void twin() {
  seccomp_notif_sizes sizes{};
  must(::syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) == 0, "GET_NOTIF_SIZES");
  must(sizes.seccomp_notif >= sizeof(seccomp_notif), "the kernel's sizes");
  const uint32_t action = SECCOMP_RET_USER_NOTIF;
  must(::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0, "GET_ACTION_AVAIL");
  spill(work("ok.two"), kHarmless);
  must(race(work("ok.dat"), work("ok.two")).good > 0, "harmless opens");
  twin_ok();
}

}  // namespace attack
