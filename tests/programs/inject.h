// What inject (outside) and inject_victim (inside the sandbox) agree on, in a file that both map:
// which round it is, in which part of it the victim is, and the arguments of its calls, which the
// outside may change at any moment.
#pragma once

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace inject {

// The victim's exit statuses.
inline constexpr int kRight = 0;
inline constexpr int kRefused = 3;  // an allowed call failed while something was injected
inline constexpr int kBroken = 4;   // an allowed call fails afterwards, too
inline constexpr int kBreach = 5;   // a denied call was carried out
inline constexpr int kVoid = 6;     // the world is not as it should be

enum Phase : uint32_t { Idle, Operation, Again };

// Everything that a call of the victim takes from memory. Laid out alike for a 32-bit victim.
struct alignas(8) Arguments {
  char file[256];       // open
  char inner[256];      // a file below a directory that is exchanged for a link
  char directory[256];  // mkdir, rename ... happen below it
  char program[256];    // execve
  open_how how;
  sockaddr_un server;
  sockaddr_un own;  // bind
  sockaddr_in tcp;
  sockaddr_in udp;
};

struct Shared {
  std::atomic<uint32_t> round;  // one more for each victim
  std::atomic<uint32_t> phase;
  std::atomic<uint32_t> enough;  // set outside: no round after this one
  std::atomic<uint32_t> go;      // futex: the second thread may exec
  std::atomic<uint32_t> ready;   // futex: the parent is done with making the victim
  std::atomic<int32_t> victim;
  std::atomic<int32_t> second;    // tid of a thread of the victim that waits for `go`
  std::atomic<int32_t> status;    // of the victim of the round before, as waitpid gives it
  std::atomic<int32_t> stops;     // how often a victim was seen stopped by its parent
  std::atomic<int32_t> broken;    // what the parent found broken after a round: an errno
  std::atomic<int32_t> breaches;  // denied calls that were carried out
  std::atomic<int32_t> refusals;  // allowed calls that failed during a round
  std::atomic<int32_t> last_error;
  std::atomic<int32_t> front;  // the pid that started it, out of bounds for signals
  Arguments now;
  Arguments good;
  Arguments bad;
};

inline Shared* map_shared(const std::string& path, bool create) {
  const int fd = ::open(path.c_str(), O_RDWR | (create ? O_CREAT | O_TRUNC : 0), 0644);
  if (fd < 0 || (create && ::ftruncate(fd, sizeof(Shared)) != 0)) {
    std::perror(path.c_str());
    std::exit(kVoid);
  }
  void* at = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  if (at == MAP_FAILED) std::exit(kVoid);
  return static_cast<Shared*>(at);
}

inline long futex(std::atomic<uint32_t>* word, int operation, uint32_t value) {
  return ::syscall(SYS_futex, word, operation, value, nullptr, nullptr, 0);
}

}  // namespace inject
