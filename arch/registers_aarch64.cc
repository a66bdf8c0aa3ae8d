// Registers of AArch64. Two traits differ from x86: the call's number is a register set of its own
// (writing x8 alone does not change the call: arch/arm64/kernel/ptrace.c), and x0 is both the first
// argument and the result, so only Registers fetched *before* the call ran hold argument 0.
#include <elf.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "arch/registers.h"

#ifndef NT_ARM_SYSTEM_CALL
#define NT_ARM_SYSTEM_CALL 0x404
#endif

namespace callgate {
namespace {

constexpr int kNumberRegister = 8;  // x8

template <typename T>
bool get_set(pid_t tid, long set, T* into) {
  iovec io{into, sizeof(T)};
  if (::ptrace(PTRACE_GETREGSET, tid, set, &io) != 0) return false;
  if (io.iov_len == sizeof(T)) return true;
  errno = EOPNOTSUPP;  // a 32-bit task: its set is shorter, and callgate does not speak its ABI
  return false;
}

template <typename T>
bool put_set(pid_t tid, long set, const T& from) {
  iovec io{const_cast<T*>(&from), sizeof(T)};  // the kernel only reads it
  return ::ptrace(PTRACE_SETREGSET, tid, set, &io) == 0;
}

}  // namespace

Result<Registers> Registers::fetch(pid_t tid) {
  Registers registers;
  if (!get_set(tid, NT_PRSTATUS, &registers.regs_)) return last_error();
  if (!get_set(tid, NT_ARM_SYSTEM_CALL, &registers.number_)) return last_error();
  return registers;
}

Status Registers::store(pid_t tid) const {
  if (!put_set(tid, NT_PRSTATUS, regs_)) return last_error();
  if (!put_set(tid, NT_ARM_SYSTEM_CALL, number_)) return last_error();
  return Unit{};
}

Abi Registers::native() { return Abi::Aarch64; }

int Registers::number(Abi /*abi*/) const { return number_; }

uint64_t Registers::whole_number() const { return static_cast<uint32_t>(number_); }

void Registers::set_number(Abi /*abi*/, int number) { number_ = number; }

uint64_t Registers::argument(Abi /*abi*/, int index) const { return regs_.regs[index]; }

void Registers::set_argument(Abi /*abi*/, int index, uint64_t value) { regs_.regs[index] = value; }

int64_t Registers::result(Abi /*abi*/) const { return static_cast<int64_t>(regs_.regs[0]); }

void Registers::set_result(Abi /*abi*/, int64_t value) {
  regs_.regs[0] = static_cast<uint64_t>(value);
}

uint64_t Registers::instruction_pointer() const { return regs_.pc; }
void Registers::set_instruction_pointer(uint64_t address) { regs_.pc = address; }
uint64_t Registers::stack_pointer() const { return regs_.sp; }

void Registers::skip_call(Abi abi, int64_t value) {
  set_number(abi, -1);
  set_result(abi, value);
}

// Call it on Registers that were fetched at the entry stop: at an exit stop x0 is the result, and
// the kernel's own copy of argument 0 (orig_x0) is in no register set.
void Registers::restart_call(Abi /*abi*/) {
  regs_.pc -= 4;
  regs_.regs[kNumberRegister] = static_cast<uint64_t>(static_cast<int64_t>(number_));
  number_ = -1;  // no call is in progress: the kernel's restart logic keeps out of it
}

Result<int64_t> Registers::fetch_result(pid_t tid, Abi /*abi*/) {
  user_regs_struct regs{};
  if (!get_set(tid, NT_PRSTATUS, &regs)) return last_error();
  return static_cast<int64_t>(regs.regs[0]);
}

}  // namespace callgate
