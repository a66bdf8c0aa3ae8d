// Runs callgate with its monitor under ptrace, and stops the monitor at each of its own system
// calls: a tracer is traced like anybody else. Knows nothing of what is injected there.
#pragma once

#include <elf.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

namespace inject {

inline void fatal(const std::string& what) {
  std::perror(what.c_str());
  std::exit(6);
}

inline volatile std::sig_atomic_t ticks = 0;  // of a timer, which also ends a waitpid

// The state letter of a task, 0 when it is gone.
inline char state_of(pid_t tid) {
  std::ifstream file("/proc/" + std::to_string(tid) + "/stat");
  std::string text;
  std::getline(file, text);
  const size_t end = text.rfind(')');
  return end == std::string::npos || end + 2 >= text.size() ? '\0' : text[end + 2];
}
inline bool is_dead(pid_t pid) {
  const char state = state_of(pid);
  return state == '\0' || state == 'Z' || state == 'X';
}

// May miss some while others come and go.
inline std::vector<pid_t> children_of(pid_t pid) {
  const std::string number = std::to_string(pid);
  std::ifstream file("/proc/" + number + "/task/" + number + "/children");
  std::vector<pid_t> out;
  for (pid_t child = 0; file >> child;) out.push_back(child);
  return out;
}

// Everybody below `pid`, but for those below `but`.
inline std::vector<pid_t> descendants_of(pid_t pid, pid_t but = 0) {
  std::vector<pid_t> all = children_of(pid);
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i] == but) continue;
    for (const pid_t child : children_of(all[i])) all.push_back(child);
  }
  return all;
}

inline pid_t tracer_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("TracerPid:")) return std::atoi(line.c_str() + 10);
  }
  return 0;
}

// Everybody that we have started, in what state and in which call, a line each.
inline std::string everybody() {
  std::string out;
  for (const pid_t pid : descendants_of(::getpid())) {
    const std::string place = "/proc/" + std::to_string(pid);
    const auto first_line = [&](const char* leaf) {
      std::ifstream file(place + leaf);
      std::string line;
      std::getline(file, line);
      return line;
    };
    out += "  " + std::to_string(pid) + " (" + first_line("/comm") + ") " + state_of(pid) +
           ", traced by " + std::to_string(tracer_of(pid)) + ", in " + first_line("/wchan") +
           ", call " + first_line("/syscall") + "\n";
  }
  return out;
}

constexpr std::chrono::seconds kPatience(60);

// Ours end with us (PR_SET_PDEATHSIG, EXITKILL).
[[noreturn]] inline void give_up(const std::string& what) {
  std::printf("GIVEN UP: waited in vain for %s\n%s", what.c_str(), everybody().c_str());
  std::exit(6);
}

// For what comes soon whatever the sandbox does.
inline void await(const std::string& what, const std::function<bool()>& is_so) {
  const auto begin = std::chrono::steady_clock::now();
  while (!is_so()) {
    if (std::chrono::steady_clock::now() - begin > kPatience) give_up(what);
    ::sched_yield();
  }
}
inline void await_death(pid_t pid) {
  await("the death of " + std::to_string(pid), [pid] { return is_dead(pid); });
}

// At a syscall entry stop: the call is not made, and answers this.
inline void answer_call(pid_t tid, int64_t value) {
#if defined(__aarch64__)
  user_regs_struct registers{};
  iovec all{&registers, sizeof registers};
  int number = -1;
  iovec call{&number, sizeof number};
  if (::ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &all) != 0) return;
  registers.regs[0] = static_cast<uint64_t>(value);
  ::ptrace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &all);
  ::ptrace(PTRACE_SETREGSET, tid, NT_ARM_SYSTEM_CALL, &call);
#else
  user_regs_struct registers{};
  if (::ptrace(PTRACE_GETREGS, tid, nullptr, &registers) != 0) return;
  registers.orig_rax = static_cast<uint64_t>(-1);
  registers.rax = static_cast<uint64_t>(value);
  ::ptrace(PTRACE_SETREGS, tid, nullptr, &registers);
#endif
}

// One run of callgate, from its start to the end of the last process.
class SteppedRun {
 public:
  struct Call {
    uint64_t number;
    uint64_t arguments[6];
  };
  // `on_call` is asked at the entry of each of the monitor's calls, `on_quiet` now and then; true:
  // the run hangs, and is killed.
  std::function<void(const Call&)> on_call;
  std::function<bool()> on_quiet;

  pid_t front = 0;
  pid_t monitor = 0;  // 0 before it is born and after it is gone
  int front_status = -1;
  bool hung = false;
  bool waiting = false;  // the monitor is in a wait4 that may sleep

  void run(char** argv, int report) {
    start(argv, report);
    for (auto seen = ticks;;) {
      int status = 0;
      const pid_t pid = ::waitpid(-1, &status, __WALL);
      if (pid < 0 && errno == ECHILD) return;
      if (pid < 0 && errno != EINTR) fatal("waitpid");
      if (pid >= 0) handle(pid, status);
      if (ticks == seen) continue;  // a tick need not fall into waitpid
      seen = ticks;
      if (hung || on_quiet()) kill_everything();
    }
  }

  // Whatever is still there, whoever it belongs to by now.
  void kill_everything() {
    if (!hung) hung_since_ = std::chrono::steady_clock::now();
    hung = true;
    if (std::chrono::steady_clock::now() - hung_since_ > kPatience)
      give_up("the end of the killed");
    for (const pid_t pid : {monitor, front}) {
      if (pid > 0) ::kill(pid, SIGKILL);
    }
    for (const pid_t pid : children_of(::getpid())) ::kill(pid, SIGKILL);
  }

 private:
  void start(char** argv, int report) {
    int gate[2];
    if (::pipe2(gate, O_CLOEXEC) != 0) fatal("pipe");
    front = ::fork();
    if (front < 0) fatal("fork");
    if (front == 0) {
      char byte = 0;
      if (::read(gate[0], &byte, 1) != 1) ::_exit(6);
      ::setpgid(0, 0);
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // and with it go its monitor and the sandbox
      ::dup2(report, STDERR_FILENO);
      ::execv(argv[0], argv);
      ::_exit(127);
    }
    constexpr long kOptions =
        PTRACE_O_TRACEFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEVFORK | PTRACE_O_TRACESYSGOOD;
    if (::ptrace(PTRACE_SEIZE, front, nullptr, kOptions) != 0) fatal("PTRACE_SEIZE");
    if (::write(gate[1], "x", 1) != 1) fatal("write");
    ::close(gate[0]);
    ::close(gate[1]);
  }

  void handle(pid_t pid, int status) {
    if (!WIFSTOPPED(status)) {
      if (pid == front) front_status = status;
      if (pid == monitor) monitor = 0;
      return;
    }
    const int event = status >> 16;
    const int number = WSTOPSIG(status);
    if (pid == front) {
      const bool birth =
          event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_CLONE || event == PTRACE_EVENT_VFORK;
      if (!birth || on_birth()) ::ptrace(PTRACE_CONT, pid, nullptr, event != 0 ? 0 : number);
      return;
    }
    if (pid != monitor) {
      early_ = pid;  // before the front's event that tells of its birth
      return;
    }
    if (number == (SIGTRAP | 0x80)) on_syscall_stop();
    ::ptrace(PTRACE_SYSCALL, pid, nullptr, event != 0 || (number & 0x80) != 0 ? 0 : number);
  }

  // The front's first child is the monitor; the second the program, which the monitor will trace.
  // False: the front is on its own from here on.
  bool on_birth() {
    unsigned long message = 0;
    ::ptrace(PTRACE_GETEVENTMSG, front, nullptr, &message);
    const auto child = static_cast<pid_t>(message);
    await("the first stop of " + std::to_string(child), [&] {
      int status = 0;
      return early_ == child || ::waitpid(child, &status, __WALL | WNOHANG) == child;
    });
    if (++births_ == 1) {
      monitor = child;
      ::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
      ::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
      return true;
    }
    ::ptrace(PTRACE_DETACH, child, nullptr, nullptr);
    ::ptrace(PTRACE_DETACH, front, nullptr, nullptr);
    return false;
  }

  void on_syscall_stop() {
    __ptrace_syscall_info info{};
    if (::ptrace(PTRACE_GET_SYSCALL_INFO, monitor, sizeof info, &info) < 0) return;
    waiting = false;
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY) return;
    Call call{info.entry.nr, {}};
    for (int i = 0; i < 6; ++i) call.arguments[i] = info.entry.args[i];
    waiting = call.number == SYS_wait4 && (call.arguments[2] & WNOHANG) == 0;
    on_call(call);
  }

  int births_ = 0;
  pid_t early_ = 0;  // stopped before it was known
  std::chrono::steady_clock::time_point hung_since_;
};

}  // namespace inject
