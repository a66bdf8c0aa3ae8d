// What a task stands at: the call of a seccomp stop, and whose ABI it is made in.
#include <sys/ptrace.h>

#include <algorithm>

#include "monitor/tracer.h"

namespace callgate {

// Most numbers tell all (plain_stops), and one request does.
Result<Stop> Tracer::read_stop(pid_t tid) const {
  Stop stop;
  CALLGATE_TRY(stop.registers, Registers::fetch(tid));
  const Registers& registers = *stop.registers;
  stop.abi = Registers::native();
  const int number = registers.number(stop.abi);
  if (number >= 0 && static_cast<size_t>(number) < plain_stops_.size() &&
      plain_stops_[static_cast<size_t>(number)]) {
    stop.row = find_syscall(stop.abi, number);
    for (int i = 0; i < 6; ++i) {
      stop.arguments[static_cast<size_t>(i)] = registers.argument(stop.abi, i);
    }
    stop.instruction_pointer = registers.instruction_pointer();
    return stop;
  }
  __ptrace_syscall_info info{};
  if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof info, &info) < 0) {
    return last_error();
  }
  if (info.op != PTRACE_SYSCALL_INFO_SECCOMP) return Error{EINVAL};
  const auto abi = abi_from_audit_arch(info.arch);
  if (!abi) return Error{ENOSYS};
  stop.abi = *abi;
  stop.row = find_syscall(*abi, static_cast<int>(info.seccomp.nr));
  std::copy_n(info.seccomp.args, 6, stop.arguments.begin());
  if (pointer_size(*abi) == 4) {
    for (uint64_t& argument : stop.arguments) argument &= 0xffffffffu;
  }
  stop.instruction_pointer = info.instruction_pointer;
  stop.note = static_cast<uint16_t>(info.seccomp.ret_data);
  return stop;
}

}  // namespace callgate
