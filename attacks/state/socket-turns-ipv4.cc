// attack: socket-turns-ipv4
// class: state
// severity: critical
// needs: ipv6
// models: naive
// trap: An IPv6 socket, connected to an IPv4 host that is allowed, becomes an IPv4 socket by
//   setsockopt(IPV6_ADDRFORM). AF_UNSPEC in a sendto is no address to the one and an address to the other.
// naive: Remembers as what the socket was made and reads the address so: there is none to judge.
// kernel: IPV6_ADDRFORM exchanges the protocol under the descriptor (ipv6(7)); udp_sendmsg takes AF_UNSPEC
//   for AF_INET, udpv6_sendmsg takes it for no address at all.
// sealed: Whatever the kernel could take for an address is judged as that address.
// source: found in callgate itself, by reading its decoders as an attacker
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network allow udp connect
//   network allow udp send 127.0.0.1:$OK_UDP
// report: 127.0.0.1:$UDP
#include "tests/support/attack.h"

namespace attack {
namespace {

// A UDP socket that was made for IPv6 and is IPv4 by now, connected to 127.0.0.1.
int turned(int port) {
  int s = ::socket(AF_INET6, SOCK_DGRAM, 0);
  must(s >= 0, "socket");
  sockaddr_in6 mapped = v6("::ffff:127.0.0.1", port);
  must(::connect(s, as_sockaddr(mapped), sizeof mapped) == 0, "connect");
  int ipv4 = AF_INET;
  must(::setsockopt(s, IPPROTO_IPV6, IPV6_ADDRFORM, &ipv4, sizeof ipv4) == 0, "IPV6_ADDRFORM");
  return s;
}

}  // namespace

void strike() {
  int s = turned(number("ATTACK_OK_UDP"));
  sockaddr_in bad = v4("127.0.0.1", number("ATTACK_UDP"));
  bad.sin_family = AF_UNSPEC;
  if (::sendto(s, "x", 1, 0, as_sockaddr(bad), sizeof bad) == 1) prey_taken("sendto went");
  held("sendto");
}

void twin() {
  int s = turned(number("ATTACK_OK_UDP"));
  sockaddr_in good = v4("127.0.0.1", number("ATTACK_OK_UDP"));
  must(::send(s, "x", 1, 0) == 1, "connected send");
  must(::sendto(s, "x", 1, 0, as_sockaddr(good), sizeof good) == 1, "sendto");
  good.sin_family = AF_UNSPEC;
  must(::sendto(s, "x", 1, 0, as_sockaddr(good), sizeof good) == 1, "sendto without a family");
  sockaddr none{};
  must(::connect(s, &none, sizeof none) == 0, "the peer is given up");
  twin_ok();
}

}  // namespace attack
