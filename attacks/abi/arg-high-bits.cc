// attack: arg-high-bits
// class: abi
// severity: critical
// models: naive
// needs: x86
// bits: 64, for there are no upper halves in an i386 program
// trap: Garbage in the upper halves of 32-bit arguments: AT_FDCWD as 0x00000000ffffff9c, O_RDONLY
//   with bits above 32, families and types with high bits.
// naive: Compares 64 bits: not AT_FDCWD, so a descriptor nobody knows; not AF_INET, so harmless.
// kernel: Each argument is truncated to its declared type (SYSCALL_DEFINE).
// sealed: Filter and decoder truncate by the row's roles.
// source: CVE-2019-10063 (flatpak), CVE-2019-7303 (snapd)
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: $S/key
#include "tests/support/attack.h"

namespace attack {
namespace {

constexpr long kHigh = 0x1234567800000000;

long low(long value) { return kHigh | (value & 0xffffffff); }

}  // namespace

void strike() {
  std::string key = secret();
  must(::chdir(work("").c_str()) == 0, "chdir");
  if (way("openat")) {
    take(static_cast<int>(::syscall(SYS_openat, low(AT_FDCWD), key.c_str(), low(O_RDONLY))));
  }
  std::string relative = ".." + std::string("/s/key");
  if (way("AT_FDCWD without its sign")) {
    take(static_cast<int>(::syscall(SYS_openat, 0xffffff9cL, relative.c_str(), O_RDONLY)));
  }
  if (way("AT_FDCWD")) {
    take(static_cast<int>(::syscall(SYS_openat, low(AT_FDCWD), relative.c_str(), O_RDONLY)));
  }
  auto s = static_cast<int>(::syscall(SYS_socket, low(AF_INET), low(SOCK_STREAM), kHigh));
  if (s >= 0 && way("connect")) {
    sockaddr_in address = v4("127.0.0.1", number("ATTACK_TCP"));
    if (::syscall(SYS_connect, low(s), &address, low(sizeof address)) == 0) take(s);
  }
  if (way("dup2")) {
    const int number = static_cast<int>(::syscall(SYS_dup2, low(::open("/", O_PATH)), low(100)));
    take(static_cast<int>(::syscall(SYS_openat, low(number), key.c_str() + 1, kHigh)));
  }
  if (way("unlinkat") && ::syscall(SYS_unlinkat, low(AT_FDCWD), key.c_str(), kHigh) == 0)
    prey_taken("unlinked");
  held("high bits");
}

void twin() {
  must(::chdir(work("").c_str()) == 0, "chdir");
  auto fd = static_cast<int>(::syscall(SYS_openat, low(AT_FDCWD), "ok.dat", low(O_RDONLY)));
  must(fd >= 0 && read_all(fd) == "harmless\n", "openat");
  must(::syscall(SYS_mkdirat, low(AT_FDCWD), "d", low(0755)) == 0, "mkdirat");
  must(::syscall(SYS_unlinkat, low(AT_FDCWD), "d", low(AT_REMOVEDIR)) == 0, "unlinkat");
  must(::syscall(SYS_fcntl, low(fd), low(F_GETFD), 0) >= 0, "fcntl");
  twin_ok();
}

}  // namespace attack
