#include "arch/instruction.h"

#include <capstone/capstone.h>
#include <dlfcn.h>

#include <string>

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

// Capstone is loaded by who names call sites, and by nobody else: its tables for a dozen architectures are
// two megabytes of relocations, a third of the time that a run without a log needs to start.
class Disassembler {
 public:
  Disassembler() {
    const std::string name = "libcapstone.so." + std::to_string(CS_API_MAJOR);
    library_ = ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library_ == nullptr || !find("cs_open", &open_) || !find("cs_malloc", &allocate_) ||
        !find("cs_disasm_iter", &step_)) {
      return;
    }
    if (open_(kArchitecture, kMode, &handle_) == CS_ERR_OK) instruction_ = allocate_(handle_);
  }

  // The one instruction that fills these bytes exactly, or null.
  const cs_insn* decode(std::span<const uint8_t> bytes) {
    if (instruction_ == nullptr) return nullptr;
    const uint8_t* code = bytes.data();
    size_t left = bytes.size();
    uint64_t address = 0;
    if (!step_(handle_, &code, &left, &address, instruction_) || left != 0) return nullptr;
    return instruction_;
  }

 private:
  template <typename Function>
  bool find(const char* name, Function* function) {
    *function = reinterpret_cast<Function>(::dlsym(library_, name));
    return *function != nullptr;
  }

  void* library_ = nullptr;  // for the rest of the process
  decltype(&cs_open) open_ = nullptr;
  decltype(&cs_malloc) allocate_ = nullptr;
  decltype(&cs_disasm_iter) step_ = nullptr;
  csh handle_ = 0;
  cs_insn* instruction_ = nullptr;
};

Disassembler& disassembler() {
  static Disassembler only;  // opening one costs far more than decoding
  return only;
}

}  // namespace

void load_instruction_decoder() { static_cast<void>(disassembler()); }

EntryInstruction decode_entry_instruction(std::span<const uint8_t> before) {
  if (before.size() < kEntryBytes) return EntryInstruction::Unknown;
  const cs_insn* instruction = disassembler().decode(before.last(kEntryBytes));
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
