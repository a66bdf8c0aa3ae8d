// Which instruction brought a task into the kernel, decoded with Capstone.
#pragma once

#include <cstdint>
#include <span>

namespace callgate {

enum class EntryInstruction : uint8_t { Unknown, Syscall, Int80, Sysenter, Svc };

// `before` holds the bytes that end at the task's instruction pointer (up to 16 of them; the last
// byte is the one just before it).
EntryInstruction decode_entry_instruction(std::span<const uint8_t> before);
// Loads Capstone, which decoding does when this has not been called. To be called before anybody is
// traced who could put another library in its place.
void load_instruction_decoder();
const char* entry_instruction_name(EntryInstruction instruction);

}  // namespace callgate
