// attack: unix-abstract
// class: indirect
// severity: high
// models: naive
// trap: An abstract AF_UNIX name starts with a NUL byte and lies in no directory. Connect to a helper
//   outside by such a name, or send it a datagram.
// naive: Reads sun_path as a C string, sees an empty path.
// kernel: Names are delimited by addrlen and may hold any byte (unix(7)).
// sealed: A namespace of its own in the policy ("@name"), denied unless allowed, compared by bytes.
// source: unix(7); gVisor socket_abstract.cc
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: @
#include "tests/support/attack.h"

namespace attack {
namespace {

socklen_t abstract(const std::string& name, sockaddr_un* out) {
  *out = sockaddr_un{};
  out->sun_family = AF_UNIX;
  std::memcpy(out->sun_path + 1, name.data(), name.size());
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
}

}  // namespace

void strike() {
  sockaddr_un address{};
  socklen_t length = abstract(setting("ATTACK_ABSTRACT"), &address);
  int s = ::socket(AF_UNIX, SOCK_STREAM, 0);
  if (s >= 0 && ::connect(s, as_sockaddr(address), length) == 0) prey_taken(read_all(s));
  length = abstract(setting("ATTACK_ABSTRACT") + "-dgram", &address);
  s = ::socket(AF_UNIX, SOCK_DGRAM, 0);
  if (s >= 0 && ::sendto(s, "x", 1, 0, as_sockaddr(address), length) == 1) prey_taken("sent");
  held("connect");
}

void twin() {
  int pair[2];
  must(::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0 && ::write(pair[0], "x", 1) == 1, "");
  twin_ok();
}

}  // namespace attack
