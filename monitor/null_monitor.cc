#include "monitor/null_monitor.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <unordered_map>

#include "arch/registers.h"
#include "arch/unique_fd.h"
#include "monitor/tracee_memory.h"
#include "monitor/wait_status.h"

namespace callgate {
namespace {

constexpr int kOptions = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK |
                         PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |
                         PTRACE_O_TRACESECCOMP;

void resume(__ptrace_request request, pid_t tid, int signal = 0) {
  ptrace(request, tid, nullptr, reinterpret_cast<void*>(static_cast<uintptr_t>(signal)));  // NOLINT
}

[[noreturn]] void become_program(const NullMonitor& monitor, int go) {
  std::vector<char*> argv;
  for (const std::string& word : monitor.argv) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  char byte = 0;
  const sock_fprog program{static_cast<unsigned short>(monitor.filter.program.size()),
                           const_cast<sock_filter*>(monitor.filter.program.data())};  // NOLINT
  if (::read(go, &byte, 1) == 1 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0) {
    execvp(argv[0], argv.data());
  }
  _exit(127);
}

class Stops {
 public:
  explicit Stops(NullStep last) : last_(last) {}

  void at_call(pid_t tid) {
    auto registers =
        does(NullStep::Fetch) ? Registers::fetch(tid) : Result<Registers>(Error{EAGAIN});
    if (registers.ok()) {
      if (does(NullStep::Name)) {
        constexpr size_t kFirstBytes = 256;  // as TraceeMemory::read_string does
        std::array<std::byte, kFirstBytes> bytes;
        const TraceeAddr name{registers->argument(Registers::native(), 1)};
        static_cast<void>(TraceeMemory(tid).read(name, bytes));
      }
      if (does(NullStep::Store)) static_cast<void>(registers->store(tid));
      if (does(NullStep::ExitStop)) calls_.insert_or_assign(tid, *registers);
    }
    resume(does(NullStep::ExitStop) ? PTRACE_SYSCALL : PTRACE_CONT, tid);
  }

  void at_return(pid_t tid) {
    const auto call = calls_.find(tid);
    if (does(NullStep::Result) && call != calls_.end()) {
      auto result = Registers::fetch_result(tid, Registers::native());
      if (does(NullStep::Restore) && result.ok()) {
        call->second.set_result(Registers::native(), *result);
        static_cast<void>(call->second.store(tid));
      }
    }
    resume(PTRACE_CONT, tid);
  }

 private:
  [[nodiscard]] bool does(NullStep step) const { return last_ >= step; }
  NullStep last_;
  std::unordered_map<pid_t, Registers> calls_;  // until they return
};

}  // namespace

const char* null_step_name(NullStep step) {
  switch (step) {
    case NullStep::Continue:
      return "continue";
    case NullStep::Fetch:
      return "fetch";
    case NullStep::Name:
      return "name";
    case NullStep::Store:
      return "store";
    case NullStep::ExitStop:
      return "exit-stop";
    case NullStep::Result:
      return "result";
    case NullStep::Restore:
      return "restore";
  }
  return "";
}

Result<int> NullMonitor::run() const {
  if (co_schedule) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<size_t>(sched_getcpu()), &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0) return last_error();
  }
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return last_error();
  UniqueFd go(ends[0]);
  UniqueFd say_go(ends[1]);
  const pid_t program = fork();
  if (program < 0) return last_error();
  if (program == 0) {
    say_go.reset();
    become_program(*this, go.get());
  }
  if (ptrace(PTRACE_SEIZE, program, 0, kOptions) != 0) return last_error();
  if (::write(say_go.get(), "g", 1) != 1) return last_error();

  Stops stops(last);
  int ended = 0;
  for (;;) {
    int raw = 0;
    const pid_t tid = waitpid(-1, &raw, __WALL);
    if (tid < 0 && errno == EINTR) continue;
    if (tid < 0) return ended;  // ECHILD: all are gone
    const WaitStatus status(raw);
    switch (status.kind()) {
      case WaitStatus::Kind::Seccomp:
        stops.at_call(tid);
        break;
      case WaitStatus::Kind::SyscallExit:
        stops.at_return(tid);
        break;
      case WaitStatus::Kind::GroupStop:
        resume(PTRACE_LISTEN, tid);
        break;
      case WaitStatus::Kind::Signal:
        resume(PTRACE_CONT, tid, status.signal());
        break;
      case WaitStatus::Kind::Exited:
      case WaitStatus::Kind::Killed:
        if (tid == program) ended = raw;
        break;
      case WaitStatus::Kind::NewTask:
      case WaitStatus::Kind::Exec:
      case WaitStatus::Kind::EventStop:
      case WaitStatus::Kind::OtherEvent:
        resume(PTRACE_CONT, tid);
        break;
    }
  }
}

}  // namespace callgate
