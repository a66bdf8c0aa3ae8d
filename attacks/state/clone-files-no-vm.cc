// attack: clone-files-no-vm
// class: state
// severity: high
// models: naive
// trap: clone(CLONE_FILES) without CLONE_VM or CLONE_THREAD: two processes, two address spaces, one
//   descriptor table. The child puts a UDP socket on the parent's number, by dup2, or by close and
//   F_DUPFD; the parent binds it.
// naive: One table per process, copied at fork. From here on the two copies and the kernel differ.
// kernel: CLONE_FILES shares the table itself (clone(2)); sharing memory or being a thread are
//   separate flags.
// sealed: The number is looked up through /proc/<tid>/fd at use; the mirror shares its tables by the
//   very flags the kernel does.
// source: clone(2); Garfinkel, NDSS 2003; rr test clone.c
// policy:
//   network allow tcp bind *:$PORT
//   network allow udp create
// report: udp bind
#include "tests/support/attack.h"

namespace attack {
namespace {

int child_moves(bool closes, int kind, int other) {
  const int x = socket_of(kind);
  const int y = socket_of(other);
  const pid_t child = spawn(
      [&] {
        if (closes) {
          must(::close(y) == 0 && ::fcntl(x, F_DUPFD, y) == y, "close and F_DUPFD in the child");
        } else {
          must(::dup2(x, y) == y, "dup2 in the child");
        }
      },
      CLONE_FILES);
  must(child > 0 && reap(child) == 0, "clone(CLONE_FILES)");
  const int error = bind_error(y);
  ::close(x);
  ::close(y);
  return error;
}

}  // namespace

void strike() {
  for (const bool closes : {false, true}) {
    if (!way(closes ? "close" : "dup2")) continue;
    errno = child_moves(closes, SOCK_DGRAM, SOCK_STREAM);
    if (errno == 0) prey_taken("UDP bound");
  }
  held("bind");
}

void twin() {
  for (const bool closes : {false, true}) {
    errno = child_moves(closes, SOCK_STREAM, SOCK_DGRAM);
    must(errno == 0, "bind");
  }
  twin_ok();
}

}  // namespace attack
