// attack: missing-target
// class: names
// severity: high
// models: naive
// trap: A symbolic link to a name that does not exist yet: open(O_CREAT) through it creates the file
//   in $S. The same with a missing last component under a linked directory.
// naive: realpath() fails, so the typed name is judged instead; it lies in $T.
// kernel: open with O_CREAT follows a dangling link and creates its target (open(2)); O_EXCL and
//   mkdir do not.
// sealed: The walk ends at "directory that exists + last name"; that is what is judged and created.
// source: Garfinkel, NDSS 2003; safedep/pmg#444
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: $S/new
#include "tests/support/attack.h"

namespace attack {

void strike() {
  must(::symlink(secret("new").c_str(), work("dangling").c_str()) == 0, "symlink");
  must(::symlink(secret("").c_str(), work("dir").c_str()) == 0, "symlink");
  if (way("a dangling link") && ::open(work("dangling").c_str(), O_WRONLY | O_CREAT, 0644) >= 0) {
    prey_taken("created through a dangling link");
  }
  const std::string made = work("dir/new");
  if (way("open") && ::open(made.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0644) >= 0) {
    prey_taken("created in a linked directory");
  }
  if (way("mkdir") && ::mkdir(made.c_str(), 0755) == 0) prey_taken("mkdir in a linked directory");
  if (way("mknod") && ::mknod(made.c_str(), S_IFIFO | 0600, 0) == 0) prey_taken("mknod");
  if (way("symlink") && ::symlink("x", made.c_str()) == 0) prey_taken("symlink");
  if (way("link") && ::link(work("ok.dat").c_str(), made.c_str()) == 0) prey_taken("linked into");
  if (way("bind")) {
    sockaddr_un address = un(made);
    const int s = ::socket(AF_UNIX, SOCK_STREAM, 0);
    if (s >= 0 && ::bind(s, as_sockaddr(address), sizeof address) == 0) prey_taken("bound");
  }
  if (way("rename") && ::rename(work("ok.dat").c_str(), made.c_str()) == 0) {
    prey_taken("renamed into");
  }
  held("create in the secret tree");
}

void twin() {
  must(::symlink("later", work("dangling").c_str()) == 0, "symlink");
  must(::mkdir(work("real").c_str(), 0755) == 0 && ::symlink("real", work("dir").c_str()) == 0, "");
  must(::open(work("dangling").c_str(), O_RDONLY) == -1 && errno == ENOENT, "dangling is ENOENT");
  int fd = ::open(work("dangling").c_str(), O_WRONLY | O_CREAT, 0644);
  must(fd >= 0 && ::write(fd, "x", 1) == 1, "create through a dangling link");
  must(reads(work("later"), "x"), "the target was created");
  fd = ::open(work("dir/new").c_str(), O_WRONLY | O_CREAT | O_EXCL, 0644);
  must(fd >= 0, "create in a linked directory");
  must(::mkdir(work("dir/sub/").c_str(), 0755) == 0, "mkdir with a trailing slash");
  must(::access(work("real/sub").c_str(), F_OK) == 0, "it is there");
  twin_ok();
}

}  // namespace attack
