// attack: lexical-normalisation
// class: names
// severity: critical
// models: naive
// trap: $T/link leads to $S/sub. The text "$T/link/../key" shortens to "$T/key"; the kernel follows
//   the link first and lands on $S/key. Also "//", "/./" and plain "..".
// naive: Shortens ".." in the string, or compares the raw text with a prefix.
// kernel: ".." is the parent of the directory reached so far, not of the text (path_resolution(7)).
// sealed: Links and ".." are walked as the kernel walks them; the verdict is about the result, and
//   the call gets that result.
// source: Garfinkel, NDSS 2003; sydbox t02-path-realpath.sh
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: $S/key
#include "tests/support/attack.h"

namespace attack {

void strike() {
  must(::symlink(secret("sub").c_str(), work("link").c_str()) == 0, "symlink");
  if (way("link/..")) take(work("link/../key"));
  std::string up;
  for (int i = 0; i < 16; ++i) up += "/..";
  if (way("..")) take(work("") + up + secret());
  if (way(".. and slashes")) take(work(".//.") + up + "/" + secret() + "");
  if (way("//")) take("//" + secret().substr(1));
  must(::chdir(work("").c_str()) == 0, "chdir");
  if (way("link/.., from here")) take("link/../key");
  if (way("dots")) take("./link/.././key");
  held("walk out of the work tree");
}

void twin() {
  must(::mkdir(work("a").c_str(), 0755) == 0 && ::mkdir(work("a/b").c_str(), 0755) == 0, "mkdir");
  must(::symlink("a/b", work("l").c_str()) == 0, "symlink");
  spill(work("a/file"), "content");
  must(reads(work("l/../file"), "content"), "link/..");
  must(reads(work(".//a/./b/../file"), "content"), "dots and slashes");
  must(reads(work("l/../../ok.dat"), "harmless\n"), "link/../..");
  twin_ok();
}

}  // namespace attack
