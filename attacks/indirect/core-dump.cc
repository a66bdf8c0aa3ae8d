// attack: core-dump
// class: indirect
// severity: medium
// models: naive
// trap: A file can be written without a call: raise RLIMIT_CORE, stand in a directory that may not
//   be written, crash. Or have the memory piped to a handler outside.
// naive: Sees no call.
// kernel: do_coredump writes to the working directory as the crashing task (core(5)); pipe patterns
//   ignore a soft limit above 0 only partly: a limit of 0 still counts as "no core" for files.
// sealed: RLIMIT_CORE is 0 and hard unless the policy limits it otherwise.
// source: Garfinkel, NDSS 2003; core(5)
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: none
#include "tests/support/attack.h"

namespace attack {
namespace {

// As high as it goes.
void raise_limit(bool by_prlimit) {
  rlimit limit{};
  must(::getrlimit(RLIMIT_CORE, &limit) == 0, "getrlimit");
  for (const rlim_t most : {RLIM_INFINITY, limit.rlim_max}) {
    const rlimit raised{most, most};
    if (by_prlimit ? ::prlimit(0, RLIMIT_CORE, &raised, nullptr) == 0
                   : ::setrlimit(RLIMIT_CORE, &raised) == 0) {
      return;
    }
  }
}

}  // namespace

void strike() {
  for (const bool by_prlimit : {false, true}) {
    if (!way(by_prlimit ? "prlimit" : "setrlimit")) continue;
    raise_limit(by_prlimit);
    rlimit limit{};
    must(::getrlimit(RLIMIT_CORE, &limit) == 0, "getrlimit");
    if (limit.rlim_cur != 0) prey_taken("a core may be written");
  }
  held("core limit");
}

void twin() {
  rlimit zero{0, 0};
  must(::setrlimit(RLIMIT_CORE, &zero) == 0, "lowering the limit");
  rlimit files{};
  must(::getrlimit(RLIMIT_NOFILE, &files) == 0, "getrlimit");
  files.rlim_cur = files.rlim_max > 64 ? 64 : files.rlim_max;
  must(::setrlimit(RLIMIT_NOFILE, &files) == 0, "another limit");
  pid_t child = spawn([] { ::raise(SIGSEGV); });
  must(reap(child) == 128 + SIGSEGV, "a crash is a crash");
  twin_ok();
}

}  // namespace attack
