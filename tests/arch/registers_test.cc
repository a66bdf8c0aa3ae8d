// Registers against the real kernel: a child enters calls in both ABIs of x86-64 and its tracer
// reads and changes them.
#include "arch/registers.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

#if defined(__x86_64__)
namespace callgate {
namespace {

constexpr uint64_t kGarbage = 0xdead'beef'0000'0000;

// A call with all six arguments and the number's upper half given by the test.
long raw_syscall(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                 uint64_t f) {
  long result = 0;
  register uint64_t r10 asm("r10") = d;
  register uint64_t r8 asm("r8") = e;
  register uint64_t r9 asm("r9") = f;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

long raw_int80(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e) {
  long result = 0;
  asm volatile("int $0x80"
               : "=a"(result)
               : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
               : "memory", "r8", "r9", "r10", "r11");
  return result;
}

// A traced child that runs `body` and exits with what it returns. next() runs it to its next
// system call stop; the child is stopped in between.
class Tracee {
 public:
  explicit Tracee(const std::function<int()>& body) : pid_(::fork()) {
    if (pid_ == 0) {
      ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
      ::raise(SIGSTOP);
      ::_exit(body());
    }
    int status = 0;
    ::waitpid(pid_, &status, 0);
    ::ptrace(PTRACE_SETOPTIONS, pid_, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
  }
  ~Tracee() {
    if (ended_) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Tracee(const Tracee&) = delete;
  Tracee& operator=(const Tracee&) = delete;

  bool next() {
    int status = 0;
    ::ptrace(PTRACE_SYSCALL, pid_, nullptr, nullptr);
    if (::waitpid(pid_, &status, 0) != pid_) return false;
    ended_ = !WIFSTOPPED(status);
    return !ended_ && WSTOPSIG(status) == (SIGTRAP | 0x80);
  }
  // The child's exit status, or -1.
  int finish() {
    int status = 0;
    long signal = 0;  // passed on: a child that faults would do so for ever without it
    while (!ended_) {
      ::ptrace(PTRACE_CONT, pid_, nullptr, signal);
      if (::waitpid(pid_, &status, 0) != pid_) return -1;
      ended_ = !WIFSTOPPED(status);
      signal = WSTOPSIG(status) == (SIGTRAP | 0x80) ? 0 : WSTOPSIG(status);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
  bool ended_ = false;
};

// Without IA32 emulation the instruction faults.
bool has_32_bit_calls() {
  constexpr long kGetpid = 20;
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(raw_int80(kGetpid, 0, 0, 0, 0, 0) == ::getpid() ? 0 : 1);
  int status = 0;
  return ::waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// Runs the child to the entry stop of this call.
void run_to(Tracee* tracee, Abi abi, int number) {
  for (int stops = 0; stops < 200; ++stops) {
    ASSERT_TRUE(tracee->next());
    auto registers = Registers::fetch(tracee->pid());
    ASSERT_TRUE(registers.ok());
    if (registers->number(abi) == number) return;
    ASSERT_TRUE(tracee->next());
  }
  FAIL() << "the call never came";
}

TEST(Registers, ShowsA64BitCall) {
  Tracee tracee([] {
    raw_syscall(0x1'0000'0000 | SYS_getpriority, 11, kGarbage | 12, 13, 14, 15, 16);
    return 0;
  });
  run_to(&tracee, Abi::X86_64, SYS_getpriority);  // whatever stands in the number's upper half
  auto registers = Registers::fetch(tracee.pid());
  ASSERT_TRUE(registers.ok());
  EXPECT_EQ(registers->whole_number(), 0x1'0000'0000 | SYS_getpriority);
  EXPECT_EQ(registers->argument(Abi::X86_64, 0), 11U);
  EXPECT_EQ(registers->argument(Abi::X86_64, 1), kGarbage | 12U);
  EXPECT_EQ(registers->argument(Abi::X86_64, 2), 13U);
  EXPECT_EQ(registers->argument(Abi::X86_64, 3), 14U);
  EXPECT_EQ(registers->argument(Abi::X86_64, 4), 15U);
  EXPECT_EQ(registers->argument(Abi::X86_64, 5), 16U);
  EXPECT_EQ(registers->result(Abi::X86_64), -ENOSYS);  // at an entry stop
  EXPECT_NE(registers->instruction_pointer(), 0U);
  EXPECT_NE(registers->stack_pointer(), 0U);
}

TEST(Registers, ShowsA32BitCallOfA64BitProgram) {
  if (!has_32_bit_calls()) GTEST_SKIP() << "no 32-bit calls in this kernel";
  Tracee tracee([] {
    raw_int80(20 /* getpid */, kGarbage | 21, kGarbage | 22, kGarbage | 23, kGarbage | 24,
              kGarbage | 25);
    return 0;
  });
  run_to(&tracee, Abi::I386, 20);
  auto registers = Registers::fetch(tracee.pid());
  ASSERT_TRUE(registers.ok());
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(registers->argument(Abi::I386, i), 21U + static_cast<unsigned>(i)) << i;
  }
}

TEST(Registers, WritesWhatItWasTold) {
  Tracee tracee([] {
    const long pid = raw_syscall(SYS_getppid, 0, 0, 0, 0, 0, 0);
    return pid == ::getpid() ? 42 : 1;
  });
  run_to(&tracee, Abi::X86_64, SYS_getppid);
  auto registers = Registers::fetch(tracee.pid());
  ASSERT_TRUE(registers.ok());
  registers->set_number(Abi::X86_64, SYS_getpid);
  for (int i = 0; i < 6; ++i) {
    registers->set_argument(Abi::X86_64, i, 0x1'0000'0000U + static_cast<unsigned>(i));
  }
  ASSERT_TRUE(registers->store(tracee.pid()).ok());
  auto again = Registers::fetch(tracee.pid());
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->number(Abi::X86_64), SYS_getpid);
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(again->argument(Abi::X86_64, i), 0x1'0000'0000U + static_cast<unsigned>(i));
  }
  ASSERT_TRUE(tracee.next());  // the exit stop
  auto result = Registers::fetch_result(tracee.pid(), Abi::X86_64);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(*result, tracee.pid());
  EXPECT_EQ(tracee.finish(), 42);
}

TEST(Registers, SkipsACallWithAnAnswer) {
  Tracee tracee([] {
    return raw_syscall(SYS_kill, static_cast<uint64_t>(::getpid()), SIGKILL, 0, 0, 0, 0) == -EACCES
               ? 42
               : 1;
  });
  run_to(&tracee, Abi::X86_64, SYS_kill);
  auto registers = Registers::fetch(tracee.pid());
  ASSERT_TRUE(registers.ok());
  registers->skip_call(Abi::X86_64, -EACCES);
  ASSERT_TRUE(registers->store(tracee.pid()).ok());
  EXPECT_EQ(tracee.finish(), 42);
}

TEST(Registers, SkipsA32BitCallWithAnAnswer) {
  if (!has_32_bit_calls()) GTEST_SKIP() << "no 32-bit calls in this kernel";
  Tracee tracee([] {
    return raw_int80(37 /* kill */, static_cast<uint64_t>(::getpid()), SIGKILL, 0, 0, 0) == -EPERM
               ? 42
               : 1;
  });
  run_to(&tracee, Abi::I386, 37);
  auto registers = Registers::fetch(tracee.pid());
  ASSERT_TRUE(registers.ok());
  registers->skip_call(Abi::I386, -EPERM);
  ASSERT_TRUE(registers->store(tracee.pid()).ok());
  EXPECT_EQ(registers->result(Abi::I386), -EPERM);
  EXPECT_EQ(tracee.finish(), 42);
}

void expect_restart(Abi abi, int number, int other, Tracee* tracee) {
  run_to(tracee, abi, number);
  auto entry = Registers::fetch(tracee->pid());
  ASSERT_TRUE(entry.ok());
  Registers changed = *entry;
  changed.set_number(abi, other);
  ASSERT_TRUE(changed.store(tracee->pid()).ok());
  ASSERT_TRUE(tracee->next());  // the other call's exit stop
  Registers restarted = *entry;
  restarted.restart_call(abi);
  ASSERT_TRUE(restarted.store(tracee->pid()).ok());
  ASSERT_TRUE(tracee->next());  // the first call again
  auto again = Registers::fetch(tracee->pid());
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->number(abi), number);
  EXPECT_EQ(again->instruction_pointer(), entry->instruction_pointer());
  for (int i = 0; i < 5; ++i) EXPECT_EQ(again->argument(abi, i), entry->argument(abi, i)) << i;
}

TEST(Registers, RestartsA64BitCall) {
  Tracee tracee(
      [] { return raw_syscall(kGarbage | SYS_getppid, 1, 2, 3, 4, 5, 6) == ::getppid() ? 42 : 1; });
  expect_restart(Abi::X86_64, SYS_getppid, SYS_getuid, &tracee);
  EXPECT_EQ(tracee.finish(), 42);
}

TEST(Registers, RestartsA32BitCall) {
  if (!has_32_bit_calls()) GTEST_SKIP() << "no 32-bit calls in this kernel";
  Tracee tracee([] { return raw_int80(64 /* getppid */, 1, 2, 3, 4, 5) == ::getppid() ? 42 : 1; });
  expect_restart(Abi::I386, 64, 24 /* getuid */, &tracee);
  EXPECT_EQ(tracee.finish(), 42);
}

TEST(Registers, SignExtendsA32BitResult) {
  Registers registers;
  registers.set_result(Abi::I386, 0xffff'fff3);  // -13 as eax holds it
  EXPECT_EQ(registers.result(Abi::I386), -EACCES);
  EXPECT_EQ(registers.result(Abi::X86_64), 0xffff'fff3);
}

TEST(Registers, OfATaskThatIsGoneAreEsrch) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(0);
  ::waitpid(pid, nullptr, 0);
  auto registers = Registers::fetch(pid);
  ASSERT_FALSE(registers.ok());
  EXPECT_EQ(registers.error().code, ESRCH);
  EXPECT_EQ(Registers().store(pid).error().code, ESRCH);
  EXPECT_EQ(Registers::fetch_result(pid, Abi::X86_64).error().code, ESRCH);
}

}  // namespace
}  // namespace callgate
#endif
