// attack: arm64-compat-and-tags
// class: abi
// severity: high
// needs: aarch64
// trap: A 64-bit Arm kernel may run 32-bit programs, whose registers come in another size and whose
//   numbers are another table's; and it may take addresses with a tag in their top byte, which the
//   kernel drops and a monitor's pread of /proc/<pid>/mem does not. Ask for $S/key in both ways.
// naive: Assumes the size of the register set; a read at a tagged address fails, so the call goes
//   on.
// kernel: A compat task has a 72-byte NT_PRSTATUS, AUDIT_ARCH_ARM, and r12 instead of x7
//   (ptrace.c); with PR_SET_TAGGED_ADDR_CTRL tagged pointers are good arguments (arm64,
//   tagged-address-abi.rst).
// sealed: An architecture without a table is ENOSYS in the filter, call by call; addresses are read
//   as the kernel reads them, and what cannot be read is refused.
// source: arm64 tagged-address-abi.rst; arch/arm64/kernel/ptrace.c, compat views
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   path allow execute $T/compat
//   network deny all
// report: $S/key
#include <elf.h>

#include <array>

#include "tests/support/attack.h"

namespace attack {
namespace {

// openat(argv[1]), read, write to standard output, exit: numbers of 32-bit Arm.
constexpr std::array<uint32_t, 25> kCode = {
    0xe59d1008,  // ldr r1, [sp, #8]
    0xe3e00063,  // mvn r0, #99          AT_FDCWD
    0xe3a02000,  // mov r2, #0           O_RDONLY
    0xe3a03000,  // mov r3, #0
    0xe3007142,  // movw r7, #322        openat
    0xef000000,  // svc #0
    0xe3500000,  // cmp r0, #0
    0xba00000c,  // blt fail
    0xe24ddc01,  // sub sp, sp, #256
    0xe1a0100d,  // mov r1, sp
    0xe3a02c01,  // mov r2, #256
    0xe3a07003,  // mov r7, #3           read
    0xef000000,  // svc #0
    0xe1a02000,  // mov r2, r0
    0xe1a0100d,  // mov r1, sp
    0xe3a00001,  // mov r0, #1
    0xe3a07004,  // mov r7, #4           write
    0xef000000,  // svc #0
    0xe3a00000,  // mov r0, #0
    0xe3a07001,  // mov r7, #1           exit
    0xef000000,  // svc #0
    0xe3a00001,  // fail: mov r0, #1
    0xe3a07001,  // mov r7, #1
    0xef000000,  // svc #0
    0xe7f000f0,  // udf #0: where even exit is refused
};
constexpr uint32_t kBase = 0x10000;

void write_compat_program(const std::string& path) {
  struct {
    Elf32_Ehdr header{};
    Elf32_Phdr segment{};
    std::array<uint32_t, kCode.size()> code = kCode;
  } file;
  std::memcpy(file.header.e_ident, ELFMAG, SELFMAG);
  file.header.e_ident[EI_CLASS] = ELFCLASS32;
  file.header.e_ident[EI_DATA] = ELFDATA2LSB;
  file.header.e_ident[EI_VERSION] = EV_CURRENT;
  file.header.e_type = ET_EXEC;
  file.header.e_machine = EM_ARM;
  file.header.e_version = EV_CURRENT;
  file.header.e_entry = kBase + sizeof file.header + sizeof file.segment;
  file.header.e_phoff = sizeof file.header;
  file.header.e_flags = 0x05000000;  // EABI 5
  file.header.e_ehsize = sizeof file.header;
  file.header.e_phentsize = sizeof file.segment;
  file.header.e_phnum = 1;
  file.segment.p_type = PT_LOAD;
  file.segment.p_vaddr = file.segment.p_paddr = kBase;
  file.segment.p_filesz = file.segment.p_memsz = sizeof file;
  file.segment.p_flags = PF_R | PF_X;
  file.segment.p_align = 0x1000;
  spill(path, {reinterpret_cast<const char*>(&file), sizeof file});
  must(::chmod(path.c_str(), 0755) == 0, "chmod");
}

// What a 32-bit program reads there; `ran` says whether this kernel has such programs.
std::string read_by_compat(const std::string& path, bool* ran) {
  const std::string program = work("compat");
  write_compat_program(program);
  int pipes[2];
  must(::pipe(pipes) == 0, "pipe");
  const pid_t child = spawn([&] {
    ::dup2(pipes[1], 1);
    ::execl(program.c_str(), "compat", path.c_str(), nullptr);
    finish(errno == ENOEXEC ? kSkipped : kVoid);
  });
  ::close(pipes[1]);
  std::string text = read_all(pipes[0]);
  ::close(pipes[0]);
  *ran = reap(child) != kSkipped;
  return text;
}

// An open by an address with a tag; -2: this kernel knows no tags.
int open_tagged(const std::string& path) {
  constexpr int kSetTaggedAddressControl = 55;
  if (::prctl(kSetTaggedAddressControl, 1, 0, 0, 0) != 0) return -2;
  const auto address = reinterpret_cast<uintptr_t>(path.c_str()) | uint64_t{0x5a} << 56;
  return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, address, O_RDONLY, 0));
}

}  // namespace

void strike() {
  take(open_tagged(secret()));
  bool ran = false;
  const std::string text = read_by_compat(secret(), &ran);
  if (!text.empty()) prey_taken(text);
  take(secret());
  held("32-bit programs and tagged addresses");
}

void twin() {
  const int fd = open_tagged(work("ok.dat"));
  must(fd == -2 || (fd >= 0 && read_all(fd) == kHarmless), "an allowed name at a tagged address");
  must(reads(work("ok.dat"), kHarmless), "and at a plain one");
  must(::syscall(SYS_openat, AT_FDCWD, uint64_t{0x5a} << 56, O_RDONLY, 0) == -1 && errno == EFAULT,
       "a tagged bad address");
  twin_ok();
}

}  // namespace attack
