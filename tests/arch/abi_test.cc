#include "arch/abi.h"

#include <gtest/gtest.h>
#include <linux/audit.h>

namespace callgate {
namespace {

TEST(Abi, IsNamedByTheAuditArchitecture) {
  EXPECT_EQ(abi_from_audit_arch(0xc000003e), Abi::X86_64);
  EXPECT_EQ(abi_from_audit_arch(0x40000003), Abi::I386);
  EXPECT_EQ(abi_from_audit_arch(0xc00000b7), Abi::Aarch64);
  for (Abi abi : {Abi::X86_64, Abi::I386, Abi::Aarch64}) {
    EXPECT_EQ(abi_from_audit_arch(audit_arch(abi)), abi);
  }
}

TEST(Abi, IsUnknownForEveryOtherArchitecture) {
  constexpr uint32_t kOthers[] = {0, AUDIT_ARCH_ARM, AUDIT_ARCH_RISCV64, AUDIT_ARCH_PPC64LE, ~0U};
  for (uint32_t other : kOthers) {
    EXPECT_EQ(abi_from_audit_arch(other), std::nullopt) << other;
  }
}

TEST(Abi, KnowsItsNameAndPointerSize) {
  EXPECT_EQ(abi_name(Abi::X86_64), "x86_64");
  EXPECT_EQ(abi_name(Abi::I386), "i386");
  EXPECT_EQ(abi_name(Abi::Aarch64), "aarch64");
  EXPECT_EQ(pointer_size(Abi::X86_64), 8);
  EXPECT_EQ(pointer_size(Abi::I386), 4);
  EXPECT_EQ(pointer_size(Abi::Aarch64), 8);
}

}  // namespace
}  // namespace callgate
