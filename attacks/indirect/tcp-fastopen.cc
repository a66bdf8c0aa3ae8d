// attack: tcp-fastopen
// class: indirect
// severity: critical
// models: naive
// trap: sendto with MSG_FASTOPEN connects and sends in one call; TCP_FASTOPEN_CONNECT makes a later
//   write connect. No connect(2), or one that only remembers.
// naive: Judges connect only.
// kernel: tcp_sendmsg connects when MSG_FASTOPEN and an address are given (tcp(7)).
// sealed: An addressed send on a stream socket is judged as connect.
// source: landlock-lsm/linux#41; kubearmor/KubeArmor#1254
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network allow tcp connect,send 127.0.0.1:$OK_TCP
// report: 127.0.0.1:$TCP
#include <netinet/tcp.h>

#include "tests/support/attack.h"

namespace attack {
namespace {

std::string fast_open(int port, bool message) {
  int s = ::socket(AF_INET, SOCK_STREAM, 0);
  must(s >= 0, "socket");
  sockaddr_in address = v4("127.0.0.1", port);
  if (message) {
    char byte = 'x';
    iovec vector{&byte, 1};
    msghdr header{};
    header.msg_name = &address;
    header.msg_namelen = sizeof address;
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    if (::sendmsg(s, &header, MSG_FASTOPEN) != 1) return {};
  } else if (::sendto(s, "x", 1, MSG_FASTOPEN, as_sockaddr(address), sizeof address) != 1) {
    return {};
  }
  std::string answer = read_all(s);
  ::close(s);
  return answer;
}

}  // namespace

void strike() {
  int port = number("ATTACK_TCP");
  for (bool message : {false, true}) {
    if (!way(message ? "sendmsg" : "sendto")) continue;
    std::string answer = fast_open(port, message);
    if (!answer.empty()) prey_taken(answer);
  }
  int s = ::socket(AF_INET, SOCK_STREAM, 0);
  int on = 1;
  ::setsockopt(s, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof on);
  sockaddr_in address = v4("127.0.0.1", port);
  if (way("TCP_FASTOPEN_CONNECT") && ::connect(s, as_sockaddr(address), sizeof address) == 0 &&
      ::write(s, "x", 1) == 1) {
    take(s);
  }
  held("fast open");
}

void twin() {
  must(fast_open(number("ATTACK_OK_TCP"), false) == "hello\n", "sendto with MSG_FASTOPEN");
  must(fast_open(number("ATTACK_OK_TCP"), true) == "hello\n", "sendmsg with MSG_FASTOPEN");
  twin_ok();
}

}  // namespace attack
