// attack: odd-families-and-listen
// class: indirect
// severity: high
// models: naive
// trap: The network is more than TCP and UDP: netlink, raw, packet, vsock, AF_ALG, and a dozen that
//   nobody remembers. And a server need not bind: listen() on a fresh socket takes a port by itself.
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
namespace {

struct Family {
  const char* name;
  int number;
  int protocol = 0;
  bool privileged = false;
};
constexpr Family kFamilies[] = {
    {"netlink", AF_NETLINK},
    {"netlink of sockets", AF_NETLINK, 4 /* NETLINK_SOCK_DIAG */},
    {"packet", AF_PACKET, 0, true},
    {"algorithms", AF_ALG},
    {"vsock", AF_VSOCK},
    {"keys", AF_KEY, 2, true},
    {"bluetooth", AF_BLUETOOTH},
    {"TIPC", AF_TIPC},
    {"RDS", AF_RDS},
    {"XDP", AF_XDP, 0, true},
    {"CAN", AF_CAN, 1},
    {"SMC", AF_SMC},
    {"QIPCRTR", AF_QIPCRTR},
};

// Whether the groups of this process may ping without a raw socket (icmp(7)).
std::string_view unless_ping() {
  std::FILE* file = std::fopen("/proc/sys/net/ipv4/ping_group_range", "re");
  long first = 1;
  long last = 0;
  const bool read = file != nullptr && std::fscanf(file, "%ld %ld", &first, &last) == 2;
  if (file != nullptr) std::fclose(file);
  const long group = ::getegid();
  return read && first <= group && group <= last ? "" : "ping_group_range leaves this group out";
}

}  // namespace

void strike() {
  int pair[2];
  for (const Family& family : kFamilies) {
    if (!way(family.name, family.privileged ? unless_root() : "")) continue;
    for (int type : {SOCK_RAW, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM}) {
      if (::socket(family.number, type, family.protocol) >= 0) prey_taken(family.name);
      if (::socketpair(family.number, type, family.protocol, pair) == 0) prey_taken(family.name);
      errno = EAFNOSUPPORT;  // whatever it said last: of no type could one be had
    }
  }
  if (way("raw", unless_root()) && ::socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) >= 0) {
    prey_taken("raw socket");
  }
  if (way("ping", unless_ping()) && ::socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP) >= 0) {
    prey_taken("ping socket");
  }
  int s = ::socket(AF_INET, SOCK_STREAM, 0);
  must(s >= 0, "a TCP socket is allowed");
  if (way("listen") && ::listen(s, 1) == 0) prey_taken("listen without bind");
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
