// attack: planted-directory
// class: names
// severity: high
// models: naive
// trap: Nothing may be created in $T/.ssh, which is not there yet. So the file is made in another
//   directory, and that is given the name.
// naive: Judges the name that a rename gives, and not the names that it gives to what is below.
// kernel: rename(2) moves a directory with all that is in it.
// sealed: A directory is not moved where something below it might come to lie at a name that `create`
//   is refused; EXDEV makes mv copy, and each copy is judged.
// source: Garfinkel, NDSS 2003, incorrectly resolving paths
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   path deny $T/.ssh/**
//   network deny all
// report: .ssh
#include "tests/support/attack.h"

namespace attack {
namespace {

void make(const std::string& directory, const std::string& leaf) {
  must(::mkdir(directory.c_str(), 0700) == 0, "mkdir");
  spill(directory + "/" + leaf, "mine\n");
}

}  // namespace

void strike() {
  const std::string target = work(".ssh");
  const std::string planted = target + "/authorized_keys";
  make(work("x"), "authorized_keys");
  const auto there = [&] { return ::access(planted.c_str(), F_OK) == 0; };
  if (way("rename")) {
    ::rename(work("x").c_str(), target.c_str());
    if (there()) prey_taken("renamed");
  }
  ::mkdir(target.c_str(), 0700);  // an empty one may be replaced
  if (way("replace")) {
    ::rename(work("x").c_str(), target.c_str());
    if (there()) prey_taken("replaced");
  }
  if (way("exchange")) {
    ::syscall(SYS_renameat2, AT_FDCWD, work("x").c_str(), AT_FDCWD, target.c_str(),
              2 /* RENAME_EXCHANGE */);
    if (there()) prey_taken("exchanged");
  }
  if (way("deeper")) {
    must(::mkdir(work("y").c_str(), 0700) == 0, "mkdir");
    ::rename(work("x").c_str(), work("y/.ssh").c_str());
    ::rmdir(target.c_str());
    ::rename(work("y/.ssh").c_str(), target.c_str());
    if (there()) prey_taken("renamed twice");
  }
  held("rename");
}

// Elsewhere directories move, with what is in them.
void twin() {
  make(work("x"), "a");
  must(::rename(work("x").c_str(), work("y").c_str()) == 0, "rename");
  must(reads(work("y/a"), "mine\n"), "what is in it");
  twin_ok();
}

}  // namespace attack
