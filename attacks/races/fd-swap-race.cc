// attack: fd-swap-race
// class: races
// severity: critical
// models: naive canonical
// trap: While one thread binds number y, another puts a UDP socket, then a TCP socket on y, over and
//   over: TCP when the monitor looks, UDP when the kernel does.
// naive: Asks what y is, then lets bind run on whatever y has become.
// kernel: The number is looked up when the call begins to run (fdget), after the seccomp stop.
// sealed: While a call whose verdict depends on a descriptor is in flight, calls of the same table that
//   could put another object on that number are held.
// source: Garfinkel, NDSS 2003, shared descriptor race; Watson, WOOT 2007
// time: 4000
// policy:
//   network allow tcp bind *:$PORT
//   network allow udp create
// report: udp bind
#include <atomic>
#include <thread>
#include "tests/support/attack.h"

namespace attack {
namespace {

// Binds a number that flips between sockets of two kinds; what was bound is asked of the object.
bool race(int kind, long* bound) {
  int port = number("ATTACK_PORT");
  sockaddr_in address = v4("127.0.0.1", port);
  int y = ::fcntl(0, F_DUPFD, 100);
  std::atomic<bool> stop{false};
  std::atomic<int> tcp{-1};
  std::atomic<int> udp{-1};
  tcp = ::socket(AF_INET, SOCK_STREAM, 0);
  udp = ::socket(AF_INET, kind, 0);
  must(tcp >= 0 && udp >= 0, "socket");
  std::thread other([&] {
    while (!stop.load(std::memory_order_relaxed)) {
      ::dup2(udp, y);
      ::dup2(tcp, y);
    }
  });
  bool won = false;
  for (Stopwatch watch; watch.running() && !won && *bound < 500;) {
    if (::bind(y, as_sockaddr(address), sizeof address) != 0) continue;
    ++*bound;
    sockaddr_in name{};
    socklen_t length = sizeof name;
    if (::getsockname(udp, as_sockaddr(name), &length) == 0 && name.sin_port != 0) {
      won = kind == SOCK_DGRAM;
    }
    // A bound socket stays bound: make new ones.
    int fresh = ::socket(AF_INET, SOCK_STREAM, 0);
    ::close(tcp.exchange(fresh));
    fresh = ::socket(AF_INET, kind, 0);
    ::close(udp.exchange(fresh));
  }
  stop = true;
  other.join();
  ::close(tcp);
  ::close(udp);
  ::close(y);
  return won;
}

}  // namespace

void strike() {
  long bound = 0;
  if (race(SOCK_DGRAM, &bound)) prey_taken("UDP bound");
  std::printf("bound %ld\n", bound);
  errno = 0;
  held("only TCP was bound");
}

void twin() {
  long bound = 0;
  race(SOCK_STREAM, &bound);
  std::printf("bound %ld\n", bound);
  must(bound > 5, "TCP binds");
  twin_ok();
}

}  // namespace attack
