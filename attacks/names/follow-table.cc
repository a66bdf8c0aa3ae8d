// attack: follow-table
// class: names
// severity: high
// models: naive
// trap: One symbolic link, $T/l to $S/key, given to every call that takes a name. Some follow the
//   last component, some never do, some by a flag.
// naive: One rule for all calls, or its own idea of how many links make a loop.
// kernel: path_resolution(7): open, truncate, chmod, utimensat follow; unlink, rename, lchown do
//   not; linkat, fchownat, utimensat change their mind by flag. 40 links are the limit.
// sealed: The rule of each call is in its row of the system call table; where a call follows, the
//   object is pinned and the call acts on it.
// source: path_resolution(7); safedep/pmg#444
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: $S/key
#include <sys/time.h>
#include <sys/xattr.h>

#include "tests/support/attack.h"

namespace attack {

void strike() {
  must(::symlink(secret().c_str(), work("l").c_str()) == 0, "symlink");
  must(::symlink("l", work("l2").c_str()) == 0, "symlink to the symlink");
  std::string l = work("l2");
  if (way("open")) take(l);
  if (way("truncate") && ::truncate(l.c_str(), 0) == 0) prey_taken("truncated");
  if (way("chmod") && ::chmod(l.c_str(), 0777) == 0) prey_taken("mode changed");
  if (way("chown") && ::chown(l.c_str(), ::getuid(), ::getgid()) == 0) prey_taken("owner changed");
  timespec times[2] = {{1, 0}, {1, 0}};
  if (way("utimensat") && ::utimensat(AT_FDCWD, l.c_str(), times, 0) == 0)
    prey_taken("times changed");
  timeval tv[2] = {{1, 0}, {1, 0}};
  if (way("utimes") && ::utimes(l.c_str(), tv) == 0) prey_taken("times changed");
  if (way("setxattr") && ::setxattr(l.c_str(), "user.x", "y", 1, 0) == 0) prey_taken("xattr set");
  if (way("linkat") &&
      ::linkat(AT_FDCWD, l.c_str(), AT_FDCWD, work("hard").c_str(), AT_SYMLINK_FOLLOW) == 0) {
    take(work("hard"));
  }
  if (way("fchmodat2") && ::syscall(452, AT_FDCWD, l.c_str(), 0640, 0) == 0)
    prey_taken("fchmodat2");
  if (way("removexattr")) {
    ::removexattr(l.c_str(), "user.x");  // ENODATA: it was looked for in the file
    if (errno == ENODATA) prey_taken("its attributes were reached");
  }
  if (way("open to write") && ::open(l.c_str(), O_WRONLY | O_TRUNC) >= 0) prey_taken("to write");
  if (way("O_CREAT") && ::open(l.c_str(), O_RDWR | O_CREAT, 0600) >= 0) prey_taken("with O_CREAT");
  if (way("execve")) {
    must(::symlink(secret("run").c_str(), work("r").c_str()) == 0, "symlink");
    const pid_t child = spawn([] {
      ::execl(work("r").c_str(), "run", nullptr);
      finish(kHeld);
    });
    if (reap(child) == 0) prey_taken("executed");
  }
  held("through the link");
}

void twin() {
  spill(work("file"), "content");
  must(::symlink("file", work("l").c_str()) == 0, "symlink");
  std::string l = work("l");
  must(reads(l, "content"), "open follows");
  must(::open(l.c_str(), O_RDONLY | O_NOFOLLOW) == -1 && errno == ELOOP, "O_NOFOLLOW is ELOOP");
  must(::open(l.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600) == -1 && errno == EEXIST,
       "O_EXCL does not follow");
  must(::mkdir(l.c_str(), 0755) == -1 && errno == EEXIST, "mkdir does not follow");
  must(::truncate(l.c_str(), 3) == 0 && reads(work("file"), "con"), "truncate follows");
  must(::chmod(l.c_str(), 0640) == 0, "chmod follows");
  struct stat status {};
  must(
      ::stat(l.c_str(), &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & 0777) == 0640,
      "stat follows");
  must(::lstat(l.c_str(), &status) == 0 && S_ISLNK(status.st_mode), "lstat does not");
  must(::linkat(AT_FDCWD, l.c_str(), AT_FDCWD, work("hl").c_str(), 0) == 0 &&
           ::lstat(work("hl").c_str(), &status) == 0 && S_ISLNK(status.st_mode),
       "linkat links the link");
  must(::linkat(AT_FDCWD, l.c_str(), AT_FDCWD, work("hf").c_str(), AT_SYMLINK_FOLLOW) == 0 &&
           ::lstat(work("hf").c_str(), &status) == 0 && S_ISREG(status.st_mode),
       "linkat follows when asked");
  timespec times[2] = {{1000, 0}, {1000, 0}};
  must(::utimensat(AT_FDCWD, l.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0 &&
           ::stat(l.c_str(), &status) == 0 && status.st_mtime != 1000,
       "utimensat of the link");
  must(::lchown(l.c_str(), ::getuid(), ::getgid()) == 0, "lchown");
  char target[64];
  must(::readlink(l.c_str(), target, sizeof target) == 4, "readlink");
  // Chains: 40 links are walked, 41 are not.
  std::string previous = work("file");
  for (int i = 1; i <= 41; ++i) {
    std::string next = work("c" + std::to_string(i));
    must(::symlink(previous.c_str(), next.c_str()) == 0, "symlink");
    previous = next;
  }
  must(reads(work("c40"), "con"), "a chain of 40");
  must(::open(work("c41").c_str(), O_RDONLY) == -1 && errno == ELOOP, "a chain of 41");
  must(::symlink("loop", work("loop").c_str()) == 0, "symlink");
  must(::open(work("loop").c_str(), O_RDONLY) == -1 && errno == ELOOP, "a loop");
  must(::rename(l.c_str(), work("renamed").c_str()) == 0 &&
           ::lstat(work("renamed").c_str(), &status) == 0 && S_ISLNK(status.st_mode),
       "rename does not follow");
  must(::unlink(work("renamed").c_str()) == 0 && reads(work("file"), "con"), "unlink does not");
  must(::open((work("file") + "/").c_str(), O_RDONLY) == -1 && errno == ENOTDIR, "trailing slash");
  twin_ok();
}

}  // namespace attack
