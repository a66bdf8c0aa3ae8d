// attack: close-semantics
// class: state
// severity: medium
// models: naive
// trap: Numbers become free in more ways than close(2): close_range, close-on-exec, the other side
//   of a shared table. The next socket gets the freed number.
// naive: Watches close(2) only, and keeps the dead TCP socket's entry for the UDP one that follows
//   through a duplicate.
// kernel: close_range(2) closes a span of numbers in one call; new descriptors take the lowest free
//   number, or the one F_DUPFD asks for.
// sealed: As dup2-type-confusion: the number is looked up in the kernel when it is used.
// source: close_range(2), close(2); gVisor tests close_range.cc
// policy:
//   network allow tcp bind *:$PORT
//   network allow udp create
// report: udp bind
#include "tests/support/attack.h"

namespace attack {
namespace {

int reuse_number(int kind, int other) {
  const int x = socket_of(kind);
  const int y = socket_of(other);
  must(::syscall(SYS_close_range, y, y, 0) == 0, "close_range");
  must(::fcntl(x, F_DUPFD, y) == y, "F_DUPFD");
  ::close(x);
  const int error = bind_error(y);
  ::close(y);
  return error;
}

}  // namespace

void strike() {
  errno = reuse_number(SOCK_DGRAM, SOCK_STREAM);
  if (errno == 0) prey_taken("UDP bound");
  held("bind");
}

void twin() {
  errno = reuse_number(SOCK_STREAM, SOCK_DGRAM);
  must(errno == 0, "bind");
  twin_ok();
}

}  // namespace attack
