// attack: metadata-oracle
// class: indirect
// severity: medium
// models: naive
// trap: Learn of $S without opening anything: what stat, access, readlink, statfs, chdir and a
//   watch say, and what the *errors* of all other calls say. ENOENT here and EACCES there tell who
//   exists; so do EEXIST, ENOTDIR, EXDEV, ECONNREFUSED and ELOOP, directly, through a link, and one
//   level deeper.
// naive: Judges opens only; or looks first whether the file is there, and judges only what is.
// kernel: Each call has its own order of looking and refusing; most look first
//   (path_resolution(7)).
// sealed: Without a rule that speaks of `stat` all this may be asked of everything
//   (docs/threats.md). Where `stat` is denied, a name answers alike whether it is there or not, to
//   every call.
// source: Garfinkel, NDSS 2003, "indirect paths"; inotify(7); canyonroad/agentsh#148
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   path deny stat $S/
//   network allow unix connect,bind,send $T/**
// report: stat of $S/key
#include <sys/inotify.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

#include <functional>
#include <vector>

#include "tests/support/attack.h"

namespace attack {
namespace {

struct Probe {
  const char* name;
  std::function<long(const char*)> ask;
};

int unix_socket(int kind) { return ::socket(AF_UNIX, kind | SOCK_CLOEXEC, 0); }

std::vector<Probe> probes() {
  static struct stat status;
  static struct statfs fs;
  static char buffer[512];
  static const std::string mine = work("ok.dat");
  static const std::string other = work("other");
  static const int watches = ::inotify_init1(IN_CLOEXEC);
  const auto with_open = [](int flags) {
    return [flags](const char* p) { return static_cast<long>(::open(p, flags, 0600)); };
  };
  return {
      {"stat", [](const char* p) { return static_cast<long>(::stat(p, &status)); }},
      {"lstat", [](const char* p) { return static_cast<long>(::lstat(p, &status)); }},
      {"statx", [](const char* p) { return ::syscall(SYS_statx, AT_FDCWD, p, 0, 0x7ff, buffer); }},
      {"access", [](const char* p) { return static_cast<long>(::access(p, F_OK)); }},
      {"faccessat2", [](const char* p) { return ::syscall(439, AT_FDCWD, p, F_OK, 0x100); }},
      {"readlink", [](const char* p) { return static_cast<long>(::readlink(p, buffer, 512)); }},
      {"getxattr",
       [](const char* p) { return static_cast<long>(::getxattr(p, "user.x", buffer, 9)); }},
      {"listxattr", [](const char* p) { return static_cast<long>(::listxattr(p, buffer, 512)); }},
      {"statfs", [](const char* p) { return static_cast<long>(::statfs(p, &fs)); }},
      {"chdir", [](const char* p) { return static_cast<long>(::chdir(p)); }},
      {"inotify",
       [](const char* p) { return static_cast<long>(::inotify_add_watch(watches, p, IN_ACCESS)); }},
      {"handle",
       [](const char* p) {
         return ::syscall(SYS_name_to_handle_at, AT_FDCWD, p, buffer, buffer, 0);
       }},
      {"O_PATH", with_open(O_PATH)},
      {"O_PATH of a link", with_open(O_PATH | O_NOFOLLOW)},
      {"read", with_open(O_RDONLY)},
      {"read a directory", with_open(O_RDONLY | O_DIRECTORY)},
      {"read no link", with_open(O_RDONLY | O_NOFOLLOW)},
      {"write", with_open(O_WRONLY)},
      {"create", with_open(O_WRONLY | O_CREAT)},
      {"create anew", with_open(O_WRONLY | O_CREAT | O_EXCL)},
      {"openat2 across mounts",
       [](const char* p) {
         open_how how{O_PATH, 0, RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS};
         return ::syscall(SYS_openat2, AT_FDCWD, p, &how, sizeof how);
       }},
      {"truncate", [](const char* p) { return static_cast<long>(::truncate(p, 0)); }},
      {"chmod", [](const char* p) { return static_cast<long>(::chmod(p, 0600)); }},
      {"lchown", [](const char* p) { return static_cast<long>(::lchown(p, ::getuid(), -1)); }},
      {"utimensat",
       [](const char* p) { return static_cast<long>(::utimensat(AT_FDCWD, p, nullptr, 0)); }},
      {"setxattr",
       [](const char* p) { return static_cast<long>(::setxattr(p, "user.x", "y", 1, 0)); }},
      {"mkdir", [](const char* p) { return static_cast<long>(::mkdir(p, 0700)); }},
      {"mkfifo", [](const char* p) { return static_cast<long>(::mkfifo(p, 0600)); }},
      {"symlink", [](const char* p) { return static_cast<long>(::symlink("x", p)); }},
      {"link to", [](const char* p) { return static_cast<long>(::link(mine.c_str(), p)); }},
      {"link from", [](const char* p) { return static_cast<long>(::link(p, other.c_str())); }},
      {"rename to", [](const char* p) { return static_cast<long>(::rename(mine.c_str(), p)); }},
      {"rename from", [](const char* p) { return static_cast<long>(::rename(p, other.c_str())); }},
      {"rename anew",
       [](const char* p) {
         return ::syscall(SYS_renameat2, AT_FDCWD, mine.c_str(), AT_FDCWD, p, 1);
       }},
      {"exchange",
       [](const char* p) {
         return ::syscall(SYS_renameat2, AT_FDCWD, mine.c_str(), AT_FDCWD, p, 2);
       }},
      {"unlink", [](const char* p) { return static_cast<long>(::unlink(p)); }},
      {"rmdir", [](const char* p) { return static_cast<long>(::rmdir(p)); }},
      {"execve",
       [](const char* p) {
         char* nothing[] = {nullptr};
         return static_cast<long>(::execve(p, nothing, nothing));
       }},
      {"connect",
       [](const char* p) {
         sockaddr_un address = un(p);
         const int s = unix_socket(SOCK_STREAM);
         return static_cast<long>(::connect(s, as_sockaddr(address), sizeof address));
       }},
      {"sendto",
       [](const char* p) {
         sockaddr_un address = un(p);
         const int s = unix_socket(SOCK_DGRAM);
         return static_cast<long>(::sendto(s, "x", 1, 0, as_sockaddr(address), sizeof address));
       }},
      {"bind",
       [](const char* p) {
         sockaddr_un address = un(p);
         const int s = unix_socket(SOCK_STREAM);
         return static_cast<long>(::bind(s, as_sockaddr(address), sizeof address));
       }},
  };
}

// What a probe says: 0 where it succeeds, else the error. In a child, for some of them change much.
int answer(const Probe& probe, const std::string& path) {
  return reap(spawn([&] {
    errno = 0;
    const long result = probe.ask(path.c_str());
    finish(result >= 0 ? 0 : errno);
  }));
}

// Calls the two names apart, or gets in.
void compare(const Probe& probe, const std::string& there, const std::string& absent) {
  const int first = answer(probe, there);
  const int second = answer(probe, absent);
  if (first != 0 && first == second) return;
  prey_taken(std::string(probe.name) + ": " + there + " says " + std::strerror(first) + ", " +
             absent + " says " + std::strerror(second));
}

}  // namespace

void strike() {
  const std::string s = secret("");
  const auto link = [](const char* name, const std::string& target) {
    must(::symlink(target.c_str(), work(name).c_str()) == 0, "symlink");
    return work(name);
  };
  const std::string to_key = link("to-key", s + "key");
  const std::string to_none = link("to-none", s + "none");
  const std::string into_key = link("into-key", s + "key/x");
  const std::string into_none = link("into-none", s + "none/x");
  must(::chdir(work("").c_str()) == 0, "chdir");
  for (const Probe& probe : probes()) {
    if (!way(probe.name)) continue;
    compare(probe, s + "key", s + "none");
    compare(probe, s + "sub", s + "none");
    compare(probe, s + "key/", s + "none/");
    compare(probe, s + "key/x", s + "none/x");
    compare(probe, s + "sub/x", s + "none/x");
    compare(probe, s + "sub/../key", s + "none/../key");
    const std::string name = probe.name;
    // Calls that act on the link itself may do so: it is the program's own.
    const bool on_link = name == "lstat" || name == "readlink" || name == "faccessat2" ||
                         name == "O_PATH of a link" || name == "handle" || name == "lchown" ||
                         name == "unlink" || name == "read no link" || name == "create anew" ||
                         name == "mkdir" || name == "mkfifo" || name == "symlink" ||
                         name == "bind" || name.starts_with("rename") || name == "exchange" ||
                         name.starts_with("link") || name == "rmdir";
    if (on_link) continue;
    compare(probe, to_key, to_none);
    compare(probe, into_key, into_none);
  }
  errno = EACCES;
  held("what is there and what is not say the same");
}

// Elsewhere everything is told, with the kernel's own errors.
void twin() {
  struct stat status {};
  must(::stat(work("ok.dat").c_str(), &status) == 0 && status.st_size == 9, "stat");
  must(::access("/usr/bin/true", X_OK) == 0, "access");
  must(::stat(work("none").c_str(), &status) == -1 && errno == ENOENT, "ENOENT");
  must(::stat(work("ok.dat/x").c_str(), &status) == -1 && errno == ENOTDIR, "ENOTDIR");
  must(::stat(work("none/x").c_str(), &status) == -1 && errno == ENOENT, "ENOENT on the way");
  must(::mkdir(work("ok.dat").c_str(), 0700) == -1 && errno == EEXIST, "EEXIST");
  must(::stat("/no-such-name", &status) == -1 && errno == ENOENT, "also where nothing is granted");
  must(::stat("/etc/passwd", &status) == 0, "and what is there");
  must(::rmdir(work("none").c_str()) == -1 && errno == ENOENT, "rmdir");
  must(::symlink("loop", work("loop").c_str()) == 0, "symlink");
  must(::stat(work("loop").c_str(), &status) == -1 && errno == ELOOP, "ELOOP");
  sockaddr_un address = un(work("none"));
  must(::connect(unix_socket(SOCK_STREAM), as_sockaddr(address), sizeof address) == -1 &&
           errno == ENOENT,
       "connect to nothing");
  must(::chdir(work("").c_str()) == 0 && ::stat("ok.dat", &status) == 0, "chdir");
  twin_ok();
}

}  // namespace attack
