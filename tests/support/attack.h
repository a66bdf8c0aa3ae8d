// What the attacks share: where the prey lies, how an outcome is said, and raw system calls without
// libc's opinions. Knows nothing of callgate: the same program runs bare and gated.
//
// An attack defines strike() and twin(). strike() ends in prey_taken() or held(), twin() in
// twin_ok(); falling off the end, dying early or a broken set-up count as neither. The driver
// (tests/e2e/attacks_test.py) owns the prey and does not believe the token alone.
//
// strike() with several ways to the prey names each, by way(): where the first one wins, the driver
// lets the others show alone that they do.
#pragma once

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

namespace attack {

void strike();
void twin();

// Exit statuses, for the driver: 0 token printed, 1 held, 2 void (the world was not as needed),
// 77 skipped.
inline constexpr int kHeld = 1;
inline constexpr int kVoid = 2;
inline constexpr int kSkipped = 77;

[[noreturn]] inline void finish(int status) {
  std::fflush(nullptr);
  ::_exit(status);
}

// The one way that is asked for; nullptr: all are to be tried, in turn.
inline const char* wanted_way() {
  static const char* const wanted = std::getenv("ATTACK_WAY");
  return wanted;
}

// `proof` is what the prey gave: the canary's bytes, or what was done to it.
[[noreturn]] inline void prey_taken(std::string_view proof) {
  std::printf("%.*s\nPREY-TAKEN\n", static_cast<int>(proof.size()), proof.data());
  finish(0);
}

[[noreturn]] inline void skip(std::string_view why);

// A way alone may fail for what the kernel has not, which is no failure to show it.
inline bool kernel_lacks(int error) {
  return error == ENOSYS || error == EOPNOTSUPP || error == EAFNOSUPPORT ||
         error == EPROTONOSUPPORT || error == ESOCKTNOSUPPORT || error == ENODEV;
}

[[noreturn]] inline void held(std::string_view why = {}) {
  if (wanted_way() != nullptr && kernel_lacks(errno)) {
    skip("this kernel says " + std::string(std::strerror(errno)));
  }
  const int error = errno;
  std::printf("HELD %.*s", static_cast<int>(why.size()), why.data());
  if (error != 0) std::printf(" (%s)", std::strerror(error));
  std::printf("\n");
  finish(kHeld);
}

[[noreturn]] inline void twin_ok() {
  std::printf("TWIN-OK\n");
  finish(0);
}

// This machine has nothing to show here; the driver says why.
[[noreturn]] inline void skip(std::string_view why) {
  std::printf("SKIP %.*s\n", static_cast<int>(why.size()), why.data());
  finish(kSkipped);
}

// Whether this way to the prey is to be tried. $ATTACK_WAY asks for one alone, or by "?" for the
// names of all. `lacking`: why it cannot win here, if it cannot.
inline bool way(const std::string& name, std::string_view lacking = {}) {
  if (wanted_way() == nullptr) return true;
  if (std::string_view(wanted_way()) == "?") {
    std::printf("WAY %s\n", name.c_str());
    return false;
  }
  if (name != wanted_way()) return false;
  if (!lacking.empty()) skip(lacking);
  errno = 0;
  return true;
}
inline std::string_view unless_root() { return ::geteuid() == 0 ? "" : "needs root"; }

// For what must work everywhere. Under callgate a failure here in twin() is callgate's bug.
inline void must(bool condition, std::string_view what) {
  if (condition) return;
  std::printf("VOID %.*s: %s\n", static_cast<int>(what.size()), what.data(), std::strerror(errno));
  finish(kVoid);
}

inline std::string setting(const char* name) {
  const char* value = std::getenv(name);
  must(value != nullptr, name);
  return value;
}
inline int number(const char* name) { return std::atoi(setting(name).c_str()); }

// $T, the tree the policy grants, and $S, the one it does not.
inline std::string work(std::string_view leaf) {
  return setting("ATTACK_T") + "/" + std::string(leaf);
}
inline std::string secret(std::string_view leaf = "key") {
  return setting("ATTACK_S") + "/" + std::string(leaf);
}

// How long a race may run.
class Stopwatch {
 public:
  [[nodiscard]] bool running() const {
    return std::chrono::steady_clock::now() - start_ < std::chrono::milliseconds(limit_);
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  int limit_ = std::atoi(std::getenv("ATTACK_MS") != nullptr ? std::getenv("ATTACK_MS") : "10000");
};

inline std::string read_all(int fd) {
  std::string text;
  char buffer[4096];
  ssize_t n = 0;
  while ((n = ::read(fd, buffer, sizeof buffer)) > 0) text.append(buffer, static_cast<size_t>(n));
  return text;
}

// Takes the prey if `fd` is open and gives bytes.
inline void take(int fd) {
  if (fd < 0) return;
  std::string text = read_all(fd);
  if (!text.empty()) prey_taken(text);
  ::close(fd);
}
inline void take(const std::string& path) { take(::open(path.c_str(), O_RDONLY)); }

// Opens `path` over and over: how often it was the harmless file, and how often refused. Any other
// bytes are the prey.
struct Openings {
  long good = 0;
  long refused = 0;
};
inline constexpr std::string_view kHarmless = "harmless\n";
inline Openings open_until_time_is_up(const char* path, long most = 2'000'000) {
  Openings seen;
  for (Stopwatch watch; watch.running() && seen.good < most;) {
    const int fd = ::open(path, O_RDONLY);
    if (fd < 0) {
      ++seen.refused;
      continue;
    }
    const std::string text = read_all(fd);
    ::close(fd);
    if (text == kHarmless) {
      ++seen.good;
    } else if (!text.empty()) {
      prey_taken(text);
    }
  }
  std::printf("opened %ld, refused %ld\n", seen.good, seen.refused);
  return seen;
}

inline void spill(const std::string& path, std::string_view text) {
  int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  must(fd >= 0, path);
  must(::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()), path);
  ::close(fd);
}
inline bool reads(const std::string& path, std::string_view expected) {
  int fd = ::open(path.c_str(), O_RDONLY);
  if (fd < 0) return false;
  std::string text = read_all(fd);
  ::close(fd);
  return text == expected;
}

inline sockaddr_in v4(const char* address, int port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(static_cast<uint16_t>(port));
  must(::inet_pton(AF_INET, address, &out.sin_addr) == 1, "inet_pton");
  return out;
}
inline sockaddr_in6 v6(const char* address, int port) {
  sockaddr_in6 out{};
  out.sin6_family = AF_INET6;
  out.sin6_port = htons(static_cast<uint16_t>(port));
  must(::inet_pton(AF_INET6, address, &out.sin6_addr) == 1, "inet_pton");
  return out;
}
inline sockaddr_un un(const std::string& path) {
  sockaddr_un out{};
  out.sun_family = AF_UNIX;
  must(path.size() < sizeof out.sun_path, "sun_path");
  std::memcpy(out.sun_path, path.data(), path.size());
  return out;
}
template <typename Address>
sockaddr* as_sockaddr(Address& address) {
  return reinterpret_cast<sockaddr*>(&address);
}

inline int socket_of(int kind) {
  const int fd = ::socket(AF_INET, kind, 0);
  must(fd >= 0, "socket");
  return fd;
}
// Binds to $PORT: 0 or errno.
inline int bind_error(int fd, const char* address = "127.0.0.1") {
  sockaddr_in name = v4(address, number("ATTACK_PORT"));
  return ::bind(fd, as_sockaddr(name), sizeof name) == 0 ? 0 : errno;
}

// Waits for the child; its exit status, or 128 + signal.
inline int reap(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, __WALL) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Runs `body` in a forked child with these extra clone flags (no shared memory unless CLONE_VM).
template <typename Body>
pid_t spawn(Body body, unsigned long flags = 0) {
  std::fflush(nullptr);
  auto pid =
      static_cast<pid_t>(::syscall(SYS_clone, flags | SIGCHLD, nullptr, nullptr, nullptr, 0));
  if (pid == 0) {
    body();
    finish(0);
  }
  return pid;
}

// The other side of a race: a process that makes its move over and over until it is stopped, or
// until whoever made it is gone.
class Rival {
 public:
  template <typename Move>
  explicit Rival(Move move, unsigned long flags = 0) {
    const pid_t maker = ::getpid();
    pid_ = spawn(
        [&] {
          ::prctl(PR_SET_PDEATHSIG, SIGKILL);
          while (::getppid() == maker) move();
        },
        flags);
    must(pid_ > 0, "fork");
  }
  Rival(const Rival&) = delete;
  Rival& operator=(const Rival&) = delete;
  ~Rival() {
    ::kill(pid_, SIGKILL);
    reap(pid_);
  }

 private:
  pid_t pid_ = -1;
};

// A way that leaves its process other than it was: in a child, where `change` takes the prey or
// comes back.
inline void try_in_child(const char* name, void (*change)(), std::string_view lacking = {}) {
  if (!way(name, lacking)) return;
  const pid_t child = spawn([&] {
    change();
    held(name);
  });
  if (reap(child) == 0) prey_taken(name);
}

}  // namespace attack

int main(int argc, char** argv) {
  ::setvbuf(stdout, nullptr, _IOLBF, 0);
  std::string_view mode = argc > 1 ? argv[1] : "";
  if (mode == "attack") {
    attack::strike();
  } else if (mode == "twin") {
    attack::twin();
  } else {
    std::fprintf(stderr, "usage: %s attack|twin\n", argv[0]);
    return 64;
  }
  std::printf("VOID fell off the end\n");
  return attack::kVoid;
}
