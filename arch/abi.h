// The calling conventions by which a program can enter the kernel. The ABI is a property of one
// call, not of a process: a 64-bit program may issue `int $0x80`.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace callgate {

enum class Abi : uint8_t { X86_64, I386, Aarch64 };
inline constexpr int kAbiCount = 3;

// From the AUDIT_ARCH_* value of PTRACE_GET_SYSCALL_INFO or seccomp_data; nullopt for any other.
std::optional<Abi> abi_from_audit_arch(uint32_t audit_arch);
uint32_t audit_arch(Abi abi);
std::string_view abi_name(Abi abi);  // "x86_64", "i386", "aarch64"

// Without the top bits, which the kernel ignores in an address that is given to munmap and the like
// (arm64's tags, x86's linear address masking).
constexpr uint64_t untagged(uint64_t address) { return address & 0x00ff'ffff'ffff'ffff; }

// 4 for i386, else 8.
constexpr int pointer_size(Abi abi) { return abi == Abi::I386 ? 4 : 8; }

}  // namespace callgate
