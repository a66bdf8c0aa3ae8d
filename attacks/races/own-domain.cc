// attack: own-domain
// class: races
// severity: high
// models: naive
// trap: The program restricts itself with Landlock, and what the monitor pins through another
//   process is then out of its reach. Meanwhile a rival swaps the directory $T/d for a link to $S,
//   and the mode of $T/d/key is changed.
// naive: Looks at the name and lets the call go on; the kernel then walks another one.
// kernel: A task in a Landlock domain may not look into a process outside of it, so
//   /proc/<pid>/fd of the monitor's is closed to it (landlock(7), "Ptrace restrictions").
// sealed: The call gets the canonical name from memory that nobody can write, and all others are
//   held until it has been made: for calls on names a domain costs time, not safety.
// source: landlock(7); design of the redirect to a keeper
// time: 10000
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: none
#include <linux/landlock.h>
#include <sys/prctl.h>

#include "tests/support/attack.h"

namespace attack {
namespace {

void enter_domain() {
  landlock_ruleset_attr handled{};
  handled.handled_access_fs = LANDLOCK_ACCESS_FS_MAKE_BLOCK;  // as little as there is
  const long rules = ::syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0);
  if (rules < 0) skip("no Landlock in this kernel");
  must(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
  must(::syscall(SYS_landlock_restrict_self, rules, 0) == 0, "landlock_restrict_self");
}

// Changes the mode of $T/d/key over and over while $T/d is swapped with `other`, until `enough`.
template <typename Enough>
int change_while_swapped(const std::string& other, const Enough& enough) {
  must(::mkdir(work("d").c_str(), 0755) == 0, "mkdir");
  spill(work("d/key"), kHarmless);
  enter_domain();
  const std::string here = work("d");
  const Rival swapper([&] {
    ::syscall(SYS_renameat2, AT_FDCWD, here.c_str(), AT_FDCWD, other.c_str(), 2 /* EXCHANGE */);
  });
  const std::string key = work("d/key");
  int changed = 0;
  for (const Stopwatch watch; watch.running() && !enough();) {
    if (::chmod(key.c_str(), 0604) == 0) ++changed;
  }
  return changed;
}

bool is_changed(const std::string& path) {
  struct stat st {};
  return ::stat(path.c_str(), &st) == 0 && (st.st_mode & 0777) == 0604;
}

}  // namespace

void strike() {
  must(::symlink(setting("ATTACK_S").c_str(), work("other").c_str()) == 0, "symlink");
  const int changed = change_while_swapped(work("other"), [] { return is_changed(secret()); });
  if (is_changed(secret())) prey_taken("the mode of the secret is another");
  must(changed > 0, "no harmless change was made: the race was never run");
  errno = 0;
  held("every change was to the harmless file");
}

void twin() {
  must(::mkdir(work("other").c_str(), 0755) == 0, "mkdir");
  spill(work("other/key"), kHarmless);
  const int changed = change_while_swapped(work("other"), [] { return false; });
  must(changed > 0 && is_changed(work("d/key")) && is_changed(work("other/key")), "both changed");
  twin_ok();
}

}  // namespace attack
