// The filter, judged in user space: every number of both ABIs against the plan, and the whole
// program once against the real kernel.
#include "monitor/filter.h"

#include <gmock/gmock.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "tests/monitor/asked_filter.h"

namespace callgate {
namespace {

using testing::HasSubstr;
using testing::Not;

uint32_t answer_of(const RowPlan& plan, const FilterInputs& inputs) {
  switch (plan.gate) {
    case Gate::Pass:
      return kPass;
    case Gate::Refuse:
      if (plan.rule == nullptr) return refuse(plan.error);
      return refused_by(static_cast<size_t>(plan.rule - inputs.syscall_rules.data()));
    case Gate::Trace:
      return kTrace;
  }
  return 0;
}

const RowPlan* plan_of(const std::vector<RowPlan>& plans, const SyscallRow* row) {
  const auto index = static_cast<size_t>(row - syscall_table().data());
  return index < plans.size() && plans[index].row == row ? &plans[index] : nullptr;
}

// Every number of both ABIs; calls with a condition must answer one of what they may.
void expect_filter_follows_plan(const FilterInputs& inputs) {
  const Asked filter(inputs);
  const std::vector<RowPlan> plans = plan_filter(inputs);
  const Arguments patterns[] = {
      {},
      {1, 1, 1, 1, 1, 1},
      {kGarbage, kGarbage, kGarbage, kGarbage, kGarbage, kGarbage},
      {~0U, ~0U, ~0U, ~0U, ~0U, ~0U},
      {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}};
  for (Abi abi : {Abi::X86_64, Abi::I386}) {
    for (int number = -2; number < 1100; ++number) {
      const SyscallRow* row = find_syscall(abi, number);
      for (const Arguments& arguments : patterns) {
        const uint32_t answer = filter.number(audit_arch(abi), number, arguments);
        if (row == nullptr) {
          ASSERT_EQ(answer, refuse(ENOSYS)) << abi_name(abi) << ' ' << number;
          continue;
        }
        const RowPlan* plan = plan_of(plans, row);
        ASSERT_NE(plan, nullptr) << row->name;
        if (plan->condition == Condition::Always) {
          ASSERT_EQ(answer, answer_of(*plan, inputs)) << abi_name(abi) << ' ' << row->name;
        } else {
          ASSERT_TRUE(answer == answer_of(*plan, inputs) || answer == kPass ||
                      answer == refuse(EPERM))
              << abi_name(abi) << ' ' << row->name << ' ' << std::hex << answer;
        }
      }
    }
  }
}

TEST(Filter, FollowsThePlanWhenNothingIsNeeded) { expect_filter_follows_plan(nothing_needed()); }
TEST(Filter, FollowsThePlanWhenEverythingIsNeeded) {
  expect_filter_follows_plan(everything_needed());
}
TEST(Filter, FollowsThePlanInAnAudit) { expect_filter_follows_plan(audit()); }
TEST(Filter, FollowsThePlanWithoutAnArgumentArea) { expect_filter_follows_plan(no_area()); }
TEST(Filter, FollowsThePlanUnderSyscallStatements) {
  FilterInputs inputs = nothing_needed();
  inputs.syscall_rules = {rule(Verdict::Deny, "read", EIO), rule(Verdict::Kill, "execve"),
                          rule(Verdict::Deny, "mmap"), rule(Verdict::Allow, "keyctl")};
  expect_filter_follows_plan(inputs);
}
TEST(Filter, FollowsThePlanForEachNeedAlone) {
  for (int need = 0; need < 6; ++need) {
    FilterInputs inputs = nothing_needed();
    inputs.needs = {.paths = need == 0,
                    .attributes = need == 1,
                    .execute = need == 2,
                    .stat = need == 3,
                    .network = need == 4,
                    .signals = need == 5};
    expect_filter_follows_plan(inputs);
  }
}

TEST(Filter, APlainStopIsOneThatItsNumberTellsAllOf) {
  FilterInputs inputs = everything_needed();
  const std::vector<bool> plain = plain_stops(inputs);
  EXPECT_TRUE(is_plain(plain, 257));   // openat; i386: remap_file_pages, refused unsaid
  EXPECT_TRUE(is_plain(plain, 59));    // execve; i386: oldolduname, which passes
  EXPECT_FALSE(is_plain(plain, 437));  // openat2 in both
  EXPECT_FALSE(is_plain(plain, 9));    // mmap; i386: link
  EXPECT_FALSE(is_plain(plain, 16));   // ioctl: some commands are refused, and said
  EXPECT_FALSE(is_plain(plain, 0));    // read passes
  EXPECT_FALSE(is_plain(plain, 101));  // ptrace is refused, and said
  for (const int number : {-1, 0x4000'0101}) EXPECT_FALSE(is_plain(plain, number));
  for (const char* name : {"openat", "remap_file_pages"}) {
    inputs.syscall_rules = {rule(Verdict::Deny, name)};
    EXPECT_FALSE(is_plain(plain_stops(inputs), 257)) << name;
  }
  EXPECT_FALSE(is_plain(plain_stops(nothing_needed()), 257));
}

TEST(Filter, RefusesForeignNumbersAndArchitectures) {
  const Asked filter(nothing_needed());
  for (int number = 0; number < 600; ++number) {
    const int x32 = 0x4000'0000 | number;
    EXPECT_EQ(filter.number(AUDIT_ARCH_X86_64, x32), refuse(ENOSYS)) << number;
    EXPECT_EQ(filter.number(AUDIT_ARCH_I386, x32), refuse(ENOSYS)) << number;
    for (uint32_t arch : {0U, ~0U, static_cast<uint32_t>(AUDIT_ARCH_AARCH64),
                          static_cast<uint32_t>(AUDIT_ARCH_ARM)}) {
      EXPECT_EQ(filter.number(arch, number), refuse(ENOSYS)) << number;
    }
    const int negative = static_cast<int>(0x8000'0000U | static_cast<unsigned>(number));
    EXPECT_EQ(filter.number(AUDIT_ARCH_X86_64, negative), refuse(ENOSYS)) << number;
  }
  for (int number : {-1, -100, INT32_MIN, INT32_MAX}) {
    EXPECT_EQ(filter.number(AUDIT_ARCH_X86_64, number), refuse(ENOSYS)) << number;
    EXPECT_EQ(filter.number(AUDIT_ARCH_I386, number), refuse(ENOSYS)) << number;
  }
}

TEST(Filter, JudgesEachAbiByItsOwnNumbers) {
  const Asked filter(everything_needed());
  EXPECT_EQ(filter.number(AUDIT_ARCH_I386, 5), kTrace);    // open
  EXPECT_EQ(filter.number(AUDIT_ARCH_X86_64, 5), kPass);   // fstat
  EXPECT_EQ(filter.number(AUDIT_ARCH_X86_64, 2), kTrace);  // open
  EXPECT_EQ(filter.number(AUDIT_ARCH_I386, 2), kPass);     // fork
  EXPECT_EQ(filter.number(AUDIT_ARCH_I386, 90), refuse(ENOSYS));
  for (const char* only : {"stat64", "lstat64", "fstatat64", "chown32", "truncate64", "statfs64",
                           "utimensat_time64", "socketcall", "oldstat"}) {
    EXPECT_EQ(filter.name(Abi::I386, only), kTrace) << only;
  }
  for (const char* only : {"waitpid", "_llseek", "time", "ugetrlimit", "clock_gettime64",
                           "futex_time64", "getuid32", "sigreturn", "readdir"}) {
    EXPECT_EQ(filter.name(Abi::I386, only), kPass) << only;
  }
  // libseccomp turns these into socketcall and ipc rules of its own; they must not leak.
  for (uint64_t sub = 0; sub < 30; ++sub) {
    EXPECT_EQ(filter.name(Abi::I386, "socketcall", {sub}), kTrace) << sub;
    EXPECT_EQ(filter.name(Abi::I386, "ipc", {sub}), kTrace) << sub;
  }
  EXPECT_EQ(Asked(nothing_needed()).name(Abi::I386, "socketcall", {3}), kPass);
  EXPECT_EQ(Asked(no_area()).name(Abi::I386, "ipc", {21}), kPass);
}

TEST(Filter, DoesNotTrapWhatThePolicyCannotTellApart) {
  const Asked filter(nothing_needed());
  for (const char* call : {"open", "openat", "openat2", "mkdir", "rename", "unlink", "chmod",
                           "stat", "fchmod", "connect", "socket", "sendmsg", "accept4", "chdir",
                           "mprotect", "setrlimit", "fchdir", "sched_getaffinity", "read"}) {
    EXPECT_EQ(filter(call, {0, 0, ~0U, 0, 1}), kPass) << call;
  }
  for (const char* call : {"execve", "execveat", "kill", "tgkill", "pidfd_send_signal"}) {
    EXPECT_EQ(filter(call), kTrace) << call;
  }
}

TEST(Filter, RenameIsSeenWhenAnyRightDependsOnTheName) {
  FilterInputs inputs = nothing_needed();
  inputs.needs.execute = true;
  EXPECT_EQ(Asked(inputs)("renameat2"), kTrace);
  EXPECT_EQ(Asked(inputs)("link"), kTrace);
  EXPECT_EQ(Asked(inputs)("open"), kPass);
  inputs.needs = nothing_needed().needs;
  inputs.needs.stat = true;
  EXPECT_EQ(Asked(inputs)("open"), kTrace);
  EXPECT_EQ(Asked(inputs)("newfstatat"), kTrace);
}

TEST(FilterText, SaysWhatItDoes) {
  FilterInputs inputs = everything_needed();
  inputs.syscall_rules = {rule_when(Verdict::Deny, "read", {.argument = 0, .value = 9})};
  const std::string text = describe_filter(inputs);
  EXPECT_THAT(text, HasSubstr("Traced, always:\n  open creat openat"));
  EXPECT_THAT(text, HasSubstr("Refused with ENOSYS, always:"));
  EXPECT_THAT(text, HasSubstr("Judged first, by the policy: read\n  if arg0 == 0x9: refuse EPERM"));
  EXPECT_THAT(describe_filter(nothing_needed()), Not(HasSubstr("Judged first")));
  auto code = filter_pseudo_code(inputs);
  ASSERT_TRUE(code.ok());
  EXPECT_THAT(*code, HasSubstr("x86_64"));
  EXPECT_THAT(*code, HasSubstr("arg1:32 == 0x5412: refuse EPERM"));
}

TEST(EvaluateFilter, RejectsWhatTheKernelWouldNotLoad) {
  const Arguments none{};
  const auto run = [&](std::vector<sock_filter> program) {
    return evaluate_filter(program, AUDIT_ARCH_X86_64, 1, none, 0);
  };
  EXPECT_EQ(run({}), kKill);
  EXPECT_EQ(run({{BPF_LD | BPF_W | BPF_ABS, 0, 0, 64}, {BPF_RET | BPF_K, 0, 0, kPass}}), kKill);
  EXPECT_EQ(run({{BPF_LD | BPF_B | BPF_ABS, 0, 0, 0}, {BPF_RET | BPF_K, 0, 0, kPass}}), kKill);
  EXPECT_EQ(run({{BPF_JMP | BPF_JA, 0, 0, 9}, {BPF_RET | BPF_K, 0, 0, kPass}}), kKill);
  EXPECT_EQ(run({{BPF_LD | BPF_IMM, 0, 0, kPass}, {BPF_RET | BPF_A, 0, 0, 0}}), kPass);
}

// What a child under the compiled filter sees; no tracer is there, so a traced call is ENOSYS.
int under_filter(const FilterInputs& inputs, int (*body)()) {
  auto filter = compile_filter(inputs);
  if (!filter.ok()) return -1;
  const pid_t pid = ::fork();
  if (pid == 0) {
    const sock_fprog program = {static_cast<unsigned short>(filter->program.size()),
                                filter->program.data()};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) ::_exit(100);
    if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0) ::_exit(101);
    ::_exit(body());
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -2;
}

TEST(Filter, LoadsIntoTheKernelAndActsThere) {
  EXPECT_EQ(under_filter(everything_needed(),
                         [] {
                           const auto fails = [](long result, int error) {
                             return result == -1 && errno == error;
                           };
                           if (::getpid() <= 0) return 1;
                           // Without a tracer what is to be judged or said fails so.
                           if (!fails(::syscall(SYS_ptrace, 0, 0, 0, 0), ENOSYS)) return 2;
                           if (!fails(::syscall(SYS_clone3, 0, 0), ENOSYS)) return 3;
                           if (!fails(::syscall(SYS_openat, -100, "/", 0), ENOSYS)) return 4;
                           if (!fails(::syscall(SYS_ioctl, 0, 0x1'0000'5412, "x"), ENOSYS))
                             return 5;
                           if (!fails(::syscall(SYS_seccomp, 1, 0, 0), EINVAL)) return 6;
                           if (!fails(::syscall(SYS_prctl, 22, 2, 0, 0, 0), EINVAL)) return 7;
                           if (!fails(::syscall(999), ENOSYS)) return 8;
                           if (!fails(::syscall(-1), ENOSYS)) return 9;
                           if (!fails(::syscall(0x4000'0000 | SYS_getpid), ENOSYS)) return 10;
                           if (!fails(::syscall(SYS_unshare, 0x10000000), ENOSYS)) return 11;
                           if (!fails(::syscall(458, 0, 0, 0, 0), EFAULT))
                             return 12;  // listmount passes
                           int action = 0x7ff0'0000;
                           if (::syscall(SYS_seccomp, 2, 0, &action) != 0) return 13;
                           return 42;
                         }),
            42);
}
}  // namespace
}  // namespace callgate
