// attack: mirror-before-exit
// class: state
// severity: high
// models: naive
// trap: Enter a call that would change what a number means, and let it fail: dup3 with a bad flag,
//   dup2 past the descriptor limit, close of a number that is not open. Then use the old object.
// naive: Updates its table when the call is entered. It now believes the UDP socket to be TCP.
// kernel: A failed call changes nothing; the result is known only at the exit stop.
// sealed: The mirror learns from results, at exit stops, and the verdict asks the kernel what the
//   number refers to now.
// source: Garfinkel, NDSS 2003, "incorrectly mirroring OS state"
// policy:
//   network allow tcp bind *:$PORT
//   network allow udp create
// report: udp bind
// report: :$PORT
#include "tests/support/attack.h"

namespace attack {
namespace {

int fail_then_bind(int kind, int other) {
  const int x = socket_of(kind);
  const int y = socket_of(other);
  must(::syscall(SYS_dup3, y, x, 0x40000000) == -1, "dup3 with an unknown flag");
  must(::dup2(y, 1 << 30) == -1, "dup2 past the limit");
  must(::dup3(y, y, 0) == -1, "dup3 onto itself");
  const int error = bind_error(x, "0.0.0.0");
  ::close(x);
  ::close(y);
  return error;
}

}  // namespace

void strike() {
  errno = fail_then_bind(SOCK_DGRAM, SOCK_STREAM);
  if (errno == 0) prey_taken("UDP bound");
  held("bind");
}

void twin() {
  errno = fail_then_bind(SOCK_STREAM, SOCK_DGRAM);
  must(errno == 0, "bind of a TCP socket");
  twin_ok();
}

}  // namespace attack
