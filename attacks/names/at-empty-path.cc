// attack: at-empty-path
// class: names
// severity: high
// models: naive
// trap: An empty path, or none, with AT_EMPTY_PATH names the descriptor itself: linkat, fchownat,
//   execveat, utimensat, fchmodat2. The descriptor is O_PATH, had without any right.
// naive: Reads NULL, gets EFAULT, lets it go; or takes "" for the working directory.
// kernel: open(2), "Obtaining a file descriptor that refers to..."; NULL paths for stat since 6.11.
// sealed: Empty plus the flag is the object behind the number; without the flag it is ENOENT.
// source: open(2), statx(2)
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: $S/key
#include "tests/support/attack.h"

namespace attack {
namespace {

// Until 6.10 only for root.
std::string_view unless_links_by_descriptor() {
  const int mine = ::open(work("ok.dat").c_str(), O_PATH);
  const bool linked = ::linkat(mine, "", AT_FDCWD, work("probe").c_str(), AT_EMPTY_PATH) == 0;
  ::close(mine);
  ::unlink(work("probe").c_str());
  return linked ? "" : "this kernel links a descriptor for root alone";
}

}  // namespace

void strike() {
  int key = ::open(secret().c_str(), O_PATH);
  if (key < 0) held("O_PATH open");
  if (way("linkat", unless_links_by_descriptor()) &&
      ::linkat(key, "", AT_FDCWD, work("stolen").c_str(), AT_EMPTY_PATH) == 0) {
    take(work("stolen"));
  }
  std::string link = "/proc/self/fd/" + std::to_string(key);
  if (way("linkat, followed") &&
      ::linkat(AT_FDCWD, link.c_str(), AT_FDCWD, work("stolen2").c_str(), AT_SYMLINK_FOLLOW) == 0) {
    take(work("stolen2"));
  }
  if (way("fchownat") && ::fchownat(key, "", ::getuid(), ::getgid(), AT_EMPTY_PATH) == 0)
    prey_taken("chown");
  if (way("utimensat") && ::syscall(SYS_utimensat, key, "", nullptr, AT_EMPTY_PATH) == 0) {
    prey_taken("times");
  }
  if (way("fchmodat2") && ::syscall(452, key, "", 0777, AT_EMPTY_PATH) == 0) prey_taken("chmod");
  int program = ::open(secret("run").c_str(), O_PATH);
  if (program >= 0 && way("execveat")) {
    pid_t child = spawn([&] {
      char* argv[] = {const_cast<char*>("run"), nullptr};
      char* envp[] = {nullptr};
      ::syscall(SYS_execveat, program, "", argv, envp, AT_EMPTY_PATH);
      finish(kHeld);
    });
    if (reap(child) == 0) prey_taken("executed");
  }
  held("empty path");
}

void twin() {
  int ok = ::open(work("ok.dat").c_str(), O_PATH);
  must(ok >= 0, "O_PATH");
  struct stat status {};
  must(::fstatat(ok, "", &status, AT_EMPTY_PATH) == 0 && S_ISREG(status.st_mode), "fstatat");
  must(::fstatat(AT_FDCWD, "", &status, 0) == -1 && errno == ENOENT, "no flag is ENOENT");
  must(::open("", O_RDONLY) == -1 && errno == ENOENT, "open of nothing is ENOENT");
  must(::fchownat(ok, "", ::getuid(), ::getgid(), AT_EMPTY_PATH) == 0, "fchownat");
  int file = ::open(work("ok.dat").c_str(), O_RDWR);
  must(::futimens(file, nullptr) == 0, "futimens");
  int temporary = ::open(work("").c_str(), O_TMPFILE | O_RDWR, 0600);
  if (temporary >= 0) {
    std::string link = "/proc/self/fd/" + std::to_string(temporary);
    must(::linkat(AT_FDCWD, link.c_str(), AT_FDCWD, work("named").c_str(), AT_SYMLINK_FOLLOW) == 0,
         "O_TMPFILE, then linkat");
    must(::access(work("named").c_str(), F_OK) == 0, "it has a name now");
  }
  twin_ok();
}

}  // namespace attack
