// attack: clone-files-no-vm
// class: state
// severity: high
// models: naive
// trap: clone(CLONE_FILES) without CLONE_VM or CLONE_THREAD: two processes, two address spaces, one
//   descriptor table. The child moves a UDP socket onto the parent's number; the parent binds it.
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

int child_moves(int kind, int other) {
  const int x = socket_of(kind);
  const int y = socket_of(other);
  pid_t child = spawn([&] { must(::dup2(x, y) == y, "dup2 in the child"); }, CLONE_FILES);
  must(child > 0 && reap(child) == 0, "clone(CLONE_FILES)");
  const int error = bind_error(y);
  ::close(x);
  ::close(y);
  return error;
}

}  // namespace

void strike() {
  errno = child_moves(SOCK_DGRAM, SOCK_STREAM);
  if (errno == 0) prey_taken("UDP bound");
  held("bind");
}

void twin() {
  errno = child_moves(SOCK_STREAM, SOCK_DGRAM);
  must(errno == 0, "bind");
  twin_ok();
}

}  // namespace attack
