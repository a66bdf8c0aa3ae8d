// attack: hardlink-alias
// class: names
// severity: high
// models: naive
// trap: Give $S/key a second name in $T, by link or linkat in all their forms, and open that.
// naive: Judges only the new name.
// kernel: A hard link is the same file under another name; no permission on the file itself is asked
//   for, only protected_hardlinks for files of others (link(2), proc(5)).
// sealed: link and rename are refused where the new name would grant what the old one does not.
// source: Garfinkel, NDSS 2003; SerenityOS/serenity#15996
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: $S/key
#include "tests/support/attack.h"

namespace attack {

void strike() {
  if (way("link") && ::link(secret().c_str(), work("a").c_str()) == 0) take(work("a"));
  if (way("linkat") &&
      ::linkat(AT_FDCWD, secret().c_str(), AT_FDCWD, work("b").c_str(), AT_SYMLINK_FOLLOW) == 0) {
    take(work("b"));
  }
  must(::symlink(secret().c_str(), work("l").c_str()) == 0, "symlink");
  if (way("of a link") &&
      ::linkat(AT_FDCWD, work("l").c_str(), AT_FDCWD, work("c").c_str(), AT_SYMLINK_FOLLOW) == 0) {
    take(work("c"));
  }
  int key = ::open(secret().c_str(), O_PATH);
  if (key >= 0 && way("/proc/self/fd")) {
    std::string link = "/proc/self/fd/" + std::to_string(key);
    if (::linkat(AT_FDCWD, link.c_str(), AT_FDCWD, work("d").c_str(), AT_SYMLINK_FOLLOW) == 0) {
      take(work("d"));
    }
  }
  const int s = ::open(secret("").c_str(), O_PATH | O_DIRECTORY);
  if (s >= 0 && way("from its directory") &&
      ::linkat(s, "key", AT_FDCWD, work("e").c_str(), 0) == 0) {
    take(work("e"));
  }
  held("link");
}

void twin() {
  must(::link(work("ok.dat").c_str(), work("a").c_str()) == 0, "link");
  must(reads(work("a"), "harmless\n"), "the alias");
  struct stat status {};
  must(::stat(work("a").c_str(), &status) == 0 && status.st_nlink == 2, "two names");
  twin_ok();
}

}  // namespace attack
