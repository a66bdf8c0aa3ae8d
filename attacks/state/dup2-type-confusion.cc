// attack: dup2-type-confusion
// class: state
// severity: critical
// models: naive
// trap: A socket's number says nothing about the socket. Make a UDP and a TCP socket, close the
//   TCP one and put the UDP one on its number, by dup2, dup3, F_DUPFD or F_DUPFD_CLOEXEC. Then
//   bind, connect and send: the policy lets TCP have this port and these peers, and UDP none.
// naive: Keeps a table from number to type, written at socket(2). Whoever forgets one of the
//   duplicating calls, or learns from them at entry instead of exit, takes UDP for TCP.
// kernel: dup2 makes the number refer to the other open file description, silently closing what
//   was there (dup(2)); bind, connect and send act on whatever the number refers to at that
//   instant.
// sealed: No table by number. At each call the object behind the number is read from
//   /proc/<tid>/fd, and what is known is remembered by the socket's inode.
// source: Garfinkel, "Traps and Pitfalls", NDSS 2003, "incorrectly mirroring OS state"
// policy:
//   network allow tcp bind,connect,send *:$PORT 127.0.0.1
//   network deny udp
//   network allow udp create
// report: udp bind
// report: :$PORT
// report: udp connect 127.0.0.1:$UDP
// report: udp send 127.0.0.1:$UDP
#include "tests/support/attack.h"

namespace attack {
namespace {

int duplicate_onto(int way, int from, int number) {
  switch (way) {
    case 0:
      return ::dup2(from, number);
    case 1:
      return ::dup3(from, number, O_CLOEXEC);
    case 2:
      return ::fcntl(from, F_DUPFD, number);
    default:
      return ::fcntl(from, F_DUPFD_CLOEXEC, number);
  }
}

constexpr const char* kWays[] = {"dup2", "dup3", "F_DUPFD", "F_DUPFD_CLOEXEC"};

// Number `y`, which was made as `second`, after `first` was put there.
int confused(int way, int first, int second) {
  const int x = socket_of(first);
  const int y = socket_of(second);
  ::close(y);
  must(duplicate_onto(way, x, y) == y, "duplicate");
  ::close(x);
  return y;
}

// What is done with it; 0 or errno.
constexpr const char* kUses[] = {"bind", "connect", "send"};
int use(int what, int y, int port) {
  if (what == 0) return bind_error(y, "0.0.0.0");
  sockaddr_in peer = v4("127.0.0.1", port);
  const sockaddr* to = as_sockaddr(peer);
  if (what == 1 && ::connect(y, to, sizeof peer) == 0) return ::send(y, "x", 1, 0) == 1 ? 0 : errno;
  return what == 2 && ::sendto(y, "x", 1, 0, to, sizeof peer) == 1 ? 0 : errno;
}

}  // namespace

void strike() {
  for (int how = 0; how < 4; ++how) {
    for (int what = 0; what < 3; ++what) {
      if (!way(std::string(kWays[how]) + ", " + kUses[what])) continue;
      const int y = confused(how, SOCK_DGRAM, SOCK_STREAM);
      errno = use(what, y, number("ATTACK_UDP"));
      if (errno == 0) prey_taken("the UDP socket, as TCP");
      ::close(y);
    }
  }
  held("the UDP socket");
}

void twin() {
  for (int how = 0; how < 4; ++how) {
    for (int what = 0; what < 2; ++what) {
      const int y = confused(how, SOCK_STREAM, SOCK_DGRAM);
      errno = use(what, y, number("ATTACK_OK_TCP"));
      must(errno == 0, "TCP socket on a number that was UDP");
      ::close(y);
    }
  }
  twin_ok();
}

}  // namespace attack
