// attack: symlink-swap
// class: races
// severity: critical
// models: naive canonical
// trap: Two processes. One opens $T/me over and over; the other swaps $T/me, by one atomic rename,
//   between a harmless file and a symbolic link to $S/key.
// naive: Looks at the name, finds it harmless, lets the call go on. The kernel then walks the name
//   again, and finds the link. Resolving it first (the canonical model) narrows the window and
//   leaves it open: the answer is about a walk that is not the one the kernel makes.
// kernel: Every call walks its path afresh; renameat2(RENAME_EXCHANGE) swaps two names atomically,
//   so there is no instant without a file (rename(2)).
// sealed: The call is rewritten to openat2(canonical name, RESOLVE_NO_SYMLINKS): what opens *is* at
//   the name that was decided. A link in the way is ELOOP, and the name is decided anew.
// source: Garfinkel, NDSS 2003, "symlink races"; Watson, WOOT 2007
// time: 10000
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: $S/key
#include "tests/support/attack.h"

namespace attack {
namespace {

constexpr std::string_view kHarmless = "harmless\n";

pid_t start_flipping(const std::string& me, const std::string& other) {
  pid_t parent = ::getpid();
  return spawn([&] {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (::getppid() == parent) {
      ::syscall(SYS_renameat2, AT_FDCWD, me.c_str(), AT_FDCWD, other.c_str(), 2 /* EXCHANGE */);
    }
  });
}

// Opens `me` until time is up or a reading differs from kHarmless; counts what happened.
void race(const std::string& me, long* good, long* refused) {
  for (Stopwatch watch; watch.running();) {
    int fd = ::open(me.c_str(), O_RDONLY);
    if (fd < 0) {
      ++*refused;
      continue;
    }
    std::string text = read_all(fd);
    ::close(fd);
    if (text != kHarmless) prey_taken(text);
    ++*good;
  }
}

}  // namespace

void strike() {
  spill(work("me"), kHarmless);
  must(::symlink(secret().c_str(), work("link").c_str()) == 0, "symlink");
  pid_t flipper = start_flipping(work("me"), work("link"));
  must(flipper > 0, "fork");
  long good = 0;
  long refused = 0;
  race(work("me"), &good, &refused);
  ::kill(flipper, SIGKILL);
  reap(flipper);
  std::printf("opened %ld, refused %ld\n", good, refused);
  must(good > 0, "no harmless open got through: the race was never run");
  errno = 0;
  held("every open was the harmless file");
}

// Both names are harmless: not one open may fail, however fast they are swapped.
void twin() {
  spill(work("me"), kHarmless);
  spill(work("target"), kHarmless);
  must(::symlink(work("target").c_str(), work("link").c_str()) == 0, "symlink");
  pid_t flipper = start_flipping(work("me"), work("link"));
  long good = 0;
  long refused = 0;
  race(work("me"), &good, &refused);
  ::kill(flipper, SIGKILL);
  reap(flipper);
  std::printf("opened %ld, refused %ld\n", good, refused);
  // The policy allows either name; a monitor that is raced may at most give up now and then.
  must(good > 100 && refused * 100 <= good, "harmless opens refused");
  twin_ok();
}

}  // namespace attack
