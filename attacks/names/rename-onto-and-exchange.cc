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
  if (exchange(work("mine"), secret()) == 0) take(work("mine"));
  if (exchange(secret(), work("mine")) == 0) take(work("mine"));
  if (::rename(work("mine").c_str(), secret().c_str()) == 0) prey_taken("substituted");
  if (::link(work("ok.dat").c_str(), secret("planted").c_str()) == 0) prey_taken("linked");
  if (::symlink(work("ok.dat").c_str(), secret("planted").c_str()) == 0) prey_taken("symlinked");
  if (::truncate(secret().c_str(), 0) == 0) prey_taken("truncated");
  if (::unlink(secret().c_str()) == 0) prey_taken("unlinked");
  if (::rmdir(secret("sub").c_str()) == 0) prey_taken("removed a directory");
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
