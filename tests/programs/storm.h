// What the storms share: workers that change names or memory without pause (the weather), and
// others that make calls on them (the travellers), in processes and threads of their own, until the
// time is over and each traveller has got through often enough. Knows nothing of callgate: the same
// program runs bare and gated.
//
// A traveller that gets what it must not says REACHED and what; most of it is seen by the driver
// alone, which owns the canaries (tests/e2e/storms_test.py).
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace storm {

inline constexpr int kStarved = 3;  // a traveller did not get through often enough
inline constexpr int kVoid = 6;     // the world is not as needed
inline constexpr std::string_view kHarmless = "harmless\n";

inline void must(bool condition, std::string_view what) {
  if (condition) return;
  std::fprintf(stderr, "VOID %.*s: %s\n", static_cast<int>(what.size()), what.data(),
               std::strerror(errno));
  std::_Exit(kVoid);
}
inline std::string setting(const char* name) {
  const char* value = std::getenv(name);
  must(value != nullptr, name);
  return value;
}
inline long number(const char* name) { return std::atol(setting(name).c_str()); }

// $T, the tree that is granted, and $S, the one that is not.
inline std::string work(std::string_view leaf) {
  return setting("ATTACK_T") + "/" + std::string(leaf);
}
inline std::string secret(std::string_view leaf) {
  return setting("ATTACK_S") + "/" + std::string(leaf);
}

inline void reached(std::string_view what) {
  static std::atomic<int> said{0};  // by this process
  if (said.fetch_add(1) > 4) return;
  const std::string line = "REACHED " + std::string(what) + "\n";
  static_cast<void>(!::write(1, line.data(), line.size()));
}

inline void spill(const std::string& path, std::string_view text = kHarmless) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  must(fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()), path);
  ::close(fd);
}

// Whether it is open and gives what is harmless.
inline bool harmless(int fd, std::string_view what) {
  if (fd < 0) return false;
  char text[256];
  const ssize_t n = ::read(fd, text, sizeof text);
  ::close(fd);
  if (n <= 0) return false;
  const std::string_view seen(text, static_cast<size_t>(n));
  if (seen == kHarmless) return true;
  reached(std::string(what) + " " + std::string(seen));
  return false;
}

inline bool exchange(const std::string& a, const std::string& b) {
  constexpr unsigned kExchange = 2;
  return ::syscall(SYS_renameat2, AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), kExchange) == 0;
}

inline int reap(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return -1;
  }
  return status;
}

class Storm {
 public:
  Storm() {
    void* at =
        ::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(at != MAP_FAILED, "mmap");
    board_ = static_cast<Board*>(at);
  }

  // `body` over and over, in `threads` threads of a process of its own.
  void weather(const std::function<void()>& body, int threads = 1) {
    process(threads, [=] { body(); });
  }
  // `body` says whether an allowed call got through; it may also `reached`. `beside` runs in a
  // thread of the same process.
  void traveller(std::string_view name, const std::function<bool()>& body, int threads = 1,
                 const std::function<void()>& beside = {}) {
    must(board_->count < kMost, "too many travellers");
    Traveller& traveller = board_->travellers[board_->count++];
    std::snprintf(traveller.name, sizeof traveller.name, "%.*s", static_cast<int>(name.size()),
                  name.data());
    process(
        threads,
        [body, &traveller] {
          (body() ? traveller.good : traveller.refused).fetch_add(1, std::memory_order_relaxed);
        },
        beside);
  }

  // Until STORM_MS are over and everybody got through STORM_TIMES times; the exit status.
  int last() {
    const auto start = std::chrono::steady_clock::now();
    const std::chrono::milliseconds least(number("STORM_MS"));
    const std::chrono::milliseconds most = least + std::chrono::seconds(120);
    const long times = number("STORM_TIMES");
    for (;;) {
      const auto passed = std::chrono::steady_clock::now() - start;
      if ((passed >= least && all_through(times)) || passed >= most) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    board_->stop = 1;
    for (const pid_t worker : workers_) must(reap(worker) == 0, "a worker's end");
    for (int i = 0; i < board_->count; ++i) {
      const Traveller& traveller = board_->travellers[i];
      std::printf("%s: %ld through, %ld not\n", traveller.name, traveller.good.load(),
                  traveller.refused.load());
    }
    std::fflush(nullptr);
    return all_through(times) ? 0 : kStarved;
  }

 private:
  static constexpr int kMost = 24;
  struct Traveller {
    char name[40];
    std::atomic<long> good;
    std::atomic<long> refused;
  };
  struct Board {
    std::atomic<int> stop;
    int count;
    Traveller travellers[kMost];
  };

  void process(int threads, const std::function<void()>& body,
               const std::function<void()>& beside = {}) {
    std::fflush(nullptr);
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    must(child >= 0, "fork");
    if (child > 0) {
      workers_.push_back(child);
      return;
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(0);
    const auto loop = [this](const std::function<void()>& what) {
      while (board_->stop.load(std::memory_order_relaxed) == 0) what();
    };
    std::vector<std::thread> others;
    if (beside) others.emplace_back(loop, beside);
    for (int i = 1; i < threads; ++i) others.emplace_back(loop, body);
    loop(body);
    for (std::thread& other : others) other.join();
    ::_exit(0);
  }
  [[nodiscard]] bool all_through(long times) const {
    for (int i = 0; i < board_->count; ++i) {
      if (board_->travellers[i].good.load() < times) return false;
    }
    return true;
  }

  Board* board_ = nullptr;
  std::vector<pid_t> workers_;
};

}  // namespace storm
