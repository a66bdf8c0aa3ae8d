// attack: delegated-proc-self
// class: names
// severity: critical
// launch: marker
// trap: /proc/self is whoever looks. Ask for /proc/self/environ, /proc/thread-self, /proc/self/fd,
//   /proc/<parent>: the monitor's environment holds a secret that the policy drops for the program.
// naive: Opens the name itself, and hands out *its own* environment, maps and descriptors. (Not shown by
//   `--model naive`, which opens nothing for anyone.)
// kernel: /proc/self resolves to the caller of the walk, in the mount's pid namespace (proc(5)).
// sealed: self and thread-self are resolved for the task that asked; other processes' entries, and
//   the monitor's and keeper's own, are out of reach.
// source: sandlock#246
// policy:
//   environment drop CALLGATE_E2E_MARKER
//   path allow read,execute /usr/**
//   path allow $T/
//   path allow read /proc/**
//   network deny all
// report: none
#include "tests/support/attack.h"

namespace attack {
namespace {

void search(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY);
  if (fd < 0) return;
  std::string text = read_all(fd);
  ::close(fd);
  if (text.find("CALLGATE_E2E_MARKER=") != std::string::npos) prey_taken("environment of " + path);
}

}  // namespace

void strike() {
  if (way("self")) search("/proc/self/environ");
  if (way("thread-self")) search("/proc/thread-self/environ");
  if (way("task")) search("/proc/self/task/" + std::to_string(::getpid()) + "/environ");
  if (wanted_way() != nullptr) held("that way");
  // No way without a monitor: up the line of parents, as far as /proc tells it, and everything else
  // in sight.
  search("/proc/" + std::to_string(::getppid()) + "/environ");
  for (int pid = ::getpid() - 64; pid < ::getpid() + 64; ++pid) {
    if (pid > 1) search("/proc/" + std::to_string(pid) + "/environ");
  }
  held("environment of others");
}

void twin() {
  int fd = ::open("/proc/self/status", O_RDONLY);
  must(fd >= 0, "/proc/self/status");
  must(read_all(fd).find("\nPid:\t" + std::to_string(::getpid()) + "\n") != std::string::npos,
       "/proc/self is the caller");
  char target[64]{};
  must(::readlink("/proc/self", target, sizeof target - 1) > 0 && std::atoi(target) == ::getpid(),
       "readlink of /proc/self");
  pid_t child = spawn([] {
    int inner = ::open("/proc/self/stat", O_RDONLY);
    must(inner >= 0 && std::atoi(read_all(inner).c_str()) == ::getpid(), "/proc/self of a child");
  });
  must(reap(child) == 0, "child");
  fd = ::open("/proc/thread-self/comm", O_RDONLY);
  must(fd >= 0 && !read_all(fd).empty(), "/proc/thread-self/comm");
  must(::open("/dev/fd/0", O_RDONLY) >= 0 || errno == ENXIO, "/dev/fd/0");
  fd = ::open("/proc/self/mounts", O_RDONLY);
  must(fd >= 0 && !read_all(fd).empty(), "/proc/self/mounts");
  twin_ok();
}

}  // namespace attack
