// attack: safety-call-denied
// class: effects
// severity: high
// bare: held
// trap: Programs do not check the result of giving up rights: setuid, umask, close, chdir("/"),
//   setrlimit down. A sandbox that refuses those makes them less safe.
// naive: EPERM for whatever is not listed.
// kernel: setuid(2) NOTES: "it is a grave security error to omit checking for a failure".
// sealed: Calls that only give up rights are never refused.
// source: Garfinkel, NDSS 2003, "side effects of denying system calls"
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: none
#include <grp.h>
#include "tests/support/attack.h"

namespace attack {
namespace {

void give_up_rights() {
  ::umask(077);
  must(::umask(077) == 077, "umask");
  rlimit limit{};
  must(::getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
  limit.rlim_max = limit.rlim_cur = 100;
  must(::setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
  must(::chdir("/") == 0, "chdir(\"/\")");
  must(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
  must(::close(::dup(0)) == 0, "close");
  if (::getuid() == 0) {
    must(::setgroups(0, nullptr) == 0, "setgroups");
    must(::setresgid(65534, 65534, 65534) == 0, "setresgid");
    must(::setresuid(65534, 65534, 65534) == 0, "setresuid");
    must(::setuid(0) == -1, "no way back");
  }
  must(::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0, "PR_SET_PDEATHSIG");
}

}  // namespace

void strike() {
  give_up_rights();
  take("/proc/self/nothing");
  errno = 0;
  held("rights were given up");
}

void twin() {
  give_up_rights();
  twin_ok();
}

}  // namespace attack
