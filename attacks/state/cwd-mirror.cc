// attack: cwd-mirror
// class: state
// severity: high
// models: naive
// trap: Move the working directory where the monitor does not look: fchdir, a sibling that shares it
//   (CLONE_FS), a rename of the directory itself or of one above, its removal. Then open a relative
//   name. (In the midst of the check: cwd-swap.)
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

// Stands in `place`, a few directories below $T; another process renames `from`, that or one above
// it, to `to`, a directory higher: as many ".." as led to $T now lead out of it.
void stand_and_move(const std::string& place, const std::string& from, const std::string& to,
                    bool removed) {
  std::string up;
  for (size_t at = 0; at != std::string::npos; at = place.find('/', at + 1)) {
    if (at > 0) must(::mkdir(work(place.substr(0, at)).c_str(), 0755) == 0, "mkdir");
    up += "../";
  }
  must(::mkdir(work(place).c_str(), 0755) == 0 && ::chdir(work(place).c_str()) == 0, "chdir");
  const pid_t mover = spawn([&] {
    must(::rename(work(from).c_str(), work(to).c_str()) == 0, "rename");
    if (removed) must(::rmdir(work(to).c_str()) == 0, "rmdir");
  });
  must(reap(mover) == 0, "the mover");
  const std::string s = setting("ATTACK_S");
  take(up + s.substr(s.rfind('/') + 1) + "/key");
}

}  // namespace

void strike() {
  for (int how = 0; how < 2; ++how) {
    const std::string name = how == 0 ? "fchdir" : "a sibling's chdir";
    must(::chdir(work("").c_str()) == 0, "chdir to the work tree");
    if (way(name)) visit(secret(""), "key", how);
    // A decoy: in the string model the name below still lies in $T.
    must(::chdir(work("").c_str()) == 0, "chdir to the work tree");
    if (way(name + ", and up")) visit(secret("sub"), "../key", how);
  }
  if (way("itself moved")) stand_and_move("a/b", "a/b", "b", false);
  if (way("one above moved")) stand_and_move("c/d/e", "c/d", "d", false);
  if (way("moved and removed")) stand_and_move("f/g", "f/g", "g", true);
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
