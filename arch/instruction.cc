#include "arch/instruction.h"

#include <capstone/capstone.h>

namespace callgate {
namespace {

#if defined(__aarch64__)
constexpr size_t kEntryBytes = 4;
constexpr cs_arch kArchitecture = CS_ARCH_ARM64;
constexpr cs_mode kMode = CS_MODE_LITTLE_ENDIAN;

EntryInstruction classify(const cs_insn& instruction) {
  return instruction.id == ARM64_INS_SVC ? EntryInstruction::Svc : EntryInstruction::Unknown;
}
#else
// All three are two bytes long and mean the same in 64-bit and in 32-bit code.
constexpr size_t kEntryBytes = 2;
constexpr cs_arch kArchitecture = CS_ARCH_X86;
constexpr cs_mode kMode = CS_MODE_64;

EntryInstruction classify(const cs_insn& instruction) {
  if (instruction.id == X86_INS_SYSCALL) return EntryInstruction::Syscall;
  if (instruction.id == X86_INS_SYSENTER) return EntryInstruction::Sysenter;
  // `int n` with any other n does not enter by the system call gate.
  if (instruction.id == X86_INS_INT && instruction.bytes[1] == 0x80) {
    return EntryInstruction::Int80;
  }
  return EntryInstruction::Unknown;
}
#endif

class Disassembler {
 public:
  Disassembler() {
    if (cs_open(kArchitecture, kMode, &handle_) != CS_ERR_OK) return;
    instruction_ = cs_malloc(handle_);
  }
  Disassembler(const Disassembler&) = delete;
  Disassembler& operator=(const Disassembler&) = delete;
  ~Disassembler() {
    if (instruction_ != nullptr) cs_free(instruction_, 1);
    if (handle_ != 0) cs_close(&handle_);
  }

  // The one instruction that fills these bytes exactly, or null.
  const cs_insn* decode(std::span<const uint8_t> bytes) {
    if (instruction_ == nullptr) return nullptr;
    const uint8_t* code = bytes.data();
    size_t left = bytes.size();
    uint64_t address = 0;
    if (!cs_disasm_iter(handle_, &code, &left, &address, instruction_) || left != 0) return nullptr;
    return instruction_;
  }

 private:
  csh handle_ = 0;
  cs_insn* instruction_ = nullptr;
};

}  // namespace

EntryInstruction decode_entry_instruction(std::span<const uint8_t> before) {
  thread_local Disassembler disassembler;  // opening one costs far more than decoding
  if (before.size() < kEntryBytes) return EntryInstruction::Unknown;
  const cs_insn* instruction = disassembler.decode(before.last(kEntryBytes));
  return instruction == nullptr ? EntryInstruction::Unknown : classify(*instruction);
}

const char* entry_instruction_name(EntryInstruction instruction) {
  switch (instruction) {
    case EntryInstruction::Unknown:
      return "unknown";
    case EntryInstruction::Syscall:
      return "syscall";
    case EntryInstruction::Int80:
      return "int80";
    case EntryInstruction::Sysenter:
      return "sysenter";
    case EntryInstruction::Svc:
      return "svc";
  }
  return "unknown";
}

}  // namespace callgate
