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

Openings swap_and_open() {
  spill(work("me"), kHarmless);
  const std::string me = work("me");
  const std::string link = work("link");
  const Rival flipper([&] {
    ::syscall(SYS_renameat2, AT_FDCWD, me.c_str(), AT_FDCWD, link.c_str(), 2 /* EXCHANGE */);
  });
  return open_until_time_is_up(me.c_str());
}

}  // namespace

void strike() {
  must(::symlink(secret().c_str(), work("link").c_str()) == 0, "symlink");
  must(swap_and_open().good > 0, "no harmless open got through: the race was never run");
  errno = 0;
  held("every open was the harmless file");
}

// Both names are harmless: not one open may fail, however fast they are swapped.
void twin() {
  spill(work("target"), kHarmless);
  must(::symlink(work("target").c_str(), work("link").c_str()) == 0, "symlink");
  const Openings seen = swap_and_open();
  // The policy allows either name; a monitor that is raced may at most give up now and then.
  must(seen.good > 100 && seen.refused * 100 <= seen.good, "harmless opens refused");
  twin_ok();
}

}  // namespace attack
