// A stopped task's registers, seen through the ABI of the call it is in. One implementation per
// machine (registers_x86.cc, registers_aarch64.cc); CMake chooses the file.
#pragma once

#include <sys/types.h>
#include <sys/user.h>

#include <cstdint>

#include "arch/abi.h"
#include "arch/result.h"

namespace callgate {

class Registers {
 public:
  // One PTRACE_GETREGS (or GETREGSET). ESRCH when the task is gone.
  static Result<Registers> fetch(pid_t tid);
  // Writes all of them back. ESRCH when the task is gone.
  Status store(pid_t tid) const;

  // The ABI that these registers are named after: the machine's own.
  static Abi native();

  // The call's number as the kernel truncates it to 32 bits.
  [[nodiscard]] int number(Abi abi) const;
  void set_number(Abi abi, int number);
  // The whole register that it stands in, which may hold more than the kernel looks at.
  [[nodiscard]] uint64_t whole_number() const;
  [[nodiscard]] uint64_t argument(Abi abi, int index) const;  // zero-extended for i386
  void set_argument(Abi abi, int index, uint64_t value);
  [[nodiscard]] int64_t result(Abi abi) const;  // sign-extended
  void set_result(Abi abi, int64_t value);
  [[nodiscard]] uint64_t instruction_pointer() const;
  void set_instruction_pointer(uint64_t address);
  [[nodiscard]] uint64_t stack_pointer() const;

  // At a seccomp or entry stop: skip the call and answer this value instead (an errno negated).
  void skip_call(Abi abi, int64_t value);
  // Makes the call run again from its instruction with these registers' arguments: the program
  // counter steps back onto the instruction and the number stands where the instruction wants it.
  void restart_call(Abi abi);

  // Only the result register, without fetching the rest.
  static Result<int64_t> fetch_result(pid_t tid, Abi abi);

 private:
#if defined(__aarch64__)
  user_regs_struct regs_{};
  int number_ = -1;  // NT_ARM_SYSTEM_CALL: x8 alone does not change the call (arch/arm64/kernel/ptrace.c)
#else
  user_regs_struct regs_{};
#endif
};

}  // namespace callgate
