// attack: dirfd-ignored
// class: state
// severity: critical
// models: naive
// trap: openat, execveat, unlinkat, renameat2, linkat and the rest walk from a directory descriptor.
//   Give one of /usr, which is allowed, and climb out of it by "..": from the working directory the
//   same string would stay in $T.
// naive: Joins every relative name to the working directory.
// kernel: A relative name starts at dirfd; only AT_FDCWD means the working directory (openat(2)).
// sealed: The walk begins at /proc/<tid>/fd/<dirfd>; the verdict is about where it ends.
// source: openat(2); nolabs-ai/nono#262, #277
// policy:
//   path allow read,execute /usr/ /usr/**
//   path allow $T/
//   network allow unix create
//   network allow unix bind $T/**
// report: $S/key
#include "tests/support/attack.h"

namespace attack {
namespace {

// Calls that leave $S/key as it is: its other names, and new names beside it.
void read_and_make(int from, const std::string& up) {
  const std::string key = up + secret();
  const std::string made = up + secret("made");
  open_how how{};
  how.flags = O_RDONLY;
  if (way("openat2")) {
    take(static_cast<int>(::syscall(SYS_openat2, from, key.c_str(), &how, sizeof how)));
  }
  if (way("linkat") && ::linkat(from, key.c_str(), AT_FDCWD, work("linked").c_str(), 0) == 0) {
    take(work("linked"));
  }
  if (way("execveat")) {
    const std::string program = up + secret("run");
    const pid_t child = spawn([&] {
      char* argv[] = {const_cast<char*>("run"), nullptr};
      char* envp[] = {nullptr};
      ::syscall(SYS_execveat, from, program.c_str(), argv, envp, 0);
      finish(kHeld);
    });
    if (reap(child) == 0) prey_taken("executed");
  }
  if (way("mkdirat") && ::mkdirat(from, made.c_str(), 0755) == 0) prey_taken("a directory");
  if (way("mknodat") && ::mknodat(from, made.c_str(), S_IFIFO | 0600, 0) == 0) prey_taken("a fifo");
  if (way("symlinkat") && ::symlinkat("x", from, made.c_str()) == 0) prey_taken("a link");
  const std::string mine = work("ok.dat");
  if (way("linkat to") && ::linkat(AT_FDCWD, mine.c_str(), from, made.c_str(), 0) == 0) {
    prey_taken("a name");
  }
  if (way("renameat2 to") &&
      ::syscall(SYS_renameat2, AT_FDCWD, mine.c_str(), from, made.c_str(), 1) == 0) {
    prey_taken("a file");
  }
}

void change(int from, const char* key) {
  if (way("fchmodat") && ::fchmodat(from, key, 0640, 0) == 0) prey_taken("its mode");
  if (way("fchmodat2") && ::syscall(452, from, key, 0640, 0) == 0) prey_taken("its mode");
  if (way("fchownat") && ::fchownat(from, key, ::getuid(), ::getgid(), 0) == 0) {
    prey_taken("its owner");
  }
  if (way("utimensat") && ::utimensat(from, key, nullptr, 0) == 0) prey_taken("its times");
  if (way("renameat") && ::renameat(from, key, AT_FDCWD, work("stolen").c_str()) == 0) {
    prey_taken("renamed away");
  }
  if (way("unlinkat") && ::unlinkat(from, key, 0) == 0) prey_taken("unlinked");
}

}  // namespace

void strike() {
  // Where the string model believes the walk to end.
  std::string decoy = work("deep");
  must(::mkdir(decoy.c_str(), 0755) == 0 && ::chdir(decoy.c_str()) == 0, "chdir");
  int usr = ::open("/usr", O_RDONLY | O_DIRECTORY);
  must(usr >= 0, "open /usr");
  std::string climb = ".." + secret();  // /usr/../<S>/key, or $T/deep/../<S>/key
  if (way("openat")) take(::openat(usr, climb.c_str(), O_RDONLY));
  read_and_make(usr, "..");
  change(usr, climb.c_str());
  int s = ::open(secret("").c_str(), O_PATH | O_DIRECTORY);
  if (s >= 0 && way("openat from $S")) take(::openat(s, "key", O_RDONLY));
  // An address is a name, too, and has no descriptor but the working directory.
  if (way("bind from $S") && ::chdir(secret("").c_str()) == 0) {
    sockaddr_un address = un("planted");
    const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
    if (::bind(socket, as_sockaddr(address), sizeof address) == 0) prey_taken("a socket");
  }
  held("openat from another directory");
}

void twin() {
  int t = ::open(work("").c_str(), O_RDONLY | O_DIRECTORY);
  must(t >= 0, "open $T");
  must(::mkdirat(t, "sub", 0755) == 0, "mkdirat");
  must(::chdir("/usr") == 0, "chdir");
  int fd = ::openat(t, "sub/../ok.dat", O_RDONLY);
  must(fd >= 0 && read_all(fd) == "harmless\n", "openat");
  must(::linkat(t, "ok.dat", t, "sub/copy", 0) == 0, "linkat");
  must(::renameat(t, "sub/copy", t, "moved") == 0, "renameat");
  must(::unlinkat(t, "moved", 0) == 0, "unlinkat");
  must(::unlinkat(t, "sub", AT_REMOVEDIR) == 0, "unlinkat of a directory");
  must(::symlinkat("ok.dat", t, "link") == 0, "symlinkat");
  must(::mknodat(t, "fifo", S_IFIFO | 0600, 0) == 0, "mknodat");
  must(::fchmodat(t, "link", 0640, 0) == 0, "fchmodat");
  must(::utimensat(t, "link", nullptr, AT_SYMLINK_NOFOLLOW) == 0, "utimensat");
  must(::chdir(work("").c_str()) == 0, "chdir");
  sockaddr_un address = un("a.sock");
  const int s = ::socket(AF_UNIX, SOCK_STREAM, 0);
  must(::bind(s, as_sockaddr(address), sizeof address) == 0, "bind");
  twin_ok();
}

}  // namespace attack
