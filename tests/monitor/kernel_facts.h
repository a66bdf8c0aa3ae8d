// What the tests of kernel facts share: children that report by value, a tracee that is handled as
// the monitor handles a program, and a segment made as the argument area makes its own.
#pragma once

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "arch/registers.h"
#include "arch/unique_fd.h"
#include "monitor/proc_files.h"
#include "monitor/wait_status.h"

namespace callgate {

inline constexpr uid_t kNobody = 65534;
#if defined(__aarch64__)
inline constexpr Abi kNative = Abi::Aarch64;
#else
inline constexpr Abi kNative = Abi::X86_64;
#endif

inline int error_of(long result) { return result < 0 ? errno : 0; }
inline bool is_root() { return ::geteuid() == 0; }

// What `body` returns in a child of its own; nothing when the child dies first.
template <typename Body>
auto in_child(Body&& body) -> std::optional<decltype(body())> {
  using Value = decltype(body());
  static_assert(std::is_trivially_copyable_v<Value>);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return std::nullopt;
  UniqueFd from(ends[0]);
  UniqueFd to(ends[1]);
  const pid_t pid = ::fork();
  if (pid == 0) {
    const Value value = body();
    _exit(::write(to.get(), &value, sizeof value) == sizeof value ? 0 : 1);
  }
  to.reset();
  Value value{};
  const bool told = ::read(from.get(), &value, sizeof value) == sizeof value;
  ::waitpid(pid, nullptr, 0);
  return told ? std::optional<Value>(value) : std::nullopt;
}

// In a child only: root becomes nobody; either way the process is dumpable, as a program is.
inline void become_ordinary() {
  if (is_root() && (::syscall(SYS_setgroups, 0, nullptr) != 0 ||
                    ::syscall(SYS_setresgid, kNobody, kNobody, kNobody) != 0 ||
                    ::syscall(SYS_setresuid, kNobody, kNobody, kNobody) != 0)) {
    _exit(99);
  }
  ::prctl(PR_SET_DUMPABLE, 1);
}

class Gate {  // closed until it is opened once, across fork
 public:
  Gate() { static_cast<void>(!::pipe2(ends_, O_CLOEXEC)); }
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  ~Gate() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  void open() const { static_cast<void>(!::write(ends_[1], "o", 1)); }
  void pass() const {
    char byte = 0;
    static_cast<void>(!::read(ends_[0], &byte, 1));
  }

 private:
  int ends_[2] = {-1, -1};
};

// A process that ends with the test at the latest.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, __WALL);
  }
  [[nodiscard]] pid_t pid() const { return pid_; }
  void reaped() { pid_ = 0; }

 private:
  pid_t pid_;
};

inline long trace(__ptrace_request request, pid_t tid, uint64_t data = 0) {
  return ::ptrace(request, tid, nullptr, reinterpret_cast<void*>(data));  // NOLINT: a number
}

// A child of the test, traced by the test as the monitor traces a program. `body` runs once it is
// seized, and its value is the exit status.
class Tracee {
 public:
  explicit Tracee(const std::function<int()>& body, uint64_t options = 0) : child_(::fork()) {
    if (child_.pid() == 0) {
      gate_.pass();
      _exit(body());
    }
    constexpr uint64_t kAlways = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACESECCOMP;
    seized_ = trace(PTRACE_SEIZE, child_.pid(), kAlways | options) == 0;
    gate_.open();
  }
  [[nodiscard]] pid_t pid() const { return child_.pid(); }
  [[nodiscard]] bool seized() const { return seized_; }
  WaitStatus next() {
    int status = 0;
    ::waitpid(child_.pid(), &status, __WALL);
    if (!WIFSTOPPED(status)) child_.reaped();
    return WaitStatus(status);
  }
  void go(int signal = 0, __ptrace_request how = PTRACE_CONT) const {
    trace(how, pid(), static_cast<uint64_t>(signal));
  }
  // To its end, whatever happens on the way: its exit status, or -1.
  int finish() {
    for (;;) {
      go();
      const WaitStatus status = next();
      if (status.kind() == WaitStatus::Kind::Exited) return WEXITSTATUS(status.raw());
      if (status.kind() == WaitStatus::Kind::Killed) return -1;
    }
  }

 private:
  Gate gate_;
  Child child_;
  bool seized_ = false;
};

// Sleeps in this call, as /proc says it.
inline void wait_until_asleep_in(pid_t pid, long number) {
  const std::string want = std::to_string(number) + " ";
  for (;;) {
    auto text = read_whole_file("/proc/" + std::to_string(pid) + "/syscall");
    if (!text.ok() || text->starts_with(want)) return;
    ::sched_yield();
  }
}

inline void load(const std::vector<sock_filter>& program) {
  const sock_fprog filter{static_cast<unsigned short>(program.size()),
                          const_cast<sock_filter*>(program.data())};  // NOLINT: only read
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0) {
    _exit(98);
  }
}
// These numbers get these actions, all else runs.
inline void load_actions(const std::map<long, uint32_t>& actions) {
  std::vector<sock_filter> program = {{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)}};
  for (const auto& [number, action] : actions) {
    program.push_back({BPF_JMP | BPF_JEQ | BPF_K, 0, 1, static_cast<uint32_t>(number)});
    program.push_back({BPF_RET | BPF_K, 0, 0, action});
  }
  program.push_back({BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW});
  load(program);
}

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = std::filesystem::canonical(std::filesystem::temp_directory_path());
    name += "/callgate-facts-XXXXXX";
    if (::mkdtemp(name.data()) != nullptr) ::chmod(name.c_str(), 0777);
    path_ = name;
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::string operator/(const std::string& leaf) const { return path_ + "/" + leaf; }
  // Makes the file and says where it is.
  [[nodiscard]] std::string file(const std::string& leaf, std::string_view text = "") const {
    const UniqueFd fd(::open((*this / leaf).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    static_cast<void>(!::write(fd.get(), text.data(), text.size()));
    return *this / leaf;
  }

 private:
  std::string path_;
};

inline UniqueFd pin(const std::string& path) {
  return UniqueFd(::open(path.c_str(), O_PATH | O_CLOEXEC));
}
inline std::string own_fd(const UniqueFd& fd) {
  return "/proc/self/fd/" + std::to_string(fd.get());
}
inline std::string contents(const std::string& path) {
  auto text = read_whole_file(path);
  return text.ok() ? *text : "errno " + std::to_string(text.error().code);
}

// ---- The argument area: a read-only attachment of a System V segment. ----

inline constexpr size_t kSize = 65536;
inline void* const kAt = reinterpret_cast<void*>(0x70000000);  // NOLINT: where callgate puts it

// As ArgumentArea::create makes it: written here, readable by all, marked for destruction.
class Segment {
 public:
  Segment() : id_(::shmget(IPC_PRIVATE, kSize, IPC_CREAT | 0600)) {
    base_ = static_cast<char*>(::shmat(id_, nullptr, 0));
    shmid_ds state{};
    ::shmctl(id_, IPC_STAT, &state);
    state.shm_perm.mode = 0444;
    ::shmctl(id_, IPC_SET, &state);
    ::shmctl(id_, IPC_RMID, nullptr);
  }
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;
  ~Segment() { ::shmdt(base_); }
  [[nodiscard]] int id() const { return id_; }
  [[nodiscard]] char* base() const { return base_; }
  // 0 or errno; in a child.
  [[nodiscard]] int attach(int flags = SHM_RDONLY) const {
    return ::shmat(id_, kAt, flags) == kAt ? 0 : errno;
  }

 private:
  int id_;
  char* base_ = nullptr;
};

}  // namespace callgate
