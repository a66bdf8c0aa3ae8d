// attack: socket-reassociation
// class: state
// severity: high
// models: naive
// trap: Connect a UDP socket to an allowed peer, then dissolve it by connect(AF_UNSPEC), or simply
//   give another address to sendto: a connected datagram socket takes both.
// naive: "Connected to an allowed peer, so its sends are fine."
// kernel: connect with AF_UNSPEC dissolves the association; sendto with an address on a connected
//   UDP socket goes to that address (connect(2), udp(7)).
// sealed: Every call that carries an address is judged by that address.
// source: connect(2); gVisor udp_socket.cc
// policy:
//   network allow udp connect,send 127.0.0.1:$OK_UDP
// report: 127.0.0.1:$UDP
#include "tests/support/attack.h"

namespace attack {

void strike() {
  int s = ::socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in good = v4("127.0.0.1", number("ATTACK_OK_UDP"));
  sockaddr_in bad = v4("127.0.0.1", number("ATTACK_UDP"));
  must(::connect(s, as_sockaddr(good), sizeof good) == 0, "connect to the allowed peer");
  if (::sendto(s, "x", 1, 0, as_sockaddr(bad), sizeof bad) == 1) prey_taken("sent past the peer");
  sockaddr unspecified{};
  unspecified.sa_family = AF_UNSPEC;
  must(::connect(s, &unspecified, sizeof unspecified) == 0, "dissolve");
  if (::sendto(s, "x", 1, 0, as_sockaddr(bad), sizeof bad) == 1) prey_taken("sent");
  if (::connect(s, as_sockaddr(bad), sizeof bad) == 0) {
    if (::send(s, "x", 1, 0) == 1) prey_taken("connected elsewhere");
  }
  held("send to another peer");
}

void twin() {
  int s = ::socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in good = v4("127.0.0.1", number("ATTACK_OK_UDP"));
  must(::connect(s, as_sockaddr(good), sizeof good) == 0, "connect");
  must(::send(s, "x", 1, 0) == 1, "send");
  sockaddr unspecified{};
  unspecified.sa_family = AF_UNSPEC;
  must(::connect(s, &unspecified, sizeof unspecified) == 0, "dissolve");
  must(::sendto(s, "x", 1, 0, as_sockaddr(good), sizeof good) == 1, "sendto");
  twin_ok();
}

}  // namespace attack
