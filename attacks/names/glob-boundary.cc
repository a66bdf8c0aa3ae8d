// attack: glob-boundary
// class: names
// severity: high
// trap: What lies just beside a pattern: "$T/pub/*" and the file $T/pub/a/b, the directory $T/pubx;
//   a deny of $T/pub/no and the names "no/", "no/.", "./no"; names that hold * ? [ and backslash.
// naive: Compares prefixes, or matches without knowing where a component ends.
// kernel: Nothing: patterns are the monitor's own. "/" separates components, every other byte is
//   part of a name.
// sealed: Patterns are matched by component against the canonical name.
// source: sydbox t01-path-wildmatch.sh
// policy:
//   path allow read,execute /usr/**
//   path allow create,write,read $T/**
//   path deny read $T/** $T
//   path allow read $T/pub/* $T/ok.dat
//   path deny $T/pub/no
//   network deny all
// report: $T/pub/no
#include "tests/support/attack.h"

namespace attack {
namespace {

void plant() {
  must(::mkdir(work("pub").c_str(), 0755) == 0, "mkdir");
  must(::mkdir(work("pub/a").c_str(), 0755) == 0, "mkdir");
  must(::mkdir(work("pubx").c_str(), 0755) == 0, "mkdir");
  for (const char* leaf : {"pub/a/b", "pubx/f", "pub.txt", "pub/yes", "pub/.hidden", "pub/*"}) {
    spill(work(leaf), "content");
  }
}

}  // namespace

void strike() {
  plant();
  take(work("pub/a/b"));
  take(work("pubx/f"));
  take(work("pub.txt"));
  int fd = ::open(work("pub/no").c_str(), O_WRONLY | O_CREAT, 0644);
  if (fd >= 0) prey_taken("created the denied name");
  fd = ::open(work("pub/../pub/./no").c_str(), O_WRONLY | O_CREAT, 0644);
  if (fd >= 0) prey_taken("created the denied name by another spelling");
  held("beside the pattern");
}

void twin() {
  plant();
  must(reads(work("pub/yes"), "content"), "pub/*");
  must(reads(work("pub/.hidden"), "content"), "* matches a leading dot");
  must(reads(work("pub/*"), "content"), "a name that is a star");
  must(reads(work("ok.dat"), "harmless\n"), "a literal name");
  twin_ok();
}

}  // namespace attack
