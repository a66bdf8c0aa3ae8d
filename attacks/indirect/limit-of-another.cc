// attack: limit-of-another
// class: indirect
// severity: medium
// models: naive
// launch: victim
// trap: The policy limits open files, so a limit may only be lowered. It is lowered for somebody else: a
//   process outside, which cannot open anything any more (RLIMIT_CPU would kill it).
// naive: Looks at the values, and not at the process they are for.
// kernel: prlimit(2) sets the limits of any process of the same user.
// sealed: Whose limit it is comes first.
// source: prlimit(2)
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   limit nofile 512
//   network deny all
// report: prlimit64
#include "tests/support/attack.h"

namespace attack {

void strike() {
  const rlimit none{1, 1};
  for (const auto resource : {RLIMIT_NOFILE, RLIMIT_CORE}) {
    if (!way(resource == RLIMIT_NOFILE ? "RLIMIT_NOFILE" : "RLIMIT_CORE")) continue;
    if (::prlimit(number("ATTACK_VICTIM"), resource, &none, nullptr) == 0) prey_taken("its limits");
  }
  held("the victim");
}

void twin() {
  pid_t child = spawn([] { ::pause(); });
  const rlimit fewer{64, 64};
  must(::prlimit(child, RLIMIT_NOFILE, &fewer, nullptr) == 0, "a child's");
  must(::kill(child, SIGKILL) == 0 && reap(child) == 128 + SIGKILL, "the child");
  must(::prlimit(0, RLIMIT_NOFILE, &fewer, nullptr) == 0, "one's own");
  twin_ok();
}

}  // namespace attack
