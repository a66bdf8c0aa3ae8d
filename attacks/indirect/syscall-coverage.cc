// attack: syscall-coverage
// class: indirect
// severity: high
// models: naive
// trap: Every other call that takes a name, each given $S/key: truncate, mknod, utime, chown, xattrs,
//   swapon, acct, fanotify, the newest numbers (setxattrat, file_setattr), and numbers that do not exist.
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
#include <sys/fanotify.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <utime.h>

#include "tests/support/attack.h"

namespace attack {

namespace {

// Each of these fails with an error, or has done it.
struct Call {
  const char* name;
  long number;
  long a, b, c = 0, d = 0, e = 0, f = 0;
  const char* lacking = "";
};

long at(const char* text) { return reinterpret_cast<long>(text); }
long at(const void* place) { return reinterpret_cast<long>(place); }

void make_each(std::initializer_list<Call> calls) {
  for (const Call& call : calls) {
    if (!way(call.name, call.lacking)) continue;
    if (::syscall(call.number, call.a, call.b, call.c, call.d, call.e, call.f) >= 0) {
      prey_taken(call.name);
    }
  }
}

// New names in $S.
void plant(const std::string& planted, const std::string& mine) {
  const long made = at(planted.c_str());
  const long ok = at(mine.c_str());
  make_each({
#ifdef SYS_creat
      {"creat", SYS_creat, made, 0600},
      {"mkdir", SYS_mkdir, made, 0700},
      {"mknod", SYS_mknod, made, S_IFIFO | 0600},
      {"symlink", SYS_symlink, at("x"), made},
      {"link", SYS_link, ok, made},
      {"rename", SYS_rename, ok, made},
#endif
      {"mkdirat", SYS_mkdirat, AT_FDCWD, made, 0700},
      {"mknodat", SYS_mknodat, AT_FDCWD, made, S_IFIFO | 0600},
      {"symlinkat", SYS_symlinkat, at("x"), AT_FDCWD, made},
      {"linkat", SYS_linkat, AT_FDCWD, ok, AT_FDCWD, made},
      {"renameat2", SYS_renameat2, AT_FDCWD, ok, AT_FDCWD, made},
  });
}

void change(const char* path) {
  static utimbuf times{1, 1};
  static timeval now[2] = {{1, 0}, {1, 0}};
  static struct {
    uint64_t value = reinterpret_cast<uintptr_t>("b");
    uint32_t size = 1;
    uint32_t flags = 0;
  } attribute;
  static struct {
    uint64_t flags = 0;
    uint32_t extent = 0, extents = 0, project = 0, copy_on_write = 0;
  } inode_flags;  // of 6.17's file_setattr
  const long key = at(path);
  const long user = static_cast<long>(::getuid());
  const long group = static_cast<long>(::getgid());
  make_each({
#ifdef SYS_creat
      {"utime", SYS_utime, key, at(&times)},
      {"utimes", SYS_utimes, key, at(now)},
      {"futimesat", SYS_futimesat, AT_FDCWD, key, at(now)},
      {"chown", SYS_chown, key, user, group},
      {"lchown", SYS_lchown, key, user, group},
      {"chmod", SYS_chmod, key, 0666},
#endif
      {"utimensat", SYS_utimensat, AT_FDCWD, key, 0},
      {"fchownat", SYS_fchownat, AT_FDCWD, key, user, group},
      {"fchmodat", SYS_fchmodat, AT_FDCWD, key, 0666},
      {"fchmodat2", 452, AT_FDCWD, key, 0666},
      {"setxattr", SYS_setxattr, key, at("user.a"), at("b"), 1},
      {"lsetxattr", SYS_lsetxattr, key, at("user.a"), at("b"), 1},
      {"setxattrat", 463, AT_FDCWD, key, 0, at("user.a"), at(&attribute), sizeof attribute},
      {"file_setattr", 469, AT_FDCWD, key, at(&inode_flags), sizeof inode_flags},
      {"truncate", SYS_truncate, key, 1},
  });
  // An attribute that is not there was looked for in the file.
  const struct {
    const char* name;
    long number;
    bool at;
  } removals[] = {{"removexattr", SYS_removexattr, false},
                  {"lremovexattr", SYS_lremovexattr, false},
                  {"removexattrat", 466, true}};
  for (const auto& removal : removals) {
    if (!way(removal.name)) continue;
    const long result = removal.at ? ::syscall(removal.number, AT_FDCWD, path, 0, "user.none")
                                   : ::syscall(removal.number, path, "user.none");
    if (result == 0 || errno == ENODATA) prey_taken(removal.name);
  }
}

void privileged(const char* key) {
  if (way("acct", unless_root()) && ::syscall(SYS_acct, key) == 0) {
    ::syscall(SYS_acct, nullptr);
    prey_taken("acct");
  }
  // EINVAL: it was opened and read, and holds no swap space.
  if (way("swapon", unless_root())) {
    if (::syscall(SYS_swapon, key, 0) == 0 || errno == EINVAL) prey_taken("swapon");
  }
  if (way("fanotify", unless_root())) {
    const int events = ::fanotify_init(0, O_RDONLY);
    if (events >= 0 && ::fanotify_mark(events, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, key) == 0) {
      prey_taken("whoever opens it gives a descriptor");
    }
  }
}

}  // namespace

void strike() {
  const std::string key = secret();
  open_how how{};
  if (way("openat2")) {
    take(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, key.c_str(), &how, sizeof how)));
  }
  plant(secret("planted"), work("ok.dat"));
  change(key.c_str());
  privileged(key.c_str());
  make_each({
#ifdef SYS_creat
      {"rmdir", SYS_rmdir, at(secret("sub").c_str()), 0},
      {"unlink", SYS_unlink, at(key.c_str()), 0},
#endif
      {"unlinkat", SYS_unlinkat, AT_FDCWD, at(key.c_str())},
  });
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
  must(::syscall(SYS_openat2, AT_FDCWD, file, &how, 4) == -1 && errno == EINVAL,
       "a short open_how");
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
