// The kernel facts that callgate stands on, tried on the kernel at hand: filters and tracers.
// docs/kernel.md says which file relies on which. Children report by value, never by gtest.
#include "tests/monitor/kernel_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace callgate {
namespace {

using testing::ElementsAre;
using testing::Optional;

// ---- The filter and the tracer. ----

TEST(SeccompFilter, AnswersEnosysWhereATraceHasNoTracer) {
  const auto seen = in_child([] {
    const int bare = error_of(::syscall(SYS_execve, nullptr, 1, 0));
    load_actions({{SYS_execve, SECCOMP_RET_TRACE}});
    return std::array{bare, error_of(::syscall(SYS_execve, nullptr, 1, 0))};
  });
  EXPECT_THAT(seen, Optional(ElementsAre(EFAULT, ENOSYS)));
}

void change_number(pid_t tid, int number) {
  auto registers = Registers::fetch(tid);
  if (!registers.ok()) return;
  registers->set_number(kNative, number);
  static_cast<void>(registers->store(tid));
}

TEST(SeccompFilter, IsRunAgainOnAChangedNumberAndThenATraceIsAPass) {
  Tracee tracee([] {
    uid_t uid = 0, effective = 0, saved = 0;
    ::getresuid(&uid, &effective, &saved);
    load_actions({{SYS_getppid, SECCOMP_RET_TRACE},
                  {SYS_getuid, SECCOMP_RET_TRACE},
                  {SYS_getgid, SECCOMP_RET_ERRNO | EXDEV}});
    const bool traced_number_ran = ::syscall(SYS_getppid) == static_cast<long>(uid);
    const bool refused_number_refused = ::syscall(SYS_getppid) == -1 && errno == EXDEV;
    return (traced_number_ran ? 1 : 0) + (refused_number_refused ? 2 : 0);
  });
  ASSERT_TRUE(tracee.seized());
  ASSERT_EQ(tracee.next().kind(), WaitStatus::Kind::Seccomp);
  change_number(tracee.pid(), SYS_getuid);
  tracee.go();
  ASSERT_EQ(tracee.next().kind(), WaitStatus::Kind::Seccomp);
  change_number(tracee.pid(), SYS_getgid);
  tracee.go();
  const WaitStatus end = tracee.next();  // no stop for getuid in between
  ASSERT_EQ(end.kind(), WaitStatus::Kind::Exited);
  EXPECT_EQ(WEXITSTATUS(end.raw()), 3);
}

TEST(SeccompStop, WithANegativeNumberSkipsTheCallAndKeepsTheTracersAnswer) {
  Tracee tracee([] {
    load_actions({{SYS_getppid, SECCOMP_RET_TRACE}});
    return ::syscall(SYS_getppid) == 1234 ? 42 : 1;
  });
  ASSERT_EQ(tracee.next().kind(), WaitStatus::Kind::Seccomp);
  auto registers = Registers::fetch(tracee.pid());
  ASSERT_TRUE(registers.ok());
  registers->skip_call(kNative, 1234);
  ASSERT_TRUE(registers->store(tracee.pid()).ok());
  EXPECT_EQ(tracee.finish(), 42);
}

#if defined(__x86_64__)
constexpr bool kHasInt80 = true;
long getpid_by_int80() {
  long result = 20;
  asm volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
  return result;
}
#else
constexpr bool kHasInt80 = false;
long getpid_by_int80() { return -1; }
#endif

TEST(SyscallInfo, SaysI386ForTheOldGateOfA64BitProgram) {
  if (!kHasInt80) GTEST_SKIP() << "int $0x80 is an instruction of x86";
  if (in_child(getpid_by_int80).value_or(-1) <= 0) GTEST_SKIP() << "no 32-bit calls in this kernel";
  Tracee tracee([] {
    load({{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, arch)},
          {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, AUDIT_ARCH_I386},
          {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_TRACE},
          {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}});
    return getpid_by_int80() == ::getpid() ? 42 : 1;
  });
  ASSERT_EQ(tracee.next().kind(), WaitStatus::Kind::Seccomp);
  __ptrace_syscall_info info{};
  ASSERT_GT(::ptrace(PTRACE_GET_SYSCALL_INFO, tracee.pid(), sizeof info, &info), 0);
  EXPECT_EQ(info.op, PTRACE_SYSCALL_INFO_SECCOMP);
  EXPECT_EQ(info.arch, unsigned{AUDIT_ARCH_I386});
  EXPECT_EQ(info.seccomp.nr, 20U);
  EXPECT_EQ(tracee.finish(), 42);
}

TEST(Restart, ComesBackAsTheSameCallWithTheArgumentsThatWereRestored) {
  Tracee tracee([] {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGUSR1, &action, nullptr);
    int ends[2];
    if (::pipe(ends) != 0) return 1;
    load_actions({{SYS_read, SECCOMP_RET_TRACE}});
    return static_cast<int>(::syscall(SYS_read, ends[0], nullptr, 77));
  });
  ASSERT_EQ(tracee.next().kind(), WaitStatus::Kind::Seccomp);
  auto original = Registers::fetch(tracee.pid());
  ASSERT_TRUE(original.ok());
  Registers changed = *original;
  changed.set_argument(kNative, 2, 5);
  ASSERT_TRUE(changed.store(tracee.pid()).ok());
  tracee.go(0, PTRACE_SYSCALL);
  wait_until_asleep_in(tracee.pid(), SYS_read);
  ::kill(tracee.pid(), SIGUSR1);
  ASSERT_EQ(tracee.next().kind(), WaitStatus::Kind::SyscallExit);
  auto result = Registers::fetch_result(tracee.pid(), kNative);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(*result, -512);
  original->set_result(kNative, *result);
  ASSERT_TRUE(original->store(tracee.pid()).ok());
  tracee.go();
  const WaitStatus delivery = tracee.next();
  ASSERT_EQ(delivery.kind(), WaitStatus::Kind::Signal);
  tracee.go(delivery.signal());
  ASSERT_EQ(tracee.next().kind(), WaitStatus::Kind::Seccomp);
  auto again = Registers::fetch(tracee.pid());
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->number(kNative), SYS_read);
  EXPECT_EQ(again->argument(kNative, 2), 77U);
  again->skip_call(kNative, 42);
  ASSERT_TRUE(again->store(tracee.pid()).ok());
  EXPECT_EQ(tracee.finish(), 42);
}

TEST(Interrupt, EndsSomeCallsWithEintrWhichTheTracerCanTakeBack) {
  const UniqueFd event(::eventfd(0, EFD_CLOEXEC));
  Tracee tracee([&] {
    const int set = ::epoll_create1(0);
    epoll_event wanted{EPOLLIN, {}};
    ::epoll_ctl(set, EPOLL_CTL_ADD, event.get(), &wanted);
    return ::syscall(SYS_epoll_pwait, set, &wanted, 1, -1, nullptr, 8) == 1 ? 42 : errno;
  });
  wait_until_asleep_in(tracee.pid(), SYS_epoll_pwait);
  trace(PTRACE_INTERRUPT, tracee.pid());
  ASSERT_EQ(tracee.next().kind(), WaitStatus::Kind::EventStop);
  auto registers = Registers::fetch(tracee.pid());
  ASSERT_TRUE(registers.ok());
  EXPECT_EQ(registers->result(kNative), -EINTR);
  registers->set_result(kNative, -514);  // ERESTARTNOHAND
  ASSERT_TRUE(registers->store(tracee.pid()).ok());
  tracee.go();
  wait_until_asleep_in(tracee.pid(), SYS_epoll_pwait);
  ASSERT_EQ(::eventfd_write(event.get(), 1), 0);
  EXPECT_EQ(tracee.finish(), 42);
}

TEST(Interrupt, DoesNotStopAParentThatSleepsInVfork) {
  const Gate gate;
  Tracee tracee([&] {
    const long child =
        ::syscall(SYS_clone, CLONE_VFORK | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
    if (child == 0) {
      gate.pass();
      _exit(0);
    }
    return 42;
  });
  wait_until_asleep_in(tracee.pid(), SYS_clone);
  trace(PTRACE_INTERRUPT, tracee.pid());
  int status = 0;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(::waitpid(tracee.pid(), &status, __WALL | WNOHANG), 0);
    ::sched_yield();
  }
  gate.open();
  EXPECT_EQ(tracee.next().kind(), WaitStatus::Kind::EventStop);
  EXPECT_EQ(tracee.finish(), 42);
}

}  // namespace
}  // namespace callgate
