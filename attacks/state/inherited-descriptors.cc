// attack: inherited-descriptors
// class: state
// severity: critical
// models: naive
// launch: inherit-dirfd
// trap: callgate is started, with --inherit-fds, while a directory descriptor of / is open. The
//   program finds it in /proc/self/fd and walks from there; it also looks for the monitor's own.
// naive: Leaks its own descriptors, and takes relative names to start at the working directory.
// kernel: Descriptors without CLOEXEC survive execve, whoever opened them.
// sealed: Only 0, 1 and 2 are handed on unless asked; the walk from any number is resolved and
//   judged; callgate's own descriptors are CLOEXEC from birth.
// source: CVE-2024-21626 (runc); paritytech/polkadot#7334
// policy:
//   path allow read,execute /usr/ /usr/**
//   path allow $T/
//   network deny all
// report: $S/key
#include "tests/support/attack.h"

namespace attack {

void strike() {
  int directory = number("ATTACK_DIRFD");
  std::string below_root = secret().substr(1);
  if (way("openat")) take(::openat(directory, below_root.c_str(), O_RDONLY));
  if (way("/proc/self/fd")) {
    take("/proc/self/fd/" + std::to_string(directory) + "/" + below_root);
  }
  if (way("fchdir") && ::fchdir(directory) == 0) take(below_root);
  if (way("any number")) {
    for (int fd = 3; fd < 1024; ++fd) take(::openat(fd, below_root.c_str(), O_RDONLY));
  }
  held("openat from an inherited descriptor");
}

// Nothing is open here but what was handed over.
void twin() {
  int directory = number("ATTACK_DIRFD");
  std::string below_root = work("ok.dat").substr(1);
  int fd = ::openat(directory, below_root.c_str(), O_RDONLY);
  must(fd >= 0 && read_all(fd) == "harmless\n", "openat from the inherited descriptor");
  ::close(fd);
  for (int i = 3; i < 1024; ++i) {
    must(i == directory || ::fcntl(i, F_GETFD) == -1, "a descriptor that nobody handed over");
  }
  twin_ok();
}

}  // namespace attack
