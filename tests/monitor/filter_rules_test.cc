// The policy's syscall statements, which the kernel judges before the table.
#include <gmock/gmock.h>

#include <cerrno>
#include <string>

#include "tests/monitor/asked_filter.h"

namespace callgate {
namespace {

using testing::HasSubstr;

TEST(FilterRules, DenyAndKillComeBeforeTheTable) {
  FilterInputs inputs = nothing_needed();
  inputs.syscall_rules = {rule(Verdict::Deny, "read", EIO), rule(Verdict::Kill, "execve"),
                          rule(Verdict::Deny, "mmap"), rule(Verdict::Deny, "mseal")};
  const Asked filter(inputs);
  EXPECT_EQ(filter("read"), refuse(EIO));
  EXPECT_EQ(filter.name(Abi::I386, "read"), refuse(EIO));
  EXPECT_EQ(filter("execve"), kKill);
  EXPECT_EQ(filter("mmap", {0x7000'0000, 1, 1, 0x10}), refuse(EPERM));
  EXPECT_EQ(filter.name(Abi::I386, "mseal"), refuse(EPERM));  // unknown to libseccomp
  EXPECT_EQ(filter("write"), kPass);
}

TEST(FilterRules, TheLastStatementThatMatchesDecides) {
  FilterInputs inputs = nothing_needed();
  inputs.syscall_rules = {
      rule(Verdict::Deny, "read"),
      rule_when(Verdict::Allow, "read", {.argument = 2, .op = SyscallRule::Op::Lt, .value = 100}),
      rule_when(Verdict::Kill, "read", {.argument = 0, .value = 9})};
  const Asked filter(inputs);
  EXPECT_EQ(filter("read", {3, 0, 50}), kPass);
  EXPECT_EQ(filter("read", {3, 0, 100}), refuse(EPERM));
  EXPECT_EQ(filter("read", {9, 0, 50}), kKill);
  inputs.syscall_rules.push_back(rule(Verdict::Allow, "read"));
  EXPECT_EQ(Asked(inputs)("read", {9, 0, 500}), kPass);
}

TEST(FilterRules, AllowLiftsARefusalThatGuardsNothing) {
  FilterInputs inputs = everything_needed();
  inputs.syscall_rules = {rule(Verdict::Allow, "keyctl"), rule(Verdict::Allow, "ptrace"),
                          rule(Verdict::Allow, "open"), rule(Verdict::Allow, "ioctl"),
                          rule_when(Verdict::Allow, "reboot", {.argument = 2, .value = 0})};
  const Asked filter(inputs);
  EXPECT_EQ(filter("keyctl"), kPass);
  EXPECT_EQ(filter("ptrace"), refuse(EPERM));
  EXPECT_EQ(filter("open"), kTrace);
  EXPECT_EQ(filter("ioctl", {0, 0x5412}), refuse(EPERM));
  EXPECT_EQ(filter("reboot", {0, 0, 0}), kPass);
  EXPECT_EQ(filter("reboot", {0, 0, 1}), refuse(EPERM));
  EXPECT_EQ(filter("reboot", {0, 0, kGarbage}), refuse(EPERM));
  std::vector<std::string> said;
  for (const auto& finding : check_syscall_rules(inputs.syscall_rules)) {
    said.push_back(finding.message);
  }
  EXPECT_THAT(said, testing::ElementsAre(HasSubstr("ptrace stays refused")));
  const SyscallRule typo = rule(Verdict::Deny, "opeen");
  const auto findings = check_syscall_rules({&typo, 1});
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_THAT(findings[0].message, HasSubstr("no such system call"));
}

TEST(FilterRules, AMultiplexerIsNoWayAroundARefusal) {
  FilterInputs inputs = nothing_needed();
  EXPECT_EQ(Asked(inputs).name(Abi::I386, "socketcall", {1}), kPass);
  inputs.syscall_rules = {rule(Verdict::Deny, "socket"), rule(Verdict::Kill, "semget")};
  const Asked filter(inputs);
  EXPECT_EQ(filter.name(Abi::I386, "socket"), refuse(EPERM));
  EXPECT_EQ(filter.name(Abi::I386, "socketcall", {1}), refuse(ENOSYS));
  EXPECT_EQ(filter.name(Abi::I386, "semget"), kKill);
  EXPECT_EQ(filter.name(Abi::I386, "ipc", {2}), refuse(ENOSYS));
  EXPECT_EQ(filter.name(Abi::I386, "connect"), kPass);
}

TEST(FilterRules, InAnAuditARefusalOnlyTellsItsStatement) {
  FilterInputs inputs = everything_needed();
  inputs.audit = inputs.observe_all = true;
  inputs.syscall_rules = {rule(Verdict::Deny, "mkdir"),
                          rule(Verdict::Kill, "prctl"),
                          rule(Verdict::Deny, "getpid"),
                          rule(Verdict::Deny, "socket"),
                          rule(Verdict::Deny, "mseal"),
                          rule(Verdict::Deny, "ptrace"),
                          rule(Verdict::Deny, "read"),
                          rule_when(Verdict::Allow, "read", {.argument = 0, .value = 3}),
                          rule_when(Verdict::Kill, "read", {.argument = 0, .value = 9})};
  const Asked filter(inputs);
  const auto told = [](size_t rule, bool judged) {
    return kTrace | SyscallNote{rule, judged}.data();
  };
  EXPECT_EQ(filter("mkdir"), told(0, true));
  EXPECT_EQ(filter("prctl", {15}), told(1, false));
  EXPECT_EQ(filter("prctl", {4}), told(1, true));
  EXPECT_EQ(filter("prctl", {22}), refuse(EINVAL));  // what would blind the monitor
  EXPECT_EQ(filter("ptrace"), refuse(EPERM));
  EXPECT_EQ(filter("getpid"), told(2, false));
  EXPECT_EQ(filter.name(Abi::I386, "socketcall", {1}), told(3, true));
  EXPECT_EQ(filter.name(Abi::I386, "mseal"), told(4, false));  // unknown to libseccomp
  EXPECT_EQ(filter("read", {4}), told(6, false));
  EXPECT_EQ(filter("read", {3}), kPass);
  EXPECT_EQ(filter("read", {9}), told(8, false));
  EXPECT_EQ(filter("write"), kPass);
  const auto note = SyscallNote::read(SyscallNote{7, true}.data());
  ASSERT_TRUE(note.has_value());
  EXPECT_EQ(note->rule, 7U);
  EXPECT_TRUE(note->judged);
  EXPECT_FALSE(SyscallNote::read(0).has_value());
}

TEST(FilterRules, NothingThatVoidsTheSandboxCanBeAllowed) {
  for (const char* name : {"ptrace",
                           "process_vm_readv",
                           "process_vm_writev",
                           "pidfd_getfd",
                           "seccomp",
                           "mount",
                           "umount2",
                           "open_tree",
                           "fsopen",
                           "move_mount",
                           "setns",
                           "io_uring_setup",
                           "clone3",
                           "clone",
                           "memfd_secret",
                           "remap_file_pages",
                           "open_by_handle_at",
                           "fanotify_init",
                           "bpf",
                           "chroot",
                           "userfaultfd",
                           "process_madvise",
                           "setxattrat",
                           "old_mmap",
                           "personality",
                           "init_module"}) {
    EXPECT_FALSE(may_lift(*find_syscall(name))) << name;
  }
}

TEST(FilterRules, EveryComparisonInBothWidths) {
  using Op = SyscallRule::Op;
  const uint64_t values[] = {0,
                             1,
                             99,
                             100,
                             101,
                             0x7fff'ffff,
                             0xffff'ffff,
                             1ULL << 32,
                             (1ULL << 32) + 100,
                             kGarbage | 100,
                             UINT64_MAX - 1,
                             UINT64_MAX};
  const auto holds = [](Op op, uint64_t a, uint64_t b, uint64_t mask) {
    switch (op) {
      case Op::Eq:
        return a == b;
      case Op::Ne:
        return a != b;
      case Op::Lt:
        return a < b;
      case Op::Le:
        return a <= b;
      case Op::Gt:
        return a > b;
      case Op::Ge:
        return a >= b;
      case Op::MaskedEq:
        return (a & mask) == b;
    }
    return false;
  };
  for (Op op : {Op::Eq, Op::Ne, Op::Lt, Op::Le, Op::Gt, Op::Ge, Op::MaskedEq}) {
    for (uint64_t bound : values) {
      const uint64_t mask = 0xff'0000'00ff;
      const uint64_t value = op == Op::MaskedEq ? bound & mask : bound;
      FilterInputs inputs = nothing_needed();
      inputs.syscall_rules = {
          rule_when(Verdict::Deny, "read", {.argument = 1, .op = op, .value = value, .mask = mask}),
          rule(Verdict::Deny, "write"),
          rule_when(Verdict::Allow, "write",
                    {.argument = 1, .op = op, .value = value, .mask = mask})};
      const Asked filter(inputs);
      const bool fits = value <= UINT32_MAX || value >= 0xffff'ffff'8000'0000;
      for (uint64_t argument : values) {
        const bool whole = holds(op, argument, value, mask);
        const bool lower = fits && holds(op, static_cast<uint32_t>(argument),
                                         static_cast<uint32_t>(value), static_cast<uint32_t>(mask));
        const Arguments arguments = {0, argument};
        SCOPED_TRACE(testing::Message() << static_cast<int>(op) << ' ' << std::hex << argument
                                        << " against " << value);
        // A refusal applies under either reading of the argument, a permission under both.
        EXPECT_EQ(filter("read", arguments), whole || lower ? refuse(EPERM) : kPass);
        if (fits) {
          const bool edge = op == Op::Gt && static_cast<uint32_t>(value) == UINT32_MAX;
          EXPECT_EQ(filter("write", arguments), whole && (lower || edge) ? kPass : refuse(EPERM));
        }
      }
    }
  }
}

// An open is made as openat2 of a name in the argument area, which itself is attached by shmat.
TEST(FilterRules, DoNotRefuseWhatCallgateMakesOfOtherCalls) {
  FilterInputs inputs = everything_needed();
  inputs.syscall_rules = {rule(Verdict::Deny, "openat2"), rule(Verdict::Kill, "shmat"),
                          rule_when(Verdict::Deny, "openat2", {.argument = 3, .value = 24})};
  const Asked filter(inputs);
  EXPECT_EQ(filter("openat2", {0, 0x7000'0000, 0, 24}), kTrace);
  EXPECT_EQ(filter("openat2", {0, kWindowEnd - 1, 0, 24}), kTrace);
  EXPECT_EQ(filter("openat2", {0, 0x7000'0000 - 1, 0, 24}), refuse(EPERM));
  EXPECT_EQ(filter("openat2", {0, kWindowEnd, 0, 24}), refuse(EPERM));
  EXPECT_EQ(filter("openat2", {0, kGarbage | 0x7000'0000, 0, 24}), refuse(EPERM));
  EXPECT_EQ(filter("shmat", {kSegment, 0x7000'0000}), kTrace);
  EXPECT_EQ(filter("shmat", {kSegment + 1, 0x7000'0000}), kKill);
  EXPECT_EQ(filter("shmat", {kSegment + 1, 0}), kKill);
}

TEST(FilterRules, SurviveALongPolicy) {
  FilterInputs inputs = everything_needed();
  for (uint64_t i = 0; i < 80; ++i) {
    inputs.syscall_rules.push_back(
        rule_when(Verdict::Deny, "read", {.argument = 2, .value = 2 * i}));
    inputs.syscall_rules.push_back(rule_when(Verdict::Deny, "mseal", {.argument = 2, .value = i}));
  }
  auto filter = compile_filter(inputs);
  ASSERT_TRUE(filter.ok());
  const Asked asked(inputs);
  EXPECT_EQ(asked("read", {0, 0, 158}), refuse(EPERM));
  EXPECT_EQ(asked("read", {0, 0, 159}), kPass);
  EXPECT_EQ(asked("mseal", {0, 0, 79}), refuse(EPERM));
  EXPECT_EQ(asked("mseal", {0, 0, 80}), kPass);
  EXPECT_EQ(asked("listmount"), kPass);
  for (uint64_t i = 0; i < 2000; ++i) {
    inputs.syscall_rules.push_back(rule_when(Verdict::Deny, "read", {.argument = 2, .value = i}));
  }
  filter = compile_filter(inputs);
  ASSERT_FALSE(filter.ok());
  EXPECT_EQ(filter.error().code, E2BIG);
}
}  // namespace
}  // namespace callgate
