// attack: deleted-name
// class: names
// severity: high
// models: naive
// trap: $T/a.key may not be read. It gets a second such name, and the first is taken away: who asks
//   the kernel what a descriptor leads to is told "a.key (deleted)", which no pattern denies.
// naive: Judges the descriptor's link in /proc by its own name. Who follows it and matches the name
//   as the kernel shows it, or takes the mark off only where no name is left, does no better.
// kernel: The mark is put behind the name by which it was opened, once that is gone, however many
//   other names the file has; a living name may end alike (fs/d_path.c).
// sealed: The mark is taken off unless a living name of just these letters leads to that very inode.
//   What is judged is the name by which it was reached.
// source: found while reading what callgate makes of the kernel's names
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   path deny read,execute $T/*.key
//   network deny all
// report: $T/a.key
#include "tests/support/attack.h"

namespace attack {
namespace {

constexpr std::string_view kKey = "what is in the key\n";

std::string by_descriptor(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

// A new a.key, which is called b.key too; a descriptor of it.
int key_of_two_names() {
  const std::string a = work("a.key");
  ::unlink(a.c_str());
  spill(a, kKey);
  must(::link(a.c_str(), work("b.key").c_str()) == 0, "link");
  const int key = ::open(a.c_str(), O_PATH);
  must(key >= 0, "O_PATH");
  return key;
}

// Reads it by the descriptor, and by a name that is made from the descriptor.
void take_by(int key) {
  take(by_descriptor(key));
  const std::string free = work("free");
  if (::linkat(AT_FDCWD, by_descriptor(key).c_str(), AT_FDCWD, free.c_str(), AT_SYMLINK_FOLLOW) ==
      0) {
    take(free);
  }
  ::unlink(work("b.key").c_str());
}

}  // namespace

void strike() {
  if (way("unlink")) {
    const int key = key_of_two_names();
    must(::unlink(work("a.key").c_str()) == 0, "unlink");
    take_by(key);
  }
  if (way("rename over it")) {
    const int key = key_of_two_names();
    spill(work("c.key"), kHarmless);
    must(::rename(work("c.key").c_str(), work("a.key").c_str()) == 0, "rename");
    take_by(key);
  }
  if (way("a living name like it")) {
    const int key = key_of_two_names();
    must(::unlink(work("a.key").c_str()) == 0, "unlink");
    spill(work("a.key (deleted)"), kHarmless);
    take_by(key);
  }
  held("what was called a.key");
}

void twin() {
  // Names that end so and live, beside one that may not be read and alone.
  key_of_two_names();
  for (const char* name : {"a.key (deleted)", "d (deleted)"}) {
    spill(work(name), kHarmless);
    const int file = ::open(work(name).c_str(), O_PATH);
    must(file >= 0, "O_PATH");
    must(reads(work(name), kHarmless), "by its name");
    must(reads(by_descriptor(file), kHarmless), "by its descriptor");
  }
  // What may be read may be read when its first name is gone.
  spill(work("e"), kHarmless);
  const int file = ::open(work("e").c_str(), O_PATH);
  must(::link(work("e").c_str(), work("f").c_str()) == 0, "link");
  must(::unlink(work("e").c_str()) == 0, "unlink");
  must(reads(by_descriptor(file), kHarmless), "by a descriptor without its name");
  twin_ok();
}

}  // namespace attack
