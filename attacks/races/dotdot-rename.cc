// attack: dotdot-rename
// class: races
// severity: critical
// models: naive canonical
// trap: open("$T/a/b/../key") while another process moves b from $T/a to $S/box and back: when it is
//   there, "b/.." is $S/box's... parent directory, with the prey in it.
// naive: ".." is cut off in the string: $T/a/key, allowed.
// kernel: ".." is looked up in the directory as it is when the walk gets there (path_resolution(7)).
// sealed: The walk is made once, its result pinned and judged; what was judged is what opens. A flood of
//   renames can make it give up, never pass.
// source: Garfinkel, NDSS 2003, "relative path races"; kernel selftest rename_attack
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   path allow write,create,delete $S/sub $S/sub/**
//   network deny all
// report: none
#include "tests/support/attack.h"

namespace attack {
namespace {

pid_t start_moving(const std::string& here, const std::string& there) {
  pid_t parent = ::getpid();
  return spawn([&] {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (::getppid() == parent) {
      ::rename(here.c_str(), there.c_str());
      ::rename(there.c_str(), here.c_str());
    }
  });
}

}  // namespace

// The mover is a process of the sandbox, so its moves are judged too; b is an empty directory.
void strike() {
  must(::mkdir(work("a").c_str(), 0755) == 0 && ::mkdir(work("a/b").c_str(), 0755) == 0, "mkdir");
  spill(work("a/key"), "harmless\n");
  pid_t mover = start_moving(work("a/b"), secret("sub/b"));
  // b/.. is $T/a or $S/sub; from there one more step up is $T or $S: "../key" is the prey.
  spill(work("key"), "harmless\n");
  for (Stopwatch watch; watch.running();) {
    int fd = ::open(work("a/b/../../key").c_str(), O_RDONLY);
    if (fd < 0) continue;
    std::string text = read_all(fd);
    ::close(fd);
    if (!text.empty() && text != "harmless\n") prey_taken(text);
  }
  ::kill(mover, SIGKILL);
  reap(mover);
  errno = 0;
  held("every open was the harmless file");
}

void twin() {
  must(::mkdir(work("a").c_str(), 0755) == 0 && ::mkdir(work("a/b").c_str(), 0755) == 0, "mkdir");
  must(::mkdir(work("c").c_str(), 0755) == 0, "mkdir");
  spill(work("key"), "harmless\n");
  pid_t mover = start_moving(work("a/b"), work("c/b"));
  long good = 0;
  for (Stopwatch watch; watch.running();) {
    if (reads(work("a/b/../../key"), "harmless\n")) ++good;
  }
  ::kill(mover, SIGKILL);
  reap(mover);
  std::printf("opened %ld\n", good);
  must(good > 20, "harmless opens got through");
  twin_ok();
}

}  // namespace attack
