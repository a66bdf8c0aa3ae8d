// attack: cwd-mirror
// class: state
// severity: high
// models: naive
// trap: Move the working directory where the monitor does not look: fchdir, a sibling that shares it
//   (CLONE_FS), a rename of the directory itself. Then open a relative name.
// naive: Keeps the working directory as a string per process, learnt from chdir(2).
// kernel: The working directory is an object (fs_struct), shared under CLONE_FS; its name changes
//   when any ancestor is renamed (path_resolution(7)).
// sealed: A relative walk starts from /proc/<tid>/cwd, read at each call, and what the walk found is
//   pinned before the verdict.
// source: Garfinkel, NDSS 2003, "relative path races"; gVisor tests chdir.cc, fchdir.cc
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: $S/key
#include "tests/support/attack.h"

namespace attack {
namespace {

void visit(const std::string& directory, const char* leaf, int way) {
  if (way == 0) {
    int fd = ::open(directory.c_str(), O_PATH | O_DIRECTORY);
    if (fd < 0 || ::fchdir(fd) != 0) return;
    ::close(fd);
  } else {
    pid_t child = spawn([&] { must(::chdir(directory.c_str()) == 0, "chdir"); }, CLONE_FS);
    if (reap(child) != 0) return;
  }
  int fd = ::open(leaf, O_RDONLY);
  if (fd < 0) return;
  std::string text = read_all(fd);
  ::close(fd);
  if (text == "harmless\n") return;
  if (!text.empty()) prey_taken(text);
}

}  // namespace

void strike() {
  for (int way = 0; way < 2; ++way) {
    must(::chdir(work("").c_str()) == 0, "chdir to the work tree");
    visit(secret(""), "key", way);
    // A decoy: in the string model the name below still lies in $T.
    must(::chdir(work("").c_str()) == 0, "chdir to the work tree");
    visit(secret("sub"), "../key", way);
  }
  // Where it stands moves up, by another process's hand; "../.." is then one directory higher.
  const std::string s = setting("ATTACK_S");
  const std::string leaf = "../../" + s.substr(s.rfind('/') + 1) + "/key";
  must(::mkdir(work("a").c_str(), 0755) == 0 && ::mkdir(work("a/b").c_str(), 0755) == 0, "mkdir");
  must(::chdir(work("a/b").c_str()) == 0, "chdir");
  const pid_t mover = spawn([] {
    must(::rename(work("a/b").c_str(), work("b").c_str()) == 0, "rename of the directory itself");
  });
  must(reap(mover) == 0, "the mover");
  take(leaf);
  held("relative open");
}

void twin() {
  must(::mkdir(work("here").c_str(), 0755) == 0, "mkdir");
  must(::mkdir(work("here/below").c_str(), 0755) == 0, "mkdir");
  spill(work("here/file"), "content");
  int fd = ::open(work("here/below").c_str(), O_PATH | O_DIRECTORY);
  must(::fchdir(fd) == 0, "fchdir");
  must(reads("../file", "content"), "relative open after fchdir");
  must(::rename(work("here").c_str(), work("there").c_str()) == 0, "rename of an ancestor of cwd");
  must(reads("../file", "content"), "relative open after the rename");
  must(reap(spawn([] { must(::chdir(work("there").c_str()) == 0, "chdir"); }, CLONE_FS)) == 0,
       "CLONE_FS child");
  must(reads("file", "content"), "relative open after a sibling's chdir");
  must(::mkdir(work("gone").c_str(), 0755) == 0 && ::chdir(work("gone").c_str()) == 0 &&
           ::rmdir(work("gone").c_str()) == 0,
       "a deleted working directory");
  must(::open("file", O_RDONLY | O_CREAT, 0644) == -1 && errno == ENOENT, "holds nothing");
  twin_ok();
}

}  // namespace attack
