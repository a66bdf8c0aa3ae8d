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
  vandalise(::open(link.c_str(), O_RDWR), "reopened for writing");
  vandalise(::open(("/dev/fd/" + std::to_string(reading)).c_str(), O_WRONLY | O_APPEND), "/dev/fd");
  int path = ::open(secret().c_str(), O_PATH);
  vandalise(::open(("/proc/self/fd/" + std::to_string(path)).c_str(), O_WRONLY), "from O_PATH");
  if (::truncate(link.c_str(), 0) == 0) prey_taken("truncated");
  int fd = ::open(secret().c_str(), O_RDONLY | O_TRUNC);
  struct stat status {};
  if (fd >= 0 && ::fstat(fd, &status) == 0 && status.st_size == 0) prey_taken("O_RDONLY|O_TRUNC");
  fd = ::open(secret().c_str(), 3);
  if (fd >= 0) std::printf("access mode 3 gave a descriptor\n");
  open_how how{};
  how.flags = O_RDWR;
  vandalise(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, link.c_str(), &how, sizeof how)),
            "openat2");
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
