// attack: sockaddr-race
// class: races
// severity: critical
// models: naive canonical
// trap: Flip the port inside the sockaddr while connect, bind and sendto run: allowed when the monitor
//   reads, forbidden when the kernel does.
// naive: Reads, allows, continues; and logs what it reads afterwards, a third address.
// kernel: move_addr_to_kernel copies the address at its own time.
// sealed: The address is copied once into the sealed slot; judged, used and logged from there.
// source: Watson, WOOT 2007; rootless-containers/bypass4netns#22
// time: 4000
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network allow tcp connect 127.0.0.1:$OK_TCP
//   network allow udp connect,send 127.0.0.1:$OK_UDP
//   network allow tcp bind 127.0.0.1:$PORT
// report: 127.0.0.1:
#include <atomic>
#include <thread>

#include "tests/support/attack.h"

namespace attack {
namespace {

// An address whose port a thread changes, to another and back, until it is gone.
class FlippingAddress {
 public:
  FlippingAddress(int good_port, int bad_port) {
    address_ = v4("127.0.0.1", good_port);
    thread_ = std::thread([this, good_port, bad_port] {
      auto* port = reinterpret_cast<volatile uint16_t*>(&address_.sin_port);
      while (!stop_.load(std::memory_order_relaxed)) {
        *port = htons(static_cast<uint16_t>(bad_port));
        *port = htons(static_cast<uint16_t>(good_port));
      }
    });
  }
  FlippingAddress(const FlippingAddress&) = delete;
  FlippingAddress& operator=(const FlippingAddress&) = delete;
  ~FlippingAddress() {
    stop_ = true;
    thread_.join();
  }
  [[nodiscard]] sockaddr* get() { return as_sockaddr(address_); }

 private:
  alignas(8) sockaddr_in address_{};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

long race(bool tcp, int good_port, int bad_port) {
  FlippingAddress address(good_port, bad_port);
  long good = 0;
  int udp = ::socket(AF_INET, SOCK_DGRAM, 0);
  for (Stopwatch watch; watch.running() && good < (tcp ? 3000 : 100000);) {
    if (tcp) {
      int s = ::socket(AF_INET, SOCK_STREAM, 0);
      if (s >= 0 && ::connect(s, address.get(), sizeof(sockaddr_in)) == 0) {
        sockaddr_in peer{};
        socklen_t length = sizeof peer;
        if (::getpeername(s, as_sockaddr(peer), &length) == 0 &&
            ntohs(peer.sin_port) != good_port) {
          prey_taken("connected to the forbidden port");
        }
        ++good;
      }
      ::close(s);
    } else if (::sendto(udp, "x", 1, 0, address.get(), sizeof(sockaddr_in)) == 1) {
      ++good;
    }
  }
  ::close(udp);
  return good;
}

// Binds to a port that is another one now and then, which whoever asks the kernel's choice gets: 0.
long race_bind(int good_port) {
  FlippingAddress address(good_port, 0);
  long bound = 0;
  for (Stopwatch watch; watch.running() && bound < 3000;) {
    const int s = socket_of(SOCK_STREAM);
    if (::bind(s, address.get(), sizeof(sockaddr_in)) == 0) {
      sockaddr_in name{};
      socklen_t length = sizeof name;
      if (::getsockname(s, as_sockaddr(name), &length) == 0 && ntohs(name.sin_port) != good_port) {
        prey_taken("bound to another port");
      }
      ++bound;
    }
    ::close(s);
  }
  return bound;
}

}  // namespace

void strike() {
  // What is sent the listener tells.
  if (way("sendto")) {
    must(race(false, number("ATTACK_OK_UDP"), number("ATTACK_UDP")) > 0, "none was sent");
  }
  if (way("connect")) {
    must(race(true, number("ATTACK_OK_TCP"), number("ATTACK_TCP")) > 0, "none was connected");
  }
  if (way("bind")) must(race_bind(number("ATTACK_PORT")) > 0, "none was bound");
  errno = 0;
  held("all went where the policy allows");
}

void twin() {
  int port = number("ATTACK_OK_TCP");
  must(race(true, port, port) > 20, "connects");
  port = number("ATTACK_OK_UDP");
  must(race(false, port, port) > 20, "sends");
  twin_ok();
}

}  // namespace attack
