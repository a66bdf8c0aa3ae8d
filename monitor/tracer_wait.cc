// Waits that a stop of ours has interrupted. Some calls answer EINTR to any stop (epoll_wait,
// semop, sigtimedwait; signal(7)), which the program must not see: the call is made to start over.
// The kernel then waits the whole time anew, and where stops come more often than that it would
// wait for ever: so the time is counted here from the first stop on, and the wait ended when it is
// over.
#include <sys/ptrace.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <optional>
#include <string_view>
#include <utility>

#include "monitor/clock.h"
#include "monitor/socket_address.h"
#include "monitor/tracer.h"

namespace callgate {
namespace {

Result<__ptrace_syscall_info> syscall_info(pid_t tid) {
  __ptrace_syscall_info info{};
  if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof info, &info) < 0) return last_error();
  return info;
}

Result<Abi> current_abi(pid_t tid) {
  CALLGATE_TRY(const auto info, syscall_info(tid));
  const auto abi = abi_from_audit_arch(info.arch);
  if (!abi) return Error{ENOSYS};
  return *abi;
}

struct Limit {
  int64_t ns = 0;
  int result = 0;  // of the call, when the time is over
};

enum class Form : uint8_t { Milliseconds, Timespec, Receiving, Sending };
struct Waiting {
  std::string_view name;
  Form form;
  int argument;
  int result;
};
constexpr auto kWaiting = std::to_array<Waiting>({
    {"epoll_wait", Form::Milliseconds, 3, 0},
    {"epoll_pwait", Form::Milliseconds, 3, 0},
    {"epoll_pwait2", Form::Timespec, 3, 0},
    {"rt_sigtimedwait", Form::Timespec, 2, -EAGAIN},
    {"rt_sigtimedwait_time64", Form::Timespec, 2, -EAGAIN},
    {"semtimedop", Form::Timespec, 3, -EAGAIN},
    {"semtimedop_time64", Form::Timespec, 3, -EAGAIN},
    {"io_getevents", Form::Timespec, 4, 0},
    {"io_pgetevents", Form::Timespec, 4, 0},
    {"read", Form::Receiving, 0, -EAGAIN},
    {"readv", Form::Receiving, 0, -EAGAIN},
    {"recvfrom", Form::Receiving, 0, -EAGAIN},
    {"recvmsg", Form::Receiving, 0, -EAGAIN},
    {"accept", Form::Receiving, 0, -EAGAIN},
    {"accept4", Form::Receiving, 0, -EAGAIN},
    {"write", Form::Sending, 0, -EAGAIN},
    {"writev", Form::Sending, 0, -EAGAIN},
    {"sendto", Form::Sending, 0, -EAGAIN},
    {"sendmsg", Form::Sending, 0, -EAGAIN},
});

template <typename Word>
Result<int64_t> timespec_ns(pid_t tid, uint64_t address) {
  using Pair = std::array<Word, 2>;
  CALLGATE_TRY(const Pair value, TraceeMemory(tid).read_value<Pair>(TraceeAddr{address}));
  constexpr int64_t kLong = int64_t{1} << 33;  // seconds; more would not fit, and ends never
  if (value[0] < 0 || value[0] > kLong) return Error{EINVAL};
  return int64_t{value[0]} * 1'000'000'000 + value[1];
}

// nullopt: the call waits for ever, or is none of these.
std::optional<Limit> limit_of(pid_t tid, Abi abi, const Registers& registers) {
  const SyscallRow* row = find_syscall(abi, registers.number(abi));
  if (row == nullptr) return std::nullopt;
  for (const Waiting& waiting : kWaiting) {
    if (waiting.name != row->name) continue;
    const uint64_t given = registers.argument(abi, waiting.argument);
    Result<int64_t> ns = Error{EINVAL};
    switch (waiting.form) {
      case Form::Milliseconds:
        ns = int64_t{static_cast<int>(given)} * 1'000'000;
        break;
      case Form::Timespec: {
        if (given == 0) return std::nullopt;
        const bool narrow = pointer_size(abi) == 4 && waiting.name != "epoll_pwait2" &&
                            !waiting.name.ends_with("time64");
        ns = narrow ? timespec_ns<int32_t>(tid, given) : timespec_ns<int64_t>(tid, given);
        break;
      }
      case Form::Receiving:
      case Form::Sending:
        ns = socket_timeout_ns(tid, static_cast<int>(given),
                               waiting.form == Form::Sending ? SO_SNDTIMEO : SO_RCVTIMEO);
        if (ns.ok() && *ns == 0) return std::nullopt;
        break;
    }
    if (!ns.ok() || *ns < 0) return std::nullopt;
    return Limit{*ns, waiting.result};
  }
  return std::nullopt;
}

}  // namespace

void Tracer::on_event_stop(Task& task) {
  if (std::exchange(task.interrupted, false)) go_on_waiting(task);
  resume(task);
}

// Whether a signal is about to be delivered, by which the call is rightly interrupted.
bool Tracer::has_signal(pid_t tid) {
  auto status = read_task_status(tid);
  return !status.ok() || (status->pending & ~status->blocked) != 0;
}

// Unless a signal with a handler comes, the call starts over, or its time is over.
void Tracer::go_on_waiting(Task& task) {
  auto abi = current_abi(task.tid);
  auto registers = Registers::fetch(task.tid);
  if (!abi.ok() || !registers.ok() || registers->number(*abi) < 0 ||
      registers->result(*abi) != -EINTR) {
    return;
  }
  if (has_signal(task.tid)) return;
  registers->set_result(*abi, kRestartNoHand);
  if (const auto limit = limit_of(task.tid, *abi, *registers)) {
    const int64_t now = clock_ns(CLOCK_MONOTONIC);
    if (!task.waits) task.waits = TimedWait{registers->number(*abi), now};
    if (now - task.waits->since_ns >= limit->ns) {
      task.waits.reset();
      registers->set_result(*abi, limit->result);
    }
  }
  static_cast<void>(registers->store(task.tid));
}

// Where a wait is made to start over, the entry and the end of its call are stops. An interruption
// that comes meanwhile is over with either: no stop of its own follows.
void Tracer::follow_wait(Task& task) {
  const auto info = syscall_info(task.tid);
  if (info.ok() && info->op == PTRACE_SYSCALL_INFO_ENTRY &&
      static_cast<int>(info->entry.nr) == task.waits->number) {
    return;
  }
  const bool ended = info.ok() && info->op == PTRACE_SYSCALL_INFO_EXIT;
  if (ended && info->exit.rval == -EINTR && std::exchange(task.interrupted, false)) {
    go_on_waiting(task);
  } else {
    task.waits.reset();
  }
}

}  // namespace callgate
