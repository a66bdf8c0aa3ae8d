// attack: dup2-type-confusion
// class: state
// severity: critical
// models: naive
// trap: A socket's number says nothing about the socket. Make a UDP and a TCP socket, close the
//   TCP one and put the UDP one on its number, by dup2, dup3, F_DUPFD or F_DUPFD_CLOEXEC. Then
//   bind: the policy lets TCP have this port, and UDP none.
// naive: Keeps a table from number to type, written at socket(2). Whoever forgets one of the
//   duplicating calls, or learns from them at entry instead of exit, takes UDP for TCP.
// kernel: dup2 makes the number refer to the other open file description, silently closing what
//   was there (dup(2)); bind acts on whatever the number refers to at that instant.
// sealed: No table by number. At bind, the object behind the number is read from /proc/<tid>/fd,
//   and what is known is remembered by the socket's inode.
// source: Garfinkel, "Traps and Pitfalls", NDSS 2003, "incorrectly mirroring OS state"
// policy:
//   network allow tcp bind *:$PORT
//   network deny udp
//   network allow udp create
// report: udp bind
// report: :$PORT
#include "tests/support/attack.h"

namespace attack {
namespace {

int duplicate_onto(int way, int from, int number) {
  switch (way) {
    case 0: return ::dup2(from, number);
    case 1: return ::dup3(from, number, O_CLOEXEC);
    case 2: return ::fcntl(from, F_DUPFD, number);
    default: return ::fcntl(from, F_DUPFD_CLOEXEC, number);
  }
}

// Binds number `y`, which was made as `second`, after `first` was put there; 0 or errno.
int confuse_and_bind(int way, int first, int second) {
  const int x = socket_of(first);
  const int y = socket_of(second);
  ::close(y);
  must(duplicate_onto(way, x, y) == y, "duplicate");
  const int error = bind_error(y, "0.0.0.0");
  ::close(x);
  ::close(y);
  return error;
}

}  // namespace

void strike() {
  for (int way = 0; way < 4; ++way) {
    if (confuse_and_bind(way, SOCK_DGRAM, SOCK_STREAM) == 0) prey_taken("UDP bound as TCP");
  }
  held("bind of the UDP socket");
}

void twin() {
  for (int way = 0; way < 4; ++way) {
    errno = confuse_and_bind(way, SOCK_STREAM, SOCK_DGRAM);
    must(errno == 0, "TCP socket on a number that was UDP");
  }
  twin_ok();
}

}  // namespace attack
