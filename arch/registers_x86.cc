// Registers of x86-64 machines: the 64-bit ABI and i386 (int $0x80, sysenter, 32-bit programs). A
// 64-bit tracer gets the 64-bit register file of either kind of task from PTRACE_GETREGS.
#include <sys/ptrace.h>

#include <cstddef>

#include "arch/registers.h"

namespace callgate {
namespace {

using Register = unsigned long long user_regs_struct::*;

constexpr Register kX86_64Arguments[] = {&user_regs_struct::rdi, &user_regs_struct::rsi,
                                         &user_regs_struct::rdx, &user_regs_struct::r10,
                                         &user_regs_struct::r8,  &user_regs_struct::r9};
constexpr Register kI386Arguments[] = {&user_regs_struct::rbx, &user_regs_struct::rcx,
                                       &user_regs_struct::rdx, &user_regs_struct::rsi,
                                       &user_regs_struct::rdi, &user_regs_struct::rbp};

Register argument_register(Abi abi, int index) {
  return (abi == Abi::I386 ? kI386Arguments : kX86_64Arguments)[index];
}

int64_t result_of(Abi abi, uint64_t rax) {
  // A 32-bit caller sees only eax, so its upper half is no part of the result.
  if (abi == Abi::I386) return static_cast<int32_t>(static_cast<uint32_t>(rax));
  return static_cast<int64_t>(rax);
}

}  // namespace

Result<Registers> Registers::fetch(pid_t tid) {
  Registers registers;
  if (::ptrace(PTRACE_GETREGS, tid, nullptr, &registers.regs_) != 0) return last_error();
  return registers;
}

Status Registers::store(pid_t tid) const {
  if (::ptrace(PTRACE_SETREGS, tid, nullptr, &regs_) != 0) return last_error();
  return Unit{};
}

Abi Registers::native() { return Abi::X86_64; }

int Registers::number(Abi /*abi*/) const {
  // The kernel takes the low 32 bits: rax = 0x1'0000'0002 is open.
  return static_cast<int>(static_cast<uint32_t>(regs_.orig_rax));
}

uint64_t Registers::whole_number() const { return regs_.orig_rax; }

void Registers::set_number(Abi /*abi*/, int number) {
  regs_.orig_rax = static_cast<uint64_t>(static_cast<int64_t>(number));
}

uint64_t Registers::argument(Abi abi, int index) const {
  const uint64_t value = regs_.*argument_register(abi, index);
  return abi == Abi::I386 ? static_cast<uint32_t>(value) : value;
}

void Registers::set_argument(Abi abi, int index, uint64_t value) {
  regs_.*argument_register(abi, index) = abi == Abi::I386 ? static_cast<uint32_t>(value) : value;
}

int64_t Registers::result(Abi abi) const { return result_of(abi, regs_.rax); }

void Registers::set_result(Abi /*abi*/, int64_t value) { regs_.rax = static_cast<uint64_t>(value); }

uint64_t Registers::instruction_pointer() const { return regs_.rip; }
void Registers::set_instruction_pointer(uint64_t address) { regs_.rip = address; }
uint64_t Registers::stack_pointer() const { return regs_.rsp; }

void Registers::skip_call(Abi abi, int64_t value) {
  // __secure_computing() returns early on a negative number and leaves rax as the tracer set it.
  set_number(abi, -1);
  set_result(abi, value);
}

void Registers::restart_call(Abi /*abi*/) {
  // syscall, int $0x80 and sysenter are two bytes each; for sysenter the kernel reports the vDSO's
  // landing pad, which stands behind an int $0x80 for this very purpose (entry_64_compat.S).
  regs_.rip -= 2;
  regs_.rax = regs_.orig_rax;  // whole, with whatever the program left in the upper half
  // -1: the kernel's own restart logic (arch_do_signal_or_restart) keeps out of it.
  regs_.orig_rax = static_cast<uint64_t>(-1);
}

Result<int64_t> Registers::fetch_result(pid_t tid, Abi abi) {
  errno = 0;
  const long value = ::ptrace(PTRACE_PEEKUSER, tid, offsetof(user_regs_struct, rax), nullptr);
  if (errno != 0) return last_error();  // -1 is a value like any other
  return result_of(abi, static_cast<uint64_t>(value));
}

}  // namespace callgate
