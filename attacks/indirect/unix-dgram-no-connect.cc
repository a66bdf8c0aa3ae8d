// attack: unix-dgram-no-connect
// class: indirect
// severity: high
// models: naive
// trap: An AF_UNIX datagram needs no connect: sendto, sendmsg and sendmmsg carry the address.
// naive: Judges connect only.
// kernel: unix_dgram_sendmsg looks the name up on every send (unix(7)).
// sealed: Every call that carries an address is judged, and sends to the copy that was judged.
// source: nolabs-ai/nono#1096; Chromium NetworkProxyTest
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network allow unix create
//   network allow unix bind,send $T/*
// report: $S/dgram.sock
#include "tests/support/attack.h"

namespace attack {
namespace {

constexpr const char* kWays[] = {"sendto", "sendmsg", "sendmmsg"};

// Sends one byte to `name` in one of three ways; true when it went.
bool send_to(int way, const std::string& name) {
  int s = ::socket(AF_UNIX, SOCK_DGRAM, 0);
  must(s >= 0, "socket");
  sockaddr_un address = un(name);
  char byte = 'x';
  iovec vector{&byte, 1};
  mmsghdr message{};
  message.msg_hdr.msg_name = &address;
  message.msg_hdr.msg_namelen = sizeof address;
  message.msg_hdr.msg_iov = &vector;
  message.msg_hdr.msg_iovlen = 1;
  long sent = 0;
  if (way == 0) sent = ::sendto(s, &byte, 1, 0, as_sockaddr(address), sizeof address);
  if (way == 1) sent = ::sendmsg(s, &message.msg_hdr, 0);
  if (way == 2) sent = ::sendmmsg(s, &message, 1, 0);
  ::close(s);
  return sent == 1;
}

}  // namespace

void strike() {
  for (int how = 0; how < 3; ++how) {
    if (way(kWays[how]) && send_to(how, secret("dgram.sock"))) prey_taken("sent");
  }
  // A pair has a peer, and sends to others all the same.
  int pair[2];
  must(::socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0, "socketpair");
  sockaddr_un address = un(secret("dgram.sock"));
  if (way("from a pair") &&
      ::sendto(pair[0], "x", 1, 0, as_sockaddr(address), sizeof address) == 1) {
    prey_taken("sent");
  }
  held("send");
}

void twin() {
  int receiver = ::socket(AF_UNIX, SOCK_DGRAM, 0);
  sockaddr_un address = un(work("mine.sock"));
  must(::bind(receiver, as_sockaddr(address), sizeof address) == 0, "bind");
  sockaddr_un name{};
  socklen_t length = sizeof name;
  must(::getsockname(receiver, as_sockaddr(name), &length) == 0 &&
           work("mine.sock") == name.sun_path,
       "getsockname tells the name that was bound");
  for (int way = 0; way < 3; ++way) {
    must(send_to(way, work("mine.sock")), "send");
    char byte = 0;
    must(::recv(receiver, &byte, 1, 0) == 1 && byte == 'x', "recv");
  }
  twin_ok();
}

}  // namespace attack
