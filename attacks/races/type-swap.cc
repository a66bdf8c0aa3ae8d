// attack: type-swap
// class: races
// severity: high
// models: naive
// trap: $T/*/secret may not be read. A directory that holds such a file may not be moved one level
//   down, where no rule speaks of it; a file may. While a file $T/a is moved to $T/e/a, another
//   process exchanges it for the directory $T/d.
// naive: Looks what kind of thing it is that moves, and lets the call go on by its name.
// kernel: The last component of a rename is looked up with both directories locked, long after any
//   look at it from outside; there is no way to name the object itself (rename(2)).
// sealed: A move between names of which either would grant more to some kind of object is judged and
//   made while all others are held. Every other move changes nothing, whatever it takes.
// source: found while asking what a judged rename rests on; Garfinkel, NDSS 2003
// time: 6000
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   path deny read $T/*/secret
//   network deny all
// report: none
#include "tests/support/attack.h"

namespace attack {
namespace {

constexpr std::string_view kSecret = "what lies in the directory\n";

bool is_directory(const std::string& path) {
  struct stat st {};
  return ::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
}

// Moves `a`, which is a file or the directory by turns, to e/a and back; how often it was the file.
long race(std::string_view text) {
  must(::mkdir(work("d").c_str(), 0755) == 0 && ::mkdir(work("e").c_str(), 0755) == 0, "mkdir");
  spill(work("d/secret"), text);
  spill(work("a"), kHarmless);
  take(work("d/secret"));
  const std::string a = work("a");
  const std::string d = work("d");
  const std::string below = work("e/a");
  const Rival exchanger([&] {
    ::syscall(SYS_renameat2, AT_FDCWD, a.c_str(), AT_FDCWD, d.c_str(), 2 /* EXCHANGE */);
  });
  long moved = 0;
  for (const Stopwatch watch; watch.running();) {
    if (::rename(a.c_str(), below.c_str()) != 0) continue;
    if (is_directory(below)) take(below + "/secret");
    ++moved;
    must(::rename(below.c_str(), a.c_str()) == 0 || errno == EXDEV, "back");
  }
  std::printf("moved %ld\n", moved);
  return moved;
}

}  // namespace

void strike() {
  must(race(kSecret) > 0, "no file was moved: the race was never run");
  errno = 0;
  held("only the file was moved");
}

void twin() {
  must(race("") > 0, "a file was moved");
  twin_ok();
}

}  // namespace attack
