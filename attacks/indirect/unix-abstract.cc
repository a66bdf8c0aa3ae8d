// attack: unix-abstract
// class: indirect
// severity: high
// models: naive
// trap: An abstract AF_UNIX name starts with a NUL byte and lies in no directory. Connect to a helper
//   outside by such a name, or send it a datagram, by every call that sends; or take a name, also one
//   with NUL bytes in it, or whichever the kernel gives, and wait for who comes.
// naive: Reads sun_path as a C string, sees an empty path.
// kernel: Names are delimited by addrlen and may hold any byte; an address of the family alone asks
//   for a name of five hexadecimal digits (unix(7), "Autobind feature").
// sealed: A namespace of its own in the policy ("@name"), denied unless allowed, compared by bytes.
//   To let the kernel choose a name is to ask for any.
// source: unix(7); gVisor socket_abstract.cc
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
//   network allow unix create
//   network allow unix connect,send,bind @callgate-attack/*
// report: unix connect @
// report: unix send @
// report: unix bind @
#include "tests/support/attack.h"

namespace attack {
namespace {

socklen_t abstract(const std::string& name, sockaddr_un* out) {
  *out = sockaddr_un{};
  out->sun_family = AF_UNIX;
  std::memcpy(out->sun_path + 1, name.data(), name.size());
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
}

int unix_socket(int kind) {
  const int s = ::socket(AF_UNIX, kind, 0);
  must(s >= 0, "a socket is allowed");
  return s;
}

constexpr const char* kSends[] = {"sendto", "sendmsg", "sendmmsg"};
bool send_to(int how, sockaddr_un& address, socklen_t length) {
  const int s = unix_socket(SOCK_DGRAM);
  char byte = 'x';
  iovec vector{&byte, 1};
  mmsghdr message{};
  message.msg_hdr.msg_name = &address;
  message.msg_hdr.msg_namelen = length;
  message.msg_hdr.msg_iov = &vector;
  message.msg_hdr.msg_iovlen = 1;
  long sent = 0;
  if (how == 0) sent = ::sendto(s, &byte, 1, 0, as_sockaddr(address), length);
  if (how == 1) sent = ::sendmsg(s, &message.msg_hdr, 0);
  if (how == 2) sent = ::sendmmsg(s, &message, 1, 0);
  const int error = errno;
  ::close(s);
  errno = error;
  return sent == 1;
}

}  // namespace

void strike() {
  sockaddr_un address{};
  socklen_t length = abstract(setting("ATTACK_ABSTRACT"), &address);
  if (way("connect")) {
    const int s = unix_socket(SOCK_STREAM);
    if (::connect(s, as_sockaddr(address), length) == 0) take(s);
  }
  length = abstract(setting("ATTACK_ABSTRACT") + "-dgram", &address);
  if (way("connect a datagram socket")) {
    const int s = unix_socket(SOCK_DGRAM);
    if (::connect(s, as_sockaddr(address), length) == 0 && ::send(s, "x", 1, 0) == 1) {
      prey_taken("sent");
    }
  }
  for (int how = 0; how < 3; ++how) {
    if (way(kSends[how]) && send_to(how, address, length)) prey_taken("sent");
  }
  const std::string names[] = {"taken by callgate-attack", std::string("callgate-attack\0/x", 18),
                               std::string("\0\0", 2), std::string(107, 'x')};
  for (const std::string& name : names) {
    const std::string label = "bind of " + std::to_string(name.size()) + " bytes";
    length = abstract(name, &address);
    if (way(label) && ::bind(unix_socket(SOCK_STREAM), as_sockaddr(address), length) == 0) {
      prey_taken("a name was taken");
    }
  }
  if (way("bind of any")) {
    const int s = unix_socket(SOCK_STREAM);
    length = sizeof(sa_family_t);
    if (::bind(s, as_sockaddr(address), length) == 0) prey_taken("a name was given");
  }
  held("abstract names");
}

void twin() {
  sockaddr_un address{};
  // A name with a NUL byte in it is another one than what stands before that byte.
  const std::string name("callgate-attack/\0a", 18);
  const socklen_t length = abstract(name + std::to_string(::getpid()), &address);
  const int receiver = unix_socket(SOCK_DGRAM);
  must(::bind(receiver, as_sockaddr(address), length) == 0, "bind");
  sockaddr_un told{};
  socklen_t size = sizeof told;
  must(::getsockname(receiver, as_sockaddr(told), &size) == 0 && size == length &&
           std::memcmp(&told, &address, length) == 0,
       "the name that was taken");
  for (int how = 0; how < 3; ++how) {
    must(send_to(how, address, length), kSends[how]);
    char byte = 0;
    must(::recv(receiver, &byte, 1, 0) == 1 && byte == 'x', "recv");
  }
  sockaddr_un shorter{};
  must(!send_to(0, shorter, abstract("callgate-attack/", &shorter)) && errno == ECONNREFUSED,
       "nobody has the name that ends before the NUL byte");
  int pair[2];
  must(::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0 && ::write(pair[0], "x", 1) == 1, "");
  twin_ok();
}

}  // namespace attack
