// The kernel's classic BPF machine (net/core/filter.c), as far as seccomp admits it
// (seccomp_check_filter), so that tests can ask a program without loading it.
#include <linux/seccomp.h>

#include <array>
#include <cstring>

#include "monitor/filter.h"

namespace callgate {
namespace {

// What a program that the kernel would have rejected does here.
constexpr uint32_t kRejected = SECCOMP_RET_KILL_PROCESS;

uint32_t operate(uint16_t op, uint32_t a, uint32_t b) {
  switch (op) {
    case BPF_ADD:
      return a + b;
    case BPF_SUB:
      return a - b;
    case BPF_MUL:
      return a * b;
    case BPF_DIV:
      return b == 0 ? 0 : a / b;
    case BPF_OR:
      return a | b;
    case BPF_AND:
      return a & b;
    case BPF_XOR:
      return a ^ b;
    case BPF_LSH:
      return b > 31 ? 0 : a << b;
    case BPF_RSH:
      return b > 31 ? 0 : a >> b;
    case BPF_NEG:
      return 0U - a;
    default:
      return 0;
  }
}

bool holds(uint16_t op, uint32_t a, uint32_t b) {
  switch (op) {
    case BPF_JEQ:
      return a == b;
    case BPF_JGT:
      return a > b;
    case BPF_JGE:
      return a >= b;
    case BPF_JSET:
      return (a & b) != 0;
    default:
      return false;
  }
}

}  // namespace

uint32_t evaluate_filter(std::span<const sock_filter> program, uint32_t audit_arch, int number,
                         std::span<const uint64_t, 6> arguments, uint64_t instruction_pointer) {
  seccomp_data data{};
  data.nr = number;
  data.arch = audit_arch;
  data.instruction_pointer = instruction_pointer;
  for (size_t i = 0; i < arguments.size(); ++i) data.args[i] = arguments[i];

  uint32_t a = 0;
  uint32_t x = 0;
  std::array<uint32_t, BPF_MEMWORDS> scratch{};
  for (size_t at = 0; at < program.size(); ++at) {
    const sock_filter& instruction = program[at];
    const uint16_t code = instruction.code;
    const uint32_t operand = BPF_SRC(code) == BPF_X ? x : instruction.k;
    switch (BPF_CLASS(code)) {
      case BPF_LD:
        if (BPF_MODE(code) == BPF_IMM) {
          a = instruction.k;
        } else if (BPF_MODE(code) == BPF_MEM && instruction.k < BPF_MEMWORDS) {
          a = scratch[instruction.k];
        } else if (code == (BPF_LD | BPF_W | BPF_ABS) && instruction.k % 4 == 0 &&
                   instruction.k < sizeof(data)) {
          std::memcpy(&a, reinterpret_cast<const char*>(&data) + instruction.k, sizeof(a));
        } else {
          return kRejected;
        }
        break;
      case BPF_LDX:
        if (BPF_MODE(code) == BPF_IMM) {
          x = instruction.k;
        } else if (BPF_MODE(code) == BPF_MEM && instruction.k < BPF_MEMWORDS) {
          x = scratch[instruction.k];
        } else {
          return kRejected;
        }
        break;
      case BPF_ST:
      case BPF_STX:
        if (instruction.k >= BPF_MEMWORDS) return kRejected;
        scratch[instruction.k] = BPF_CLASS(code) == BPF_ST ? a : x;
        break;
      case BPF_ALU:
        a = operate(BPF_OP(code), a, operand);
        break;
      case BPF_JMP:
        if (BPF_OP(code) == BPF_JA) {
          at += instruction.k;
        } else {
          at += holds(BPF_OP(code), a, operand) ? instruction.jt : instruction.jf;
        }
        break;
      case BPF_RET:
        return BPF_RVAL(code) == BPF_A ? a : instruction.k;
      case BPF_MISC:
        if (BPF_MISCOP(code) == BPF_TAX) {
          x = a;
        } else {
          a = x;
        }
        break;
      default:
        return kRejected;
    }
  }
  return kRejected;  // ran off its end
}

}  // namespace callgate
