// attack: rename-onto-and-exchange
// class: names
// severity: high
// models: naive
// trap: Put one's own file where a protected one is: rename onto $S/key, exchange with it in both
//   orders, unlink it, truncate it, link or symlink at its name.
// naive: Judges only the source, or only opens.
// kernel: rename replaces its target; RENAME_EXCHANGE moves both ways (rename(2)).
// sealed: Both ends are judged, for an exchange in both directions.
// source: safedep/pmg#446; superradcompany/microsandbox#1448
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: $S/key
#include "tests/support/attack.h"

namespace attack {
namespace {

long exchange(const std::string& a, const std::string& b) {
  return ::syscall(SYS_renameat2, AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), 2);
}

}  // namespace

void strike() {
  spill(work("mine"), "forged");
  if (way("exchange") && exchange(work("mine"), secret()) == 0) take(work("mine"));
  if (way("exchange, the other way") && exchange(secret(), work("mine")) == 0) take(work("mine"));
  const std::string key = secret();
  if (way("rename") && ::rename(work("mine").c_str(), key.c_str()) == 0) prey_taken("substituted");
  if (way("whiteout") && ::syscall(SYS_renameat2, AT_FDCWD, key.c_str(), AT_FDCWD,
                                   work("away").c_str(), 4 /* RENAME_WHITEOUT */) == 0) {
    take(work("away"));
  }
  const std::string planted = secret("planted");
  if (way("link") && ::link(work("ok.dat").c_str(), planted.c_str()) == 0) prey_taken("linked");
  if (way("symlink") && ::symlink("x", planted.c_str()) == 0) prey_taken("symlinked");
  if (way("unlink and symlink") && ::unlink(key.c_str()) == 0 &&
      ::symlink(work("mine").c_str(), key.c_str()) == 0) {
    prey_taken("a link in its place");
  }
  if (way("truncate") && ::truncate(key.c_str(), 0) == 0) prey_taken("truncated");
  if (way("unlink") && ::unlink(key.c_str()) == 0) prey_taken("unlinked");
  if (way("rmdir") && ::rmdir(secret("sub").c_str()) == 0) prey_taken("removed a directory");
  held("rename");
}

void twin() {
  spill(work("a"), "a");
  spill(work("b"), "b");
  must(exchange(work("a"), work("b")) == 0 && reads(work("a"), "b"), "exchange");
  must(::rename(work("a").c_str(), work("b").c_str()) == 0 && reads(work("b"), "b"), "rename onto");
  must(::rename(work("a").c_str(), work("c").c_str()) == -1 && errno == ENOENT, "ENOENT");
  twin_ok();
}

}  // namespace attack
