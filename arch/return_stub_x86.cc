#include "arch/return_stub.h"

namespace callgate {
namespace {

// Frame at rsi - 48: return address, rdi, rsi, rdx, r10. rcx is free: the syscall instruction
// itself leaves the return address in it. lea and jrcxz compare without touching a flag.
constexpr unsigned char kCode[] = {
    0x0f, 0x05,                    //  0        syscall             a restarted call begins here
    0x48, 0x8d, 0x48, 0x28,        //  2 entry: lea rcx, [rax + ELOOP]
    0xe3, 0x1d,                    //  6        jrcxz looped
    0x48, 0x8d, 0x48, 0x0d,        //  8        lea rcx, [rax + EACCES]
    0xe3, 0x20,                    // 12        jrcxz refused
    0x48, 0x8b, 0x4e, 0xd0,        // 14        mov rcx, [rsi - 48]
    0x48, 0x8b, 0x7e, 0xd8,        // 18        mov rdi, [rsi - 40]
    0x48, 0x8b, 0x56, 0xe8,        // 22        mov rdx, [rsi - 24]
    0x4c, 0x8b, 0x56, 0xf0,        // 26        mov r10, [rsi - 16]
    0x48, 0x8b, 0x76, 0xe0,        // 30        mov rsi, [rsi - 32]
    0x3e, 0xff, 0xe1,              // 34        notrack jmp rcx
    0xb8, 0xb5, 0x01, 0x00, 0x00,  // 37 looped: mov eax, 437       openat2: always traced
    0x0f, 0x05,                    // 42        syscall
    0x0f, 0x0b,                    // 44        ud2
    0xb8, 0xb5, 0x01, 0x00, 0x00,  // 46 refused: mov eax, 437
    0x0f, 0x05,                    // 51        syscall
    0x0f, 0x0b,                    // 53        ud2
};
constexpr uint64_t kEntry = 2;
constexpr uint64_t kLooped = 37;
constexpr uint64_t kRefused = 46;
static_assert(kCode[kEntry + 5] == kLooped - 8 && kCode[kEntry + 11] == kRefused - 14);

}  // namespace

std::span<const std::byte> return_stub() { return std::as_bytes(std::span(kCode)); }

std::array<uint64_t, kReturnFrameWords> return_frame(const Registers& original) {
  constexpr Abi kAbi = Abi::X86_64;
  return {original.instruction_pointer(), original.argument(kAbi, 0), original.argument(kAbi, 1),
          original.argument(kAbi, 2),     original.argument(kAbi, 3), 0};
}

StubPoint stub_point(uint64_t offset) {
  if (offset >= sizeof kCode) return StubPoint::Outside;
  if (offset >= kRefused) return StubPoint::Refused;
  return offset >= kLooped ? StubPoint::Looped : StubPoint::Returning;
}

uint64_t return_stub_entry() { return kEntry; }

}  // namespace callgate
