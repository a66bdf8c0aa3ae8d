// attack: arm64-skip
// class: abi
// severity: critical
// needs: aarch64
// trap: On AArch64 the number of a stopped call is no general register: a monitor that writes -1
//   into x8 has skipped nothing. Make calls that are to be refused, and look whether they ran all
//   the same; look whether x0 and x7 come back as they must.
// naive: A port from x86: writes the number where it was read, and takes x7, which tells entry from
//   exit at a stop, for the program's own.
// kernel: The number lives in the regset NT_ARM_SYSTEM_CALL; at syscall stops (not at seccomp
//   stops) the tracer sees 0 or 1 in x7, and what it writes there is dropped; x0 is argument and
//   result (arch/arm64/kernel/ptrace.c).
// sealed: Skips by NT_ARM_SYSTEM_CALL and sets x0; registers are given back whole at the exit stop,
//   with x0 as the argument where the kernel is about to restart the call.
// source: commit "arm64: ptrace: add NT_ARM_SYSTEM_CALL regset"; ptrace.c, comment on x7 and r12
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   path deny stat $S/**
//   network deny all
// report: $S/key
#include <sys/time.h>

#include "tests/support/attack.h"

namespace attack {
namespace {

constexpr uint64_t kMark = 0x7777'0000'1111'7777;

// A call with x7 marked; what stands there afterwards.
long call(long number, uint64_t a, const char* b, uint64_t c, uint64_t d, uint64_t* mark) {
  register uint64_t x8 asm("x8") = static_cast<uint64_t>(number);
  register uint64_t x0 asm("x0") = a;
  register uint64_t x1 asm("x1") = reinterpret_cast<uintptr_t>(b);
  register uint64_t x2 asm("x2") = c;
  register uint64_t x3 asm("x3") = d;
  register uint64_t x7 asm("x7") = kMark;
  asm volatile("svc #0" : "+r"(x0), "+r"(x7) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  *mark = x7;
  return static_cast<long>(x0);
}

constexpr auto kHere = static_cast<uint64_t>(AT_FDCWD);

bool there(const std::string& path) {
  struct stat status {};
  return ::fstatat(AT_FDCWD, path.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
}

}  // namespace

void strike() {
  const std::string key = secret();
  const std::string made = secret("made");
  uint64_t mark = 0;
  if (const long fd = call(SYS_openat, kHere, key.c_str(), O_RDONLY, 0, &mark); fd >= 0) {
    take(static_cast<int>(fd));
  }
  // A refused call that runs all the same opens the next free number, and makes and removes: the
  // driver looks at $S, and here the number tells.
  const int before = ::dup(0);
  ::close(before);
  call(SYS_openat, kHere, key.c_str(), O_RDWR, 0, &mark);
  if (::fcntl(before, F_GETFD) >= 0) take("/proc/self/fd/" + std::to_string(before));
  if (call(SYS_mkdirat, kHere, made.c_str(), 0700, 0, &mark) == 0 || there(made))
    prey_taken("made");
  if (call(SYS_unlinkat, kHere, key.c_str(), 0, 0, &mark) == 0) prey_taken("unlinked");
  call(-1, kHere, key.c_str(), O_RDONLY, 0, &mark);
  errno = EACCES;
  held("refused calls were skipped");
}

void twin() {
  const std::string ok = work("ok.dat");
  uint64_t mark = 0;
  const long fd = call(SYS_openat, kHere, ok.c_str(), O_RDONLY, 0, &mark);
  must(fd >= 0 && read_all(static_cast<int>(fd)) == kHarmless, "openat");
  must(mark == kMark, "x7 is the program's own");
  must(call(SYS_openat, kHere, work("nothing").c_str(), O_RDONLY, 0, &mark) == -ENOENT, "ENOENT");
  must(mark == kMark, "x7 after an error");
  must(call(-1, kHere, ok.c_str(), 0, 0, &mark) == -ENOSYS && mark == kMark, "-1 is no call");
  // Restarted after a handler: x0 must be the first argument again, not a result.
  must(::mkfifo(work("fifo").c_str(), 0600) == 0, "mkfifo");
  struct sigaction action {};
  action.sa_handler = [](int) {};
  action.sa_flags = SA_RESTART;
  must(::sigaction(SIGALRM, &action, nullptr) == 0, "sigaction");
  const pid_t writer = spawn([] {
    for (int i = 0; i < 20; ++i) {
      ::kill(::getppid(), SIGALRM);
      ::usleep(5000);
    }
    const int end = ::open(work("fifo").c_str(), O_WRONLY);
    must(end >= 0 && ::write(end, "through", 7) == 7, "write");
  });
  const std::string fifo = work("fifo");
  const long end = call(SYS_openat, kHere, fifo.c_str(), O_RDONLY, 0, &mark);
  must(end >= 0 && read_all(static_cast<int>(end)) == "through", "the restarted open");
  must(mark == kMark, "x7 after a restart");
  must(reap(writer) == 0, "the writer");
  twin_ok();
}

}  // namespace attack
