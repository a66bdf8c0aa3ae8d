// attack: address-spellings
// class: indirect
// severity: high
// models: naive
// trap: One destination, many spellings: 127.0.0.1, ::ffff:127.0.0.1, 0.0.0.0 and :: (which the
//   kernel sends to loopback), an AF_INET address on an AF_INET6 socket. Loopback's port is denied,
//   everything else allowed.
// naive: Compares the text, or the family first.
// kernel: ipv6(7) on mapped addresses; a destination of INADDR_ANY is loopback (ip_route_output).
// sealed: Addresses are made canonical first: mapped IPv6 is IPv4, the unspecified destination is
//   judged as loopback.
// source: ipv6(7)
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network allow inet
//   network deny tcp connect 127.0.0.0/8:$TCP [::1]:$TCP
//   network deny udp connect,send 127.0.0.0/8:$UDP [::1]:$UDP
// report: 127.0.0.1:$TCP
#include "tests/support/attack.h"

namespace attack {
namespace {

template <typename Address>
void dial(int family, Address address) {
  int s = ::socket(family, SOCK_STREAM, 0);
  if (s < 0) return;
  if (::connect(s, as_sockaddr(address), sizeof address) == 0) take(s);
  ::close(s);
}
template <typename Address>
void send_datagram(int family, Address address) {
  int s = ::socket(family, SOCK_DGRAM, 0);
  if (s < 0) return;
  if (::sendto(s, "x", 1, 0, as_sockaddr(address), sizeof address) == 1) prey_taken("sent");
  ::close(s);
}

std::string_view unless_ipv6() {
  return ::access("/proc/net/if_inet6", F_OK) == 0 ? "" : "needs IPv6";
}

}  // namespace

void strike() {
  int tcp = number("ATTACK_TCP");
  int udp = number("ATTACK_UDP");
  for (const char* text : {"127.0.0.1", "0.0.0.0", "127.0.0.2"}) {
    sockaddr_in address = v4(text, tcp);
    // Nobody listens on 127.0.0.2, which is for the monitor alone.
    const bool heard = std::string_view(text) != "127.0.0.2" || wanted_way() == nullptr;
    const std::string name = text;
    if (heard && way("tcp " + name)) dial(AF_INET, address);
    address.sin_port = htons(static_cast<uint16_t>(udp));
    if (heard && way("udp " + name)) send_datagram(AF_INET, address);
    if (heard && way("udp " + name + " from IPv6", unless_ipv6())) send_datagram(AF_INET6, address);
  }
  for (const char* text : {"::ffff:127.0.0.1", "::1", "::", "::ffff:0.0.0.0"}) {
    const std::string name = text;
    if (way("tcp " + name, unless_ipv6())) dial(AF_INET6, v6(text, tcp));
    if (way("udp " + name, unless_ipv6())) send_datagram(AF_INET6, v6(text, udp));
  }
  held("loopback by another name");
}

void twin() {
  int tcp = number("ATTACK_OK_TCP");
  int s = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = v4("0.0.0.0", tcp);
  must(::connect(s, as_sockaddr(address), sizeof address) == 0 && read_all(s) == "hello\n", "v4");
  s = ::socket(AF_INET6, SOCK_STREAM, 0);
  if (s >= 0) {
    sockaddr_in6 mapped = v6("::ffff:127.0.0.1", tcp);
    must(::connect(s, as_sockaddr(mapped), sizeof mapped) == 0 && read_all(s) == "hello\n",
         "mapped");
    sockaddr_in6 peer{};
    socklen_t length = sizeof peer;
    must(::getpeername(s, as_sockaddr(peer), &length) == 0 && peer.sin6_family == AF_INET6, "peer");
  }
  twin_ok();
}

}  // namespace attack
