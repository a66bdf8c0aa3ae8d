// attack: ancestor-rename
// class: names
// severity: critical
// models: naive
// trap: Rename the secret tree itself, or a directory above it, into $T, and read it under its new
//   name. Or exchange it with a directory of one's own.
// naive: The arguments of the rename are not among the names that rules speak of.
// kernel: Renaming a directory renames everything below it (rename(2)).
// sealed: Moving a directory asks whether any name below it would gain a right; if that cannot be
//   told, it is refused.
// source: anthropic-experimental/sandbox-runtime#8; landlock-lsm/linux#28
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   path allow write,create,delete $S $S/**
//   network deny all
// report: $S
#include "tests/support/attack.h"

namespace attack {

void strike() {
  std::string s = setting("ATTACK_S");
  if (way("rename") && ::rename(s.c_str(), work("public").c_str()) == 0) take(work("public/key"));
  must(::mkdir(work("mine").c_str(), 0755) == 0, "mkdir");
  if (way("exchange") &&
      ::syscall(SYS_renameat2, AT_FDCWD, s.c_str(), AT_FDCWD, work("mine").c_str(), 2) == 0) {
    take(work("mine/key"));
  }
  if (way("rename of the file") && ::rename(secret().c_str(), work("key").c_str()) == 0) {
    take(work("key"));
  }
  if (way("rename of one below") && ::rename(secret("sub").c_str(), work("sub").c_str()) == 0) {
    prey_taken("moved a directory");
  }
  held("rename");
}

void twin() {
  must(::mkdir(work("a").c_str(), 0755) == 0 && ::mkdir(work("b").c_str(), 0755) == 0, "mkdir");
  spill(work("a/file"), "x");
  must(::rename(work("a").c_str(), work("c").c_str()) == 0, "rename of a directory");
  must(::syscall(SYS_renameat2, AT_FDCWD, work("b").c_str(), AT_FDCWD, work("c").c_str(), 2) == 0,
       "exchange");
  must(reads(work("b/file"), "x"), "it moved");
  must(::rename(work("b").c_str(), work("c").c_str()) == 0, "onto an empty directory");
  must(::syscall(SYS_renameat2, AT_FDCWD, work("ok.dat").c_str(), AT_FDCWD, work("c/file").c_str(),
                 1) == -1 &&
           errno == EEXIST,
       "RENAME_NOREPLACE");
  twin_ok();
}

}  // namespace attack
