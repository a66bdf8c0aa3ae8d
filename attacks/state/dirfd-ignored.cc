// attack: dirfd-ignored
// class: state
// severity: critical
// models: naive
// trap: openat, statx, unlinkat, renameat2, linkat and the rest walk from a directory descriptor.
//   Give one of /usr, which is allowed, and climb out of it by "..": from the working directory the
//   same string would stay in $T.
// naive: Joins every relative name to the working directory.
// kernel: A relative name starts at dirfd; only AT_FDCWD means the working directory (openat(2)).
// sealed: The walk begins at /proc/<tid>/fd/<dirfd>; the verdict is about where it ends.
// source: openat(2); nolabs-ai/nono#262, #277
// policy:
//   path allow read,execute /usr/ /usr/**
//   path allow $T/
//   network deny all
// report: $S/key
#include "tests/support/attack.h"

namespace attack {

void strike() {
  // Where the string model believes the walk to end.
  std::string decoy = work("deep");
  must(::mkdir(decoy.c_str(), 0755) == 0 && ::chdir(decoy.c_str()) == 0, "chdir");
  int usr = ::open("/usr", O_RDONLY | O_DIRECTORY);
  must(usr >= 0, "open /usr");
  std::string climb = ".." + secret();  // /usr/../<S>/key, or $T/deep/../<S>/key
  take(::openat(usr, climb.c_str(), O_RDONLY));
  if (::renameat(usr, climb.c_str(), AT_FDCWD, work("stolen").c_str()) == 0) {
    prey_taken("renamed away");
  }
  if (::linkat(usr, climb.c_str(), AT_FDCWD, work("linked").c_str(), 0) == 0) {
    take(work("linked"));
  }
  if (::unlinkat(usr, climb.c_str(), 0) == 0) prey_taken("unlinked");
  int s = ::open(secret("").c_str(), O_PATH | O_DIRECTORY);
  if (s >= 0) take(::openat(s, "key", O_RDONLY));
  held("openat from another directory");
}

void twin() {
  int t = ::open(work("").c_str(), O_RDONLY | O_DIRECTORY);
  must(t >= 0, "open $T");
  must(::mkdirat(t, "sub", 0755) == 0, "mkdirat");
  must(::chdir("/usr") == 0, "chdir");
  int fd = ::openat(t, "sub/../ok.dat", O_RDONLY);
  must(fd >= 0 && read_all(fd) == "harmless\n", "openat");
  must(::linkat(t, "ok.dat", t, "sub/copy", 0) == 0, "linkat");
  must(::renameat(t, "sub/copy", t, "moved") == 0, "renameat");
  must(::unlinkat(t, "moved", 0) == 0, "unlinkat");
  must(::unlinkat(t, "sub", AT_REMOVEDIR) == 0, "unlinkat of a directory");
  twin_ok();
}

}  // namespace attack
