// attack: glob-boundary
// class: names
// severity: high
// trap: What lies just beside a pattern: "$T/pub/*" and the file $T/pub/a/b, the directory $T/pubx;
//   a deny of $T/pub/no and the names "no/", "no/.", "./no"; names that hold * ? [ and backslash.
// naive: Compares prefixes, or matches without knowing where a component ends. (Not shown by `--model
//   naive`: patterns are matched by the one matcher that there is.)
// kernel: Nothing: patterns are the monitor's own. "/" separates components, every other byte is
//   part of a name.
// sealed: Patterns are matched by component against the canonical name.
// source: sydbox t01-path-wildmatch.sh
// policy:
//   path allow read,execute /usr/**
//   path allow create,write,read $T/**
//   path deny read $T/** $T
//   path allow read $T/pub/* $T/ok.dat
//   path allow read $T/other/*.txt
//   path deny $T/pub/no $T/pub/\[x\] $T/pub/a\\b
//   network deny all
// report: $T/pub/no
#include "tests/support/attack.h"

namespace attack {
namespace {

// Matched neither by "pub/*" nor by "other/*.txt".
constexpr const char* kBeside[] = {"pub/a/b",    "pubx/f",        "pub.txt",
                                   "other/xtxt", "other/a.txt.b", "other/d.txt/c"};

void plant() {
  must(::mkdir(work("pub").c_str(), 0755) == 0, "mkdir");
  must(::mkdir(work("pub/a").c_str(), 0755) == 0, "mkdir");
  must(::mkdir(work("pubx").c_str(), 0755) == 0, "mkdir");
  must(::mkdir(work("other").c_str(), 0755) == 0, "mkdir");
  must(::mkdir(work("other/d.txt").c_str(), 0755) == 0, "mkdir");
  for (const char* leaf : kBeside) spill(work(leaf), "content");
  for (const char* leaf : {"pub/yes", "pub/.hidden", "pub/*", "pub/no-", "other/a\xff\n.txt"}) {
    spill(work(leaf), "content");
  }
}

}  // namespace

void strike() {
  plant();
  for (const char* leaf : kBeside) {
    if (way(leaf)) take(work(leaf));
  }
  // Denied names, of which one is not there yet, and their spellings.
  for (const char* leaf : {"pub/no", "pub/../pub/./no", "pub//no", "pub/[x]", "pub/a\\b"}) {
    if (way(leaf) && ::open(work(leaf).c_str(), O_WRONLY | O_CREAT, 0644) >= 0) prey_taken(leaf);
  }
  if (way("pub/no/") && ::mkdir(work("pub/no/").c_str(), 0755) == 0) prey_taken("a directory");
  held("beside the pattern");
}

void twin() {
  plant();
  must(reads(work("pub/yes"), "content"), "pub/*");
  must(reads(work("pub/.hidden"), "content"), "* matches a leading dot");
  must(reads(work("pub/*"), "content"), "a name that is a star");
  must(reads(work("pub/no-"), "content"), "a name that only begins like a denied one");
  must(reads(work("other/a\xff\n.txt"), "content"), "any bytes, a newline too");
  spill(work("pub/x"), "content");  // [x] was the name, not a set
  must(reads(work("pub/x"), "content"), "brackets that are a name");
  must(reads(work("ok.dat"), "harmless\n"), "a literal name");
  twin_ok();
}

}  // namespace attack
