// attack: odd-families-and-listen
// class: indirect
// severity: high
// models: naive
// trap: The network is more than TCP and UDP: netlink, raw, packet, vsock, AF_ALG. And a server need
//   not bind: listen() on a fresh socket takes a port by itself.
// naive: Unknown families are allowed; only bind is a server.
// kernel: inet_listen autobinds an unbound socket (listen(2)).
// sealed: Families are judged when the socket is made, unknown ones are denied; listen is judged by
//   the address it has or will get.
// source: flatpak-run.c socket_family_allowlist; moby default seccomp profile
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network allow tcp create
//   network allow tcp connect 127.0.0.1:$OK_TCP
// report: tcp listen
#include "tests/support/attack.h"

namespace attack {

void strike() {
  for (int family : {AF_NETLINK, AF_PACKET, AF_ALG, AF_VSOCK, AF_KEY, AF_BLUETOOTH, AF_TIPC, AF_XDP}) {
    for (int type : {SOCK_RAW, SOCK_DGRAM, SOCK_SEQPACKET}) {
      if (::socket(family, type, 0) >= 0) prey_taken("family " + std::to_string(family));
    }
  }
  if (::socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) >= 0) prey_taken("raw socket");
  if (::socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP) >= 0) prey_taken("ping socket");
  int s = ::socket(AF_INET, SOCK_STREAM, 0);
  must(s >= 0, "a TCP socket is allowed");
  if (::listen(s, 1) == 0) prey_taken("listen without bind");
  held("listen");
}

void twin() {
  int s = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = v4("127.0.0.1", number("ATTACK_OK_TCP"));
  must(::connect(s, as_sockaddr(address), sizeof address) == 0 && read_all(s) == "hello\n", "tcp");
  must(::socket(AF_INET, 99, 0) == -1, "a nonsense type fails");
  must(::socket(9999, SOCK_STREAM, 0) == -1, "a nonsense family fails");
  twin_ok();
}

}  // namespace attack
