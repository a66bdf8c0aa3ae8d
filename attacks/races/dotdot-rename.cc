// attack: dotdot-rename
// class: races
// severity: critical
// trap: Every move stays inside $T, where everything is allowed. "$T/a/b/../../s/key" is $T/s/key, a
//   harmless file; when another process moves b from $T/a up to $T while the walk stands in it,
//   ".." leads one level higher, and the same text ends at $S/key.
// naive: ".." is cut off in the string: $T/a/key, allowed.
// kernel: ".." is looked up in the directory as it is when the walk gets there (path_resolution(7)).
// sealed: The walk is made once, its result pinned and judged; what was judged is what opens. A flood of
//   renames can make it give up, never pass.
// source: Garfinkel, NDSS 2003, "relative path races"; kernel selftest rename_attack
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
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

void strike() {
  must(::mkdir(work("a").c_str(), 0755) == 0 && ::mkdir(work("a/b").c_str(), 0755) == 0, "mkdir");
  // $S is a sibling of $T; a directory of its name in $T receives the innocent walk.
  std::string s = setting("ATTACK_S");
  std::string name = s.substr(s.rfind('/') + 1);
  must(::mkdir(work(name).c_str(), 0755) == 0, "mkdir");
  spill(work(name + "/key"), "harmless\n");
  pid_t mover = start_moving(work("a/b"), work("b"));
  std::string pause;  // keeps the walk inside b for a while
  for (int i = 0; i < 1500; ++i) pause += "./";
  std::string path = work("a/b/" + pause + "../../" + name + "/key");
  for (Stopwatch watch; watch.running();) {
    int fd = ::open(path.c_str(), O_RDONLY);
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
