// attack: unreadable-name
// class: abi
// severity: critical
// needs: x86
// bare: held
// trap: The name's pointer leads nowhere, so that the call must fail with EFAULT. A monitor that
//   lets the kernel itself say so needs an address nobody can read; the one it takes, cut to 32
//   bits by the i386 entry, is memory like any other: put "$S/key" there.
// naive: "-65536 is the kernel's half of the address space."
// kernel: A 64-bit kernel gives 32-bit calls the whole 4 GiB: TASK_SIZE is 0xffffe000 for an i386
//   program, and a 64-bit one may map every page below 4 GiB
//   (arch/x86/include/asm/page_64_types.h).
// sealed: No address of the kernel's can be said in 32 bits, so EFAULT is answered without it.
// source: callgate's own fuzzer of names, built for i386
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   path deny stat $S/
//   network deny all
// report: none
#include "tests/support/int80.h"

namespace attack {
namespace {

constexpr long kTop = 0xffff0000;
constexpr long kNowhere = 8;

void lay_out_at_the_top(const std::string& name) {
  auto* place = reinterpret_cast<char*>(static_cast<uintptr_t>(static_cast<uint32_t>(kTop)));
  for (long offset = 0; offset < 0xe000; offset += 4096) {  // an i386 program's stack may be there
    ::mmap(place + offset, 4096, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  }
  std::strcpy(place, name.c_str());
}

}  // namespace

void strike() {
  need_32_bit_calls();
  lay_out_at_the_top(secret());
  if (int80(15 /* chmod */, kNowhere, 0777) == 0) prey_taken("chmod");
  if (int80(92 /* truncate */, kNowhere, 0) == 0) prey_taken("truncated");
  if (int80(30 /* utime */, kNowhere, 0) == 0) prey_taken("touched");
  if (int80(33 /* access */, kNowhere, R_OK) == 0) prey_taken("seen");
  if (int80(10 /* unlink */, kNowhere) == 0) prey_taken("unlinked");
  lay_out_at_the_top(secret("new"));
  if (int80(39 /* mkdir */, kNowhere, 0777) == 0) prey_taken("mkdir");
  lay_out_at_the_top(secret("sub"));
  if (int80(40 /* rmdir */, kNowhere) == 0) prey_taken("rmdir");
  errno = EFAULT;
  held("by a name that is not there");
}

void twin() {
  need_32_bit_calls();
  for (long nr : {10, 12, 15, 30, 33, 39, 40, 92}) {
    must(int80(nr, kNowhere, 0) == -EFAULT, "EFAULT");
  }
  lay_out_at_the_top(work("dir"));
  must(int80(39 /* mkdir */, kTop, 0755) == 0, "a name at the top works");
  must(int80(40 /* rmdir */, kTop) == 0, "rmdir");
  twin_ok();
}

}  // namespace attack
