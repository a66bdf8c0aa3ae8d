// attack: reopen-upgrade
// class: names
// severity: high
// models: naive
// trap: The policy lets $S/key be read. Open it read-only, or O_PATH, then open /proc/self/fd/<n> for
//   writing; or open it O_RDONLY|O_TRUNC; or with access mode 3.
// naive: Judges writing at the first open only, and by O_WRONLY|O_RDWR alone.
// kernel: Opening a magic link makes a new description with new rights, checked against the inode;
//   O_TRUNC truncates whatever the access mode (open(2)).
// sealed: Every reopen is an open and judged as one; the access asked is computed from all flags.
// source: openat2(2), magic-link restrictions
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   path allow read $S/key
//   network deny all
// report: $S/key
#include "tests/support/attack.h"

namespace attack {
namespace {

void vandalise(int fd, const char* how) {
  if (fd < 0) return;
  if (::write(fd, "vandal", 6) == 6) prey_taken(how);
  ::close(fd);
}

}  // namespace

void strike() {
  int reading = ::open(secret().c_str(), O_RDONLY);
  must(reading >= 0, "reading is allowed");
  std::string link = "/proc/self/fd/" + std::to_string(reading);
  if (way("/proc/self/fd")) vandalise(::open(link.c_str(), O_RDWR), "reopened for writing");
  const std::string other = "/dev/fd/" + std::to_string(reading);
  if (way("/dev/fd")) vandalise(::open(other.c_str(), O_WRONLY | O_APPEND), "/dev/fd");
  int path = ::open(secret().c_str(), O_PATH);
  const std::string from_path = "/proc/self/fd/" + std::to_string(path);
  if (way("from O_PATH")) vandalise(::open(from_path.c_str(), O_WRONLY), "from O_PATH");
  if (way("truncate") && ::truncate(link.c_str(), 0) == 0) prey_taken("truncated");
  if (way("O_RDONLY|O_TRUNC")) {
    const int fd = ::open(secret().c_str(), O_RDONLY | O_TRUNC);
    struct stat status {};
    if (fd >= 0 && ::fstat(fd, &status) == 0 && status.st_size == 0) prey_taken("emptied");
  }
  // Neither read nor written by, but asked of the file as if it were both (open(2), NOTES).
  if (way("access mode 3") && ::open(secret().c_str(), 3) >= 0) prey_taken("access mode 3");
  if (way("O_TMPFILE, then a name")) {
    const int made = ::open(work("").c_str(), O_TMPFILE | O_RDWR, 0600);
    if (made < 0) held("O_TMPFILE");
    const std::string name = "/proc/self/fd/" + std::to_string(made);
    if (::linkat(AT_FDCWD, name.c_str(), AT_FDCWD, secret("planted").c_str(), AT_SYMLINK_FOLLOW) ==
        0) {
      prey_taken("named in the secret tree");
    }
  }
  open_how how{};
  how.flags = O_RDWR;
  if (way("openat2")) {
    vandalise(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, link.c_str(), &how, sizeof how)),
              "openat2");
  }
  held("write");
}

void twin() {
  int reading = ::open(work("ok.dat").c_str(), O_RDONLY);
  int writing = ::open(("/proc/self/fd/" + std::to_string(reading)).c_str(), O_RDWR);
  must(writing >= 0 && ::write(writing, "w", 1) == 1, "reopen for writing");
  must(::open(secret().c_str(), O_RDONLY) >= 0, "reading is allowed");
  twin_ok();
}

}  // namespace attack
