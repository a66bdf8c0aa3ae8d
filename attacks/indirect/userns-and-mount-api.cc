// attack: userns-and-mount-api
// class: indirect
// severity: critical
// models: naive
// needs: user-namespace
// trap: A user namespace makes anyone root in it; then a bind mount of $S onto $T/m makes $T/m/key an
//   allowed name. By unshare, clone, clone3 (whose flags lie in memory), open_tree and move_mount.
// naive: Filters clone's flags, and forgets clone3 and the new mount calls.
// kernel: user_namespaces(7); clone3 takes a struct that seccomp cannot read.
// sealed: Namespaces and the mount API are refused; clone3 is ENOSYS, so that libc uses clone.
// source: CVE-2021-41133; bubblewrap and flatpak commentary
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: none
#include <linux/sched.h>
#include <sys/mount.h>
#include "tests/support/attack.h"

namespace attack {
namespace {

void mount_and_take(const char* how) {
  std::string s = setting("ATTACK_S");
  std::string m = work("m");
  ::mkdir(m.c_str(), 0755);
  if (::mount(s.c_str(), m.c_str(), nullptr, MS_BIND, nullptr) == 0) {
    int fd = ::open(work("m/key").c_str(), O_RDONLY);
    std::string text = fd >= 0 ? read_all(fd) : "";
    ::umount2(m.c_str(), MNT_DETACH);
    if (!text.empty()) prey_taken(text);
  }
  int tree = static_cast<int>(::syscall(428 /* open_tree */, AT_FDCWD, s.c_str(), 1 /* CLONE */));
  if (tree >= 0) take(::openat(tree, "key", O_RDONLY));
  std::printf("%s: no mount\n", how);
}

}  // namespace

void strike() {
  std::fflush(nullptr);
  pid_t child = ::fork();
  if (child == 0) {
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) mount_and_take("unshare");
    finish(kHeld);
  }
  if (reap(child) == 0) prey_taken("unshare");
  child = static_cast<pid_t>(
      ::syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWNS | SIGCHLD, nullptr, nullptr, nullptr, 0));
  if (child == 0) {
    mount_and_take("clone");
    finish(kHeld);
  }
  if (child > 0 && reap(child) == 0) prey_taken("clone");
  clone_args args{};
  args.flags = CLONE_NEWUSER | CLONE_NEWNS;
  args.exit_signal = SIGCHLD;
  child = static_cast<pid_t>(::syscall(SYS_clone3, &args, sizeof args));
  if (child == 0) {
    mount_and_take("clone3");
    finish(kHeld);
  }
  if (child > 0 && reap(child) == 0) prey_taken("clone3");
  if (::chroot(work("").c_str()) == 0) prey_taken("chroot");
  held("namespaces");
}

void twin() {
  pid_t child = ::fork();
  if (child == 0) finish(7);
  must(reap(child) == 7, "fork");
  clone_args args{};
  args.exit_signal = SIGCHLD;
  child = static_cast<pid_t>(::syscall(SYS_clone3, &args, sizeof args));
  if (child == 0) finish(8);
  must(child > 0 ? reap(child) == 8 : errno == ENOSYS, "clone3 works or is ENOSYS");
  must(::unshare(CLONE_FILES) == 0, "unshare(CLONE_FILES)");
  must(reads(work("ok.dat"), "harmless\n"), "files open");
  twin_ok();
}

}  // namespace attack
