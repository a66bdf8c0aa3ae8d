// attack: listener-handling
// class: lifecycle
// severity: high
// models: naive
// trap: Install a filter of one's own whose SECCOMP_RET_USER_NOTIF outranks the monitor's
//   SECCOMP_RET_TRACE, keep its listener, and answer oneself: "continue". The monitor is never asked.
// naive: Lets the program add filters; they can only restrict, can they not?
// kernel: Of all filters the action of highest precedence wins: USER_NOTIF before TRACE (seccomp(2)).
// sealed: New filters are refused.
// source: seccomp(2), "RETURN VALUE" precedence; opencontainers/runc#4328
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: none
#include <atomic>
#include <thread>
#include "tests/support/user_notify.h"

namespace attack {

void strike() {
  const std::string key = secret();
  std::atomic<int> listener{-2};
  // The one who answers must not be under the filter, so it starts first.
  std::thread([&] {
    while (listener == -2) ::usleep(1000);
    while (listener >= 0) {
      const Notification call(listener);
      if (!call.valid()) return;
      call.let_run();
    }
  }).detach();
  listener = listen_to(SYS_openat);
  const int error = errno;
  take(static_cast<int>(::syscall(SYS_openat, AT_FDCWD, key.c_str(), O_RDONLY)));
  if (listener < 0) errno = error;
  held("own filter");
}

void twin() {
  must(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
  must(::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1, "no_new_privs is set");
  must(reads(work("ok.dat"), kHarmless), "open");
  twin_ok();
}

}  // namespace attack
