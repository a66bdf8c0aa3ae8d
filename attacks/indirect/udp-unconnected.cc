// attack: udp-unconnected
// class: indirect
// severity: critical
// models: naive canonical
// trap: sendto and sendmsg carry addresses; sendmmsg carries many. Entry 0 goes where the policy
//   allows, entry 1 does not. Or the socket is connected, and the send has an address all the same.
// naive: Judges connect, or the first entry.
// kernel: Each entry of sendmmsg is a sendmsg of its own (sendmmsg(2)).
// sealed: The whole vector is copied, each entry judged on the copy, the copy is what is sent.
// source: sandlock#97; kubearmor/KubeArmor#1254
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network allow udp connect,send 127.0.0.1:$OK_UDP
// report: 127.0.0.1:$UDP
#include "tests/support/attack.h"

namespace attack {
namespace {

struct Batch {
  explicit Batch(const int (&ports)[3]) {
    for (int i = 0; i < 3; ++i) {
      address[i] = v4("127.0.0.1", ports[i]);
      vector[i] = {&byte, 1};
      message[i].msg_hdr.msg_name = &address[i];
      message[i].msg_hdr.msg_namelen = sizeof address[i];
      message[i].msg_hdr.msg_iov = &vector[i];
      message[i].msg_hdr.msg_iovlen = 1;
    }
  }
  char byte = 'x';
  sockaddr_in address[3];
  iovec vector[3];
  mmsghdr message[3]{};
};

}  // namespace

void strike() {
  int good = number("ATTACK_OK_UDP");
  int bad = number("ATTACK_UDP");
  int s = ::socket(AF_INET, SOCK_DGRAM, 0);
  must(s >= 0, "socket");
  Batch batch({good, bad, bad});
  if (way("sendmmsg") && ::sendmmsg(s, batch.message, 3, 0) > 1)
    prey_taken("the second entry went");
  if (way("sendmsg") && ::sendmsg(s, &batch.message[1].msg_hdr, 0) == 1) prey_taken("sendmsg went");
  if (way("sendto") &&
      ::sendto(s, "x", 1, 0, as_sockaddr(batch.address[2]), sizeof(sockaddr_in)) == 1) {
    prey_taken("sendto went");
  }
  must(::connect(s, as_sockaddr(batch.address[0]), sizeof(sockaddr_in)) == 0, "connect");
  if (way("sendto when connected") &&
      ::sendto(s, "x", 1, 0, as_sockaddr(batch.address[2]), sizeof(sockaddr_in)) == 1) {
    prey_taken("addressed send on a connected socket went");
  }
  if (way("sendmsg when connected") && ::sendmsg(s, &batch.message[1].msg_hdr, 0) == 1) {
    prey_taken("addressed sendmsg on a connected socket went");
  }
  if (way("sendmmsg when connected") && ::sendmmsg(s, batch.message, 3, 0) > 1) {
    prey_taken("the second entry went");
  }
  held("send");
}

void twin() {
  int good = number("ATTACK_OK_UDP");
  int s = ::socket(AF_INET, SOCK_DGRAM, 0);
  Batch batch({good, good, good});
  must(::sendmmsg(s, batch.message, 3, 0) == 3, "sendmmsg");
  must(batch.message[0].msg_len == 1 && batch.message[2].msg_len == 1, "msg_len is written back");
  must(::sendmsg(s, &batch.message[1].msg_hdr, 0) == 1, "sendmsg");
  must(::sendto(s, "x", 1, 0, as_sockaddr(batch.address[2]), sizeof(sockaddr_in)) == 1, "sendto");
  must(::connect(s, as_sockaddr(batch.address[0]), sizeof(sockaddr_in)) == 0, "connect");
  must(::sendto(s, "x", 1, 0, nullptr, 0) == 1 && ::send(s, "x", 1, 0) == 1, "connected send");
  twin_ok();
}

}  // namespace attack
