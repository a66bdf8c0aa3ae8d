// attack: cwd-swap
// class: races
// severity: high
// models: naive canonical
// trap: A process that shares the working directory (CLONE_FS) moves it between $T and $S, over and
//   over, while another opens "key", a relative name, and makes "made": in $T when the monitor looks,
//   in $S when the kernel does.
// naive: Joins the name to the directory it remembers; or asks for the directory, and lets the call
//   ask again.
// kernel: A relative walk starts from the working directory as it is when the call begins to run
//   (path_resolution(7)); under CLONE_FS a chdir of one is a chdir of all (clone(2)).
// sealed: The directory is read once, at the stop; what is opened is the canonical name of what was
//   judged, and what is made is made in the directory that was pinned.
// source: Garfinkel, NDSS 2003, "relative path races"; gVisor chdir.cc
// time: 4000
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: $S/key
#include "tests/support/attack.h"

namespace attack {
namespace {

// A rival with the same working directory, which it moves.
class Mover {
 public:
  explicit Mover(const std::string& other)
      : rival_(
            [&other, mine = work("")] {
              must(::chdir(other.c_str()) == 0 && ::chdir(mine.c_str()) == 0, "chdir");
            },
            CLONE_FS) {}

 private:
  Rival rival_;
};

Openings open_while_moved(const std::string& other) {
  must(::chdir(work("").c_str()) == 0, "chdir");
  spill(work("key"), kHarmless);
  const Mover mover(other);
  return open_until_time_is_up("key");
}

// Makes and removes a directory; how often. `there` is where none may come to be.
long make_while_moved(const std::string& other, const std::string& there) {
  must(::chdir(work("").c_str()) == 0, "chdir");
  const Mover mover(other);
  long made = 0;
  for (Stopwatch watch; watch.running();) {
    if (::mkdir("made", 0755) != 0) continue;
    ++made;
    if (!there.empty() && ::access(there.c_str(), F_OK) == 0) prey_taken("made in the secret tree");
    ::rmdir(work("made").c_str());
  }
  std::printf("made %ld\n", made);
  return made;
}

}  // namespace

void strike() {
  if (way("open")) must(open_while_moved(secret("")).good > 0, "no harmless open got through");
  if (way("mkdir")) must(make_while_moved(secret(""), secret("made")) > 0, "none was made");
  errno = 0;
  held("every walk began in the work tree");
}

void twin() {
  must(::mkdir(work("other").c_str(), 0755) == 0, "mkdir");
  spill(work("other/key"), kHarmless);
  must(open_while_moved(work("other")).good > 20, "harmless opens");
  must(make_while_moved(work("other"), "") > 0, "directories");
  twin_ok();
}

}  // namespace attack
