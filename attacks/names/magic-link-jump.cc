// attack: magic-link-jump
// class: names
// severity: critical
// models: naive
// trap: /proc/self/root, cwd, exe, fd/<n> and task/<tid>/root look like symbolic links and are not:
//   they jump to an object. $S/key by way of them, by links to them, and by /dev/fd.
// naive: Takes the readlink text for an ordinary path, or knows only the spelling "/proc/self".
// kernel: Magic links bypass path resolution altogether (symlink(7), openat2 RESOLVE_NO_MAGICLINKS).
// sealed: They are recognised by procfs itself, resolved for the task that asked, and what is reached
//   is judged by its own name.
// source: openat2(2); sandlock#236; CVE-2024-21626
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   path allow read /proc/**
//   network deny all
// report: $S/key
#include "tests/support/attack.h"

namespace attack {
namespace {

std::string_view unless_looked_into() {
  const bool open = wanted_way() == nullptr || ::access("/proc/1/root/", X_OK) == 0;
  return open ? "" : "the first process is closed to this user";
}

}  // namespace

void strike() {
  std::string self = "/proc/" + std::to_string(::getpid());
  std::string tid = "/proc/self/task/" + std::to_string(::gettid());
  if (way("self/root")) take("/proc/self/root" + secret());
  if (way("pid/root")) take(self + "/root" + secret());
  if (way("task/root")) take(tid + "/root" + secret());
  if (way("thread-self/root")) take("/proc/thread-self/root" + secret());
  if (way("1/root", unless_looked_into())) take("/proc/1/root" + secret());
  if (way("parent/root")) take("/proc/" + std::to_string(::getppid()) + "/root" + secret());
  if (way("of a child")) {
    const pid_t child = spawn([] { ::pause(); });
    const int fd =
        ::open(("/proc/" + std::to_string(child) + "/root" + secret()).c_str(), O_RDONLY);
    ::kill(child, SIGKILL);
    reap(child);
    take(fd);
  }
  must(::symlink("/proc/self/root", work("r").c_str()) == 0, "symlink");
  if (way("a link to root")) take(work("r") + secret());
  must(::symlink(("/proc/self/root" + secret()).c_str(), work("rk").c_str()) == 0, "symlink");
  if (way("a link through root")) take(work("rk"));
  if (::chdir(secret("").c_str()) == 0) {
    if (way("cwd")) take("/proc/self/cwd/key");
    if (way("task/cwd")) take(tid + "/cwd/key");
  }
  int s = ::open(secret("").c_str(), O_PATH);
  if (s >= 0) {
    if (way("fd of a directory")) take("/proc/self/fd/" + std::to_string(s) + "/key");
    if (way("/dev/fd of a directory")) take("/dev/fd/" + std::to_string(s) + "/key");
    if (way("root and fd")) take(work("r") + "/proc/self/fd/" + std::to_string(s) + "/key");
  }
  int k = ::open(secret().c_str(), O_PATH);
  if (k >= 0) {
    if (way("fd")) take("/proc/self/fd/" + std::to_string(k));
    if (way("/dev/fd")) take("/dev/fd/" + std::to_string(k));
  }
  if (k >= 0 && way("/dev/stdin") && ::dup2(k, 0) == 0) take("/dev/stdin");
  held("jump by a magic link");
}

void twin() {
  std::string ok = work("ok.dat");
  must(reads("/proc/self/root" + ok, "harmless\n"), "/proc/self/root");
  must(reads("/proc/" + std::to_string(::getpid()) + "/root" + ok, "harmless\n"), "own pid");
  must(::chdir(work("").c_str()) == 0 && reads("/proc/self/cwd/ok.dat", "harmless\n"), "cwd");
  int t = ::open(work("").c_str(), O_PATH);
  must(reads("/proc/self/fd/" + std::to_string(t) + "/ok.dat", "harmless\n"), "fd of a directory");
  int k = ::open(ok.c_str(), O_RDONLY);
  must(reads("/dev/fd/" + std::to_string(k), "harmless\n"), "/dev/fd");
  int pipes[2];
  must(::pipe(pipes) == 0 && ::write(pipes[1], "x", 1) == 1, "pipe");
  int again = ::open(("/proc/self/fd/" + std::to_string(pipes[0])).c_str(), O_RDONLY | O_NONBLOCK);
  char byte = 0;
  must(again >= 0 && ::read(again, &byte, 1) == 1 && byte == 'x', "reopen of a pipe");
  char target[4096]{};
  must(::readlink("/proc/self/exe", target, sizeof target - 1) > 0, "readlink of exe");
  int unlinked = ::open(work("gone").c_str(), O_RDWR | O_CREAT, 0600);
  must(unlinked >= 0 && ::write(unlinked, "u", 1) == 1 && ::unlink(work("gone").c_str()) == 0, "");
  must(reads("/proc/self/fd/" + std::to_string(unlinked), "u"), "reopen of an unlinked file");
  twin_ok();
}

}  // namespace attack
