// attack: socket-reassociation
// class: state
// severity: high
// models: naive
// trap: Connect a UDP socket to an allowed peer, then dissolve it by connect(AF_UNSPEC), or simply
//   give another address to sendto: a connected datagram socket takes both. A TCP socket, too, can be
//   dissolved; then it is connected elsewhere, or listens.
// naive: "Connected to an allowed peer, so its sends are fine."
// kernel: connect with AF_UNSPEC dissolves the association, of a TCP socket as well (tcp_disconnect);
//   sendto with an address on a connected UDP socket goes to that address (connect(2), udp(7)).
// sealed: Every call that carries an address is judged by that address.
// source: connect(2); gVisor udp_socket.cc
// policy:
//   network allow udp connect,send 127.0.0.1:$OK_UDP
//   network allow tcp connect 127.0.0.1:$OK_TCP
// report: 127.0.0.1:$UDP
// report: 127.0.0.1:$TCP
// report: tcp listen
#include "tests/support/attack.h"

namespace attack {
namespace {

void dissolve(int s) {
  sockaddr unspecified{};
  unspecified.sa_family = AF_UNSPEC;
  must(::connect(s, &unspecified, sizeof unspecified) == 0, "dissolve");
}

// A TCP socket that was connected to the allowed peer.
int given_up() {
  const int s = socket_of(SOCK_STREAM);
  sockaddr_in good = v4("127.0.0.1", number("ATTACK_OK_TCP"));
  must(::connect(s, as_sockaddr(good), sizeof good) == 0, "connect to the allowed peer");
  dissolve(s);
  return s;
}

}  // namespace

void strike() {
  int s = ::socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in good = v4("127.0.0.1", number("ATTACK_OK_UDP"));
  sockaddr_in bad = v4("127.0.0.1", number("ATTACK_UDP"));
  must(::connect(s, as_sockaddr(good), sizeof good) == 0, "connect to the allowed peer");
  if (way("past the peer") && ::sendto(s, "x", 1, 0, as_sockaddr(bad), sizeof bad) == 1) {
    prey_taken("sent past the peer");
  }
  dissolve(s);
  if (way("send when dissolved") && ::sendto(s, "x", 1, 0, as_sockaddr(bad), sizeof bad) == 1) {
    prey_taken("sent");
  }
  if (way("connect when dissolved") && ::connect(s, as_sockaddr(bad), sizeof bad) == 0) {
    if (::send(s, "x", 1, 0) == 1) prey_taken("connected elsewhere");
  }
  bad = v4("127.0.0.1", number("ATTACK_TCP"));
  s = given_up();
  if (way("TCP elsewhere") && ::connect(s, as_sockaddr(bad), sizeof bad) == 0) take(s);
  if (way("TCP listens") && ::listen(given_up(), 1) == 0) prey_taken("a server");
  held("send to another peer");
}

void twin() {
  int s = ::socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in good = v4("127.0.0.1", number("ATTACK_OK_UDP"));
  must(::connect(s, as_sockaddr(good), sizeof good) == 0, "connect");
  must(::send(s, "x", 1, 0) == 1, "send");
  dissolve(s);
  must(::sendto(s, "x", 1, 0, as_sockaddr(good), sizeof good) == 1, "sendto");
  s = given_up();
  good = v4("127.0.0.1", number("ATTACK_OK_TCP"));
  must(::connect(s, as_sockaddr(good), sizeof good) == 0 && read_all(s) == "hello\n", "once more");
  twin_ok();
}

}  // namespace attack
