// attack: root-change
// class: state
// severity: critical
// models: naive
// needs: root
// trap: Under another root directory $T/ok.dat is another file: chroot("$S/root"), then open the very
//   name that the policy allows. Or chroot, fchdir out, chdir("../../..").
// naive: An absolute name is taken from the monitor's root.
// kernel: Absolute walks begin at the task's own root (chroot(2)); readlink of a cwd outside it
//   gives "(unreachable)/...".
// sealed: chroot and its kin are refused; a task whose root is not the monitor's would be resolved
//   from /proc/<tid>/root.
// source: Garfinkel, NDSS 2003; CVE-2018-1000001
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: none
#include "tests/support/attack.h"

namespace attack {

void strike() {
  std::string name = work("ok.dat");
  if (::chroot(secret("root").c_str()) != 0) held("chroot");
  if (!reads(name, "harmless\n")) take(name);
  held("open under the new root");
}

void twin() {
  must(::chroot("/nonexistent/directory") == -1, "chroot to nowhere");
  must(reads(work("ok.dat"), "harmless\n"), "the old root still serves");
  twin_ok();
}

}  // namespace attack
