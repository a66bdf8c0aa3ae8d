// attack: shared-group
// class: indirect
// severity: high
// models: naive
// launch: victim
// trap: Not kill, but the kernel shall send the signal: a descriptor is owned by a process group
//   (F_SETOWN), F_SETSIG says which signal, and data makes it come. The group holds processes that
//   were there before the sandbox, or is the shell's, which setpgid joins. Likewise setpriority.
// naive: The group is the caller's own, so it may.
// kernel: SIGIO goes to every member of the group that F_SETOWN names (fcntl(2)); setpgid(2) lets a
//   process into any group of its session.
// sealed: A group is within reach if all its members are, as the kernel tells.
// source: fcntl(2), F_SETOWN and F_SETSIG
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: signal owner
#include <sys/ioctl.h>

#include "tests/support/attack.h"

namespace attack {

void strike() {
  const pid_t group = ::getpgid(number("ATTACK_VICTIM"));
  must(group > 0, "getpgid");
  const bool joined = ::setpgid(0, group) == 0;  // where both are of one session
  int pair[2];
  must(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
  must(::fcntl(pair[0], 10 /* F_SETSIG */, SIGWINCH) == 0, "F_SETSIG");
  if (way("F_SETOWN") && ::fcntl(pair[0], F_SETOWN, -group) == 0) prey_taken("F_SETOWN");
  struct {
    int type;
    pid_t pid;
  } owner{2 /* F_OWNER_PGRP */, group};
  if (way("F_SETOWN_EX") && ::fcntl(pair[0], 15, &owner) == 0) prey_taken("F_SETOWN_EX");
  int negative = -group;
  if (way("FIOSETOWN") && ::ioctl(pair[0], 0x8901, &negative) == 0) prey_taken("FIOSETOWN");
  if (way("SIOCSPGRP") && ::ioctl(pair[0], 0x8902, &negative) == 0) prey_taken("SIOCSPGRP");
  const auto named = static_cast<id_t>(joined ? 0 : group);
  if (way("setpriority") &&
      ::setpriority(PRIO_PGRP, named, ::getpriority(PRIO_PGRP, named)) == 0) {
    prey_taken("setpriority");
  }
  held("the group");
}

// A group of the sandbox's own gets what it asked for.
void twin() {
  static volatile sig_atomic_t told = 0;
  ::signal(SIGUSR1, [](int) { told = 1; });
  must(::getpgrp() == ::getpid() || ::setpgid(0, 0) == 0, "setpgid");
  int pair[2];
  must(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
  must(::fcntl(pair[0], F_SETOWN, -::getpgrp()) == 0, "F_SETOWN");
  must(::fcntl(pair[0], 10 /* F_SETSIG */, SIGUSR1) == 0, "F_SETSIG");
  must(::fcntl(pair[0], F_SETFL, O_ASYNC | O_NONBLOCK) == 0, "O_ASYNC");
  must(::write(pair[1], "x", 1) == 1, "write");
  for (int i = 0; i < 1000 && told == 0; ++i) ::usleep(1000);
  must(told == 1, "the signal");
  must(::setpriority(PRIO_PGRP, 0, ::getpriority(PRIO_PGRP, 0)) == 0, "setpriority");
  twin_ok();
}

}  // namespace attack
