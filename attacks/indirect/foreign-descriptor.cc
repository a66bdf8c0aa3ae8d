// attack: foreign-descriptor
// class: indirect
// severity: high
// models: naive
// launch: victim
// trap: A process outside holds a pipe with a secret in it. Its /proc/<pid>/fd/0 is opened with O_PATH,
//   which reads nothing; then that is opened again, through the caller's own /proc/self/fd.
// naive: O_PATH asks for metadata alone, and one's own descriptors are one's own.
// kernel: An O_PATH descriptor is a hold on the object, and /proc/self/fd opens it like any name
//   (open(2), proc(5)). A pipe has no name of its own that a rule could refuse.
// sealed: What a process outside holds is not reached through its links, not even for O_PATH.
// source: open(2), O_PATH
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: out of reach
#include "tests/support/attack.h"

namespace attack {
namespace {

void again(int held_on_to) {
  if (held_on_to < 0) return;
  take(::open(("/proc/self/fd/" + std::to_string(held_on_to)).c_str(), O_RDONLY | O_NONBLOCK));
}

}  // namespace

void strike() {
  const std::string process = "/proc/" + setting("ATTACK_VICTIM");
  const std::string link = process + "/fd/0";
  if (way("O_PATH")) again(::open(link.c_str(), O_PATH));
  const int directory = ::open((process + "/fd").c_str(), O_PATH);
  if (directory >= 0 && way("from its directory")) again(::openat(directory, "0", O_PATH));
  must(::symlink(link.c_str(), work("l").c_str()) == 0, "symlink");
  if (way("a symlink")) again(::open(work("l").c_str(), O_PATH));
  open_how how{};
  how.flags = O_PATH;
  if (way("openat2")) {
    again(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, link.c_str(), &how, sizeof how)));
  }
  how.resolve =
      0x20;  // RESOLVE_CACHED: EAGAIN of the kernel's, which is not to be taken for a pass
  for (int i = 0; i < 3; ++i) {
    again(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, link.c_str(), &how, sizeof how)));
  }
  if (way("open")) take(::open(link.c_str(), O_RDONLY | O_NONBLOCK));
  held("the pipe");
}

void twin() {
  int ends[2];
  must(::pipe(ends) == 0 && ::write(ends[1], "mine\n", 5) == 5, "pipe");
  int own = ::open(("/proc/self/fd/" + std::to_string(ends[0])).c_str(), O_PATH);
  must(own >= 0, "O_PATH");
  int again = ::open(("/proc/self/fd/" + std::to_string(own)).c_str(), O_RDONLY | O_NONBLOCK);
  char text[6]{};
  must(again >= 0 && ::read(again, text, 5) == 5 && std::string_view(text) == "mine\n", "again");
  twin_ok();
}

}  // namespace attack
