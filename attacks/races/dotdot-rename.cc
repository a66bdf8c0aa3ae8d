// attack: dotdot-rename
// class: races
// severity: critical
// models: naive
// trap: Every move stays inside $T, where everything is allowed. "$T/a/b/../../s/key" is $T/s/key,
//   a harmless file; when another process moves b from $T/a up to $T while the walk stands in it,
//   ".." leads one level higher, and the same text ends at $S/key.
// naive: ".." is cut off in the string: $T/a/key, allowed.
// kernel: ".." is looked up in the directory as it is when the walk gets there
//   (path_resolution(7)).
// sealed: The walk is made once, its result pinned and judged; what was judged is what opens. A
//   flood of renames can make it give up, never pass.
// source: Garfinkel, NDSS 2003, "relative path races"; kernel selftest rename_attack
// time: 15000
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: none
#include "tests/support/attack.h"

namespace attack {
namespace {

// A walk that stays in `directory` for milliseconds: links that lead back to where they stand, by a
// long way. 40 of them are the most (path_resolution(7)).
std::string long_way(const std::string& directory, int links) {
  must(::mkdir((directory + "/d").c_str(), 0755) == 0, "mkdir");
  std::string target;
  for (int i = 0; i < 800; ++i) target += "d/../";
  must(::symlink(target.c_str(), (directory + "/again").c_str()) == 0, "symlink");
  std::string path = directory + "/";
  for (int i = 0; i < links; ++i) path += "again/";
  return path;
}

// A mask of one's own, even the old one: a monitor that keeps its tasks on one CPU must let go, and
// the walk and the move may run side by side.
void run_anywhere() {
  cpu_set_t mask;
  must(::sched_getaffinity(0, sizeof mask, &mask) == 0, "sched_getaffinity");
  must(::sched_setaffinity(0, sizeof mask, &mask) == 0, "sched_setaffinity");
}

// Opens $T/a/b/../../`below` while b moves to `there` and back.
Openings race(const std::string& there, const std::string& below, int links) {
  must(::mkdir(work("a").c_str(), 0755) == 0 && ::mkdir(work("a/b").c_str(), 0755) == 0, "mkdir");
  const std::string here = work("a/b");
  const std::string path = long_way(here, links) + "../../" + below;
  run_anywhere();
  const Rival mover([&] {
    ::rename(here.c_str(), there.c_str());
    ::rename(there.c_str(), here.c_str());
  });
  return open_until_time_is_up(path.c_str(), 5000);
}

}  // namespace

void strike() {
  // $S is a sibling of $T; a directory of its name in $T receives the innocent walk.
  const std::string s = setting("ATTACK_S");
  const std::string name = s.substr(s.rfind('/') + 1);
  must(::mkdir(work(name).c_str(), 0755) == 0, "mkdir");
  spill(work(name + "/key"), kHarmless);
  race(work("b"), name + "/key", 36);
  errno = 0;
  held("every open was the harmless file");
}

void twin() {
  must(::mkdir(work("c").c_str(), 0755) == 0, "mkdir");
  spill(work("key"), kHarmless);
  must(race(work("c/b"), "key", 2).good > 0, "harmless opens got through");
  twin_ok();
}

}  // namespace attack
