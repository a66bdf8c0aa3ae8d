// attack: mount-alias
// class: names
// severity: high
// models: naive
// launch: mount-namespace
// prepare: mkdir $T/beside && mount --bind $S $T/beside
// prepare: mkdir $T/inside $T/mounted && echo content > $T/inside/file && mount --bind $T/inside $T/mounted
// trap: A mount gives a tree a second name. Bind $S to a name in $T, in the namespace at hand or in
//   a new one, by mount or by open_tree and move_mount; put it under an overlay; mount its file
//   system once more. One such name was there before the program started.
// naive: Judges $T/m/key, which is in the granted tree.
// kernel: d_path names a file by the mount through which it was reached, so the same inode answers
//   to each of its names (mount(2), path_resolution(7)).
// sealed: Nobody inside mounts: the mount interface and new namespaces are refused. A second name
//   from before is a name of its own, and the policy speaks of it (docs/threats.md): here it is
//   denied.
// source: Garfinkel, NDSS 2003, "incorrectly mirroring OS code"; CVE-2021-41133
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   path deny $T/beside/
//   network deny all
// report: $T/beside/key
#include <sys/mount.h>

#include "tests/support/attack.h"

namespace attack {
namespace {

// Takes the prey through $T/m, if a mount of $S stands there now.
void take_mounted(bool mounted) {
  if (!mounted) return;
  const int fd = ::open(work("m/key").c_str(), O_RDONLY);
  const std::string text = fd >= 0 ? read_all(fd) : "";
  ::umount2(work("m").c_str(), MNT_DETACH);
  if (!text.empty()) prey_taken(text);
}

bool by_tree() {
  constexpr unsigned kClone = 1;      // OPEN_TREE_CLONE
  constexpr unsigned kEmptyFrom = 4;  // MOVE_MOUNT_F_EMPTY_PATH
  const auto tree = static_cast<int>(::syscall(428, AT_FDCWD, setting("ATTACK_S").c_str(), kClone));
  if (tree < 0) return false;
  take(::openat(tree, "key", O_RDONLY));
  return ::syscall(429, tree, "", AT_FDCWD, work("m").c_str(), kEmptyFrom) == 0;
}

void mount_and_take(const std::string& where) {
  const std::string s = setting("ATTACK_S");
  const std::string m = work("m");
  ::mkdir(m.c_str(), 0755);
  const auto bind = [&](unsigned long flags) {
    return ::mount(s.c_str(), m.c_str(), nullptr, MS_BIND | flags, nullptr) == 0;
  };
  if (way("mount" + where)) take_mounted(bind(0));
  if (way("mount of all below" + where)) take_mounted(bind(MS_REC));
  if (way("open_tree" + where)) take_mounted(by_tree());
  const std::string layers = "lowerdir=" + s + ":" + work("inside");
  if (way("overlay" + where)) {
    take_mounted(::mount("overlay", m.c_str(), "overlay", 0, layers.c_str()) == 0);
  }
}

}  // namespace

void strike() {
  mount_and_take("");
  const pid_t child = spawn([] {
    if (::unshare(CLONE_NEWNS) == 0 || ::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) {
      mount_and_take(" in a namespace of one's own");
    }
    held("in a namespace of its own");
  });
  if (reap(child) == 0) prey_taken("in a namespace of its own");
  // The mounts that stand already, and what they could be turned into.
  const std::string beside = work("beside");
  if (way("umount") && ::umount2(beside.c_str(), MNT_DETACH) == 0) prey_taken("unmounted");
  if (way("move")) {
    // A mount can be moved from where its own is not shared (mount(2), MS_MOVE).
    static_cast<void>(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
    take_mounted(::mount(beside.c_str(), work("m").c_str(), nullptr, MS_MOVE, nullptr) == 0);
  }
  if (way("that was there")) take(beside + "/key");
  if (way("that was there, by dots")) take(work("mounted/../beside/./key"));
  held("mounts");
}

// A mount that the policy grants is a directory like any other, but for the border that it is.
void twin() {
  must(reads(work("mounted/file"), "content\n"), "read through the mount");
  must(reads(work("mounted/../inside/file"), "content\n"), "and beside it");
  spill(work("mounted/new"), "new");
  must(reads(work("inside/new"), "new"), "one file by two names");
  must(::rename(work("mounted/new").c_str(), work("mounted/newer").c_str()) == 0, "rename within");
  must(::rename(work("mounted/newer").c_str(), work("newer").c_str()) == -1 && errno == EXDEV,
       "no rename across");
  must(::link(work("mounted/newer").c_str(), work("newer").c_str()) == -1 && errno == EXDEV,
       "nor a link");
  must(::unlink(work("mounted/newer").c_str()) == 0, "unlink");
  must(::rmdir(work("mounted").c_str()) == -1 && errno == EBUSY, "a mount point is busy");
  twin_ok();
}

}  // namespace attack
