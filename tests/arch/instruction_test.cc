#include "arch/instruction.h"

#include <gtest/gtest.h>

#include <vector>

namespace callgate {
namespace {

EntryInstruction decode(std::vector<uint8_t> bytes) { return decode_entry_instruction(bytes); }

#if defined(__x86_64__)
TEST(Instruction, TellsTheThreeWaysIntoTheKernelApart) {
  EXPECT_EQ(decode({0x0f, 0x05}), EntryInstruction::Syscall);
  EXPECT_EQ(decode({0xcd, 0x80}), EntryInstruction::Int80);
  EXPECT_EQ(decode({0x0f, 0x34}), EntryInstruction::Sysenter);
}

TEST(Instruction, LooksOnlyAtTheBytesBeforeTheInstructionPointer) {
  // mov $2, %eax; syscall
  EXPECT_EQ(decode({0xb8, 0x02, 0x00, 0x00, 0x00, 0x0f, 0x05}), EntryInstruction::Syscall);
  // syscall; nop; nop
  EXPECT_EQ(decode({0x0f, 0x05, 0x90, 0x90}), EntryInstruction::Unknown);
  EXPECT_EQ(decode({0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90,
                    0x90, 0xcd, 0x80}),
            EntryInstruction::Int80);
}

TEST(Instruction, NamesNothingElseAnEntry) {
  EXPECT_EQ(decode({0xcd, 0x03}), EntryInstruction::Unknown);  // int $3
  EXPECT_EQ(decode({0x0f, 0x0b}), EntryInstruction::Unknown);  // ud2
  EXPECT_EQ(decode({0x0f, 0x07}), EntryInstruction::Unknown);  // sysret
  EXPECT_EQ(decode({0x90, 0xcc}), EntryInstruction::Unknown);
  EXPECT_EQ(decode({0x05}), EntryInstruction::Unknown);
  EXPECT_EQ(decode({}), EntryInstruction::Unknown);
}
#endif

#if defined(__aarch64__)
TEST(Instruction, KnowsTheSupervisorCall) {
  EXPECT_EQ(decode({0x01, 0x00, 0x00, 0xd4}), EntryInstruction::Svc);
  EXPECT_EQ(decode({0x1f, 0x20, 0x03, 0xd5}), EntryInstruction::Unknown);  // nop
}
#endif

TEST(Instruction, HasANameForEach) {
  EXPECT_STREQ(entry_instruction_name(EntryInstruction::Unknown), "unknown");
  EXPECT_STREQ(entry_instruction_name(EntryInstruction::Syscall), "syscall");
  EXPECT_STREQ(entry_instruction_name(EntryInstruction::Int80), "int80");
  EXPECT_STREQ(entry_instruction_name(EntryInstruction::Sysenter), "sysenter");
  EXPECT_STREQ(entry_instruction_name(EntryInstruction::Svc), "svc");
}

}  // namespace
}  // namespace callgate
