// attack: syscall-coverage
// class: indirect
// severity: high
// models: naive
// trap: Every other call that takes a name, each given $S/key: truncate, mknod, utime, chown, xattrs,
//   swapon, acct, quotactl, uselib, the newest numbers, and numbers that do not exist.
// naive: A deny-list from memory forgets some.
// kernel: Hundreds of calls; some thirty take names.
// sealed: The table has a row for every name that headers know, a test fails for one without;
//   unknown numbers are ENOSYS.
// source: moby default profile; flatpak syscall_blocklist
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: $S/key
#include <sys/xattr.h>
#include <utime.h>
#include "tests/support/attack.h"

namespace attack {

void strike() {
  std::string k = secret();
  std::string planted = secret("planted");
  const char* key = k.c_str();
  const char* made = planted.c_str();
  utimbuf times{1, 1};
  if (::syscall(SYS_truncate, key, 1L) == 0) prey_taken("truncate");
  if (::syscall(SYS_utime, key, &times) == 0) prey_taken("utime");
  if (::syscall(SYS_chown, key, ::getuid(), ::getgid()) == 0) prey_taken("chown");
  if (::syscall(SYS_lchown, key, ::getuid(), ::getgid()) == 0) prey_taken("lchown");
  if (::syscall(SYS_chmod, key, 0666) == 0) prey_taken("chmod");
  if (::syscall(SYS_fchmodat, AT_FDCWD, key, 0666) == 0) prey_taken("fchmodat");
  if (::syscall(452, AT_FDCWD, key, 0666, 0) == 0) prey_taken("fchmodat2");
  if (::setxattr(key, "user.a", "b", 1, 0) == 0) prey_taken("setxattr");
  if (::lsetxattr(key, "user.a", "b", 1, 0) == 0) prey_taken("lsetxattr");
  if (::removexattr(key, "user.a") == 0) prey_taken("removexattr");
  if (::syscall(SYS_creat, made, 0600) >= 0) prey_taken("creat");
  if (::mkfifo(secret("fifo").c_str(), 0600) == 0) prey_taken("mknod");
  if (::syscall(SYS_mkdir, secret("directory").c_str(), 0700) == 0) prey_taken("mkdir");
  if (::syscall(SYS_symlink, "x", secret("link").c_str()) == 0) prey_taken("symlink");
  open_how how{};
  take(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, key, &how, sizeof how)));
  if (::syscall(SYS_acct, key) == 0) prey_taken("acct");
  if (::syscall(SYS_swapon, key, 0) == 0) prey_taken("swapon");
  if (::syscall(999) != -1 || ::syscall(0x3fffffff) != -1) prey_taken("a number that is none");
  held("every call");
}

void twin() {
  std::string f = work("ok.dat");
  const char* file = f.c_str();
  utimbuf times{1, 1};
  must(::syscall(SYS_utime, file, &times) == 0, "utime");
  must(::syscall(SYS_chown, file, ::getuid(), ::getgid()) == 0, "chown");
  must(::syscall(SYS_lchown, file, ::getuid(), ::getgid()) == 0, "lchown");
  must(::syscall(SYS_chmod, file, 0600) == 0, "chmod");
  must(::syscall(SYS_fchmodat, AT_FDCWD, file, 0644) == 0, "fchmodat");
  must(::setxattr(file, "user.a", "b", 1, 0) == 0 || errno == EOPNOTSUPP, "setxattr");
  must(::syscall(SYS_creat, work("made").c_str(), 0600) >= 0, "creat");
  must(::syscall(SYS_truncate, file, 4L) == 0, "truncate");
  open_how how{};
  must(::syscall(SYS_openat2, AT_FDCWD, file, &how, sizeof how) >= 0, "openat2");
  must(::syscall(SYS_openat2, AT_FDCWD, file, &how, 4) == -1 && errno == EINVAL, "a short open_how");
  struct {
    open_how how{};
    uint64_t more = 1;
  } longer;
  must(::syscall(SYS_openat2, AT_FDCWD, file, &longer, sizeof longer) == -1 && errno == E2BIG,
       "an open_how from the future");
  must(::syscall(999) == -1 && errno == ENOSYS, "an unknown number is ENOSYS");
  twin_ok();
}

}  // namespace attack
