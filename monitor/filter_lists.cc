#include "monitor/filter_lists.h"

#include <linux/seccomp.h>

#include <cerrno>
#include <optional>

#include "monitor/source_route.h"

namespace callgate {
namespace {

using Op = ArgumentTest::Op;

constexpr uint32_t refuse(int error) {
  return SECCOMP_RET_ERRNO | (static_cast<uint32_t>(error) & SECCOMP_RET_DATA);
}
constexpr uint32_t kAllow = SECCOMP_RET_ALLOW;
constexpr uint32_t kTrace = SECCOMP_RET_TRACE;

ArgumentTest int_is(int argument, uint32_t value) {
  return {.argument = argument, .op = Op::Eq, .wide = false, .value = value};
}
ArgumentTest any_bit(int argument, uint32_t bits) {
  return {.argument = argument, .op = Op::AnyBits, .wide = false, .value = bits};
}
ArgumentTest bits_are(int argument, uint32_t mask, uint32_t value) {
  return {.argument = argument, .op = Op::MaskedEq, .wide = false, .value = value, .mask = mask};
}
ArgumentTest pointer_is_null(int argument) {
  return {.argument = argument, .op = Op::Eq, .wide = true, .value = 0};
}
// The kernel drops the top byte of an address that is given to munmap or madvise (arm64 always,
// x86 with linear address masking), so a tag must not carry it past the comparison.
ArgumentTest below(int argument, uint64_t end) {
  return {
      .argument = argument, .op = Op::Lt, .wide = true, .value = end, .mask = 0x00ffffffffffffff};
}

// Not all of these are in Debian 12's headers.
constexpr uint32_t kProtExec = 0x4;
constexpr uint32_t kMapAnonymous = 0x20;
constexpr uint32_t kMapFixed = 0x10 | 0x100000;  // MAP_FIXED, MAP_FIXED_NOREPLACE
constexpr uint32_t kMremapFixed = 0x2;
// MADV_REMOVE, MADV_DONTFORK, MADV_WIPEONFORK, MADV_HWPOISON, MADV_SOFT_OFFLINE,
// MADV_GUARD_INSTALL: the area would be gone, or gone in the next child.
constexpr uint32_t kTakingAdvice[] = {9, 10, 18, 100, 101, 102};
// CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
constexpr uint32_t kNamespaces =
    0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000;
constexpr uint32_t kCloneUntraced = 0x00800000;
constexpr uint32_t kCloneNewTime = 0x80;  // unshare only: in clone these bits are the exit signal
constexpr uint32_t kIpcSet = 1;
constexpr uint32_t kIpc64 = 0x100;  // which 32-bit programs add to the command
constexpr uint32_t kReadImpliesExec = 0x0400000;
constexpr uint32_t kQueryPersona = 0xffffffff;

// Commands that hand out namespaces or a userfaultfd, or type on somebody's terminal.
constexpr uint32_t kRefusedCommands[] = {
    0x5412,                                  // TIOCSTI
    0x5437,                                  // TIOCVHANGUP
    0x541C,                                  // TIOCLINUX
    0xb701,     0xb702,     0xb703, 0xb704,  // NS_GET_USERNS, PARENT, NSTYPE, OWNER_UID
    0x8010b70b, 0x8010b70c,                  // NS_MNT_GET_NEXT, PREV
    0x894C,                                  // SIOCGSKNS
    0xaa00,                                  // USERFAULTFD_IOC_NEW, of /dev/userfaultfd
    0x40186f04,                              // OCFS2_IOC_REFLINK: two names, in memory
};
// What changes a network interface, a route or a neighbour, over a socket of any family: from
// linux/sockios.h all that set something (SIOCADDRT to SIOCSHWTSTAMP).
constexpr uint32_t kInterfaceCommands[] = {
    0x890B, 0x890C, 0x890D, 0x8911, 0x8914, 0x8916, 0x8918, 0x891a, 0x891c, 0x891e, 0x8920, 0x8922,
    0x8923, 0x8924, 0x8926, 0x8930, 0x8931, 0x8932, 0x8934, 0x8936, 0x8937, 0x8941, 0x8943, 0x8946,
    0x8949, 0x8953, 0x8955, 0x8960, 0x8962, 0x8971, 0x8980, 0x8981, 0x8983, 0x89b0,
};
// Who gets a descriptor's signals.
constexpr uint32_t kOwnerCommands[] = {0x8901, 0x8902};  // FIOSETOWN, SIOCSPGRP
// Attributes through a descriptor, whatever it was opened for.
constexpr uint32_t kAttributeCommands[] = {
    0x40086602, 0x40046602,  // FS_IOC_SETFLAGS, FS_IOC32_SETFLAGS
    0x40087602, 0x40047602,  // FS_IOC_SETVERSION, FS_IOC32_SETVERSION
    0x401c5820,              // FS_IOC_FSSETXATTR
    0x800c6613,              // FS_IOC_SET_ENCRYPTION_POLICY
    0x40806685,              // FS_IOC_ENABLE_VERITY
    0x40086604, 0x40046604,  // EXT4_IOC_SETVERSION, EXT4_IOC32_SETVERSION
    0x40047211,              // FAT_IOCTL_SET_ATTRIBUTES
    0x4008941a,              // BTRFS_IOC_SUBVOL_SETFLAGS
};
// btrfs commands that make or remove a name which stands in memory: SNAP_CREATE, SUBVOL_CREATE,
// SNAP_DESTROY, and their second versions.
constexpr uint32_t kNameCommands[] = {0x50009401, 0x5000940e, 0x5000940f,
                                      0x50009417, 0x50009418, 0x5000943f};

constexpr uint32_t kOpenPath = 0x200000;
constexpr uint32_t kOpenTmpfile = 0x400000;  // __O_TMPFILE, without O_DIRECTORY
constexpr uint32_t kPlainMoves = 3;          // RENAME_NOREPLACE, RENAME_EXCHANGE
constexpr uint32_t kCloseRangeUnshare = 2;
constexpr uint32_t kPrGetDumpable = 3;
constexpr uint32_t kPrSetDumpable = 4;
constexpr uint32_t kPrSetSeccomp = 22;
constexpr uint32_t kPrSetMm = 35;
constexpr uint32_t kPrSetSyscallUserDispatch = 59;

std::vector<Clause> mmap_clauses(const SyscallRow& row, const FilterInputs& inputs) {
  std::vector<Clause> clauses;
  const int address = row.argument(Role::Address);
  const int flags = row.argument(Role::MapFlags);
  if (inputs.needs.execute || inputs.observe_all) {
    clauses.push_back(
        {{any_bit(row.argument(Role::Protection), kProtExec), bits_are(flags, kMapAnonymous, 0)},
         kTrace});
  }
  if (inputs.window_end != 0) {
    // A null address is by far the most usual one and means "anywhere", unless it is fixed.
    clauses.push_back({{pointer_is_null(address), bits_are(flags, kMapFixed, 0)}, kAllow});
    clauses.push_back({{below(address, inputs.window_end)}, kTrace});
  }
  return clauses;
}

std::vector<Clause> ioctl_clauses(const SyscallRow& row, const FilterInputs& inputs) {
  const int command = row.argument(Role::Command);
  std::vector<Clause> clauses;
  for (uint32_t c : kRefusedCommands) clauses.push_back({{int_is(command, c)}, refuse(EPERM)});
  // XFS_IOC_PATH_TO_FSHANDLE .. OPEN_BY_HANDLE: 'X', 104..107, in all their sizes.
  clauses.push_back({{bits_are(command, 0xfffc, 0x5868)}, refuse(EPERM)});
  // READLINK, ATTRLIST and ATTRMULTI_BY_HANDLE; and btrfs's TREE_SEARCH and SEND, which read what
  // is in other files.
  for (uint32_t number : {0x586cu, 0x587au, 0x587bu, 0x9411u, 0x9426u}) {
    clauses.push_back({{bits_are(command, 0xffff, number)}, refuse(EPERM)});
  }
  clauses.push_back(
      {{bits_are(command, 0xfffffff0, 0xff00)}, refuse(EPERM)});  // PIDFD_GET_*_NAMESPACE
  if (inputs.privileged && inputs.needs.network) {
    for (uint32_t c : kInterfaceCommands) clauses.push_back({{int_is(command, c)}, refuse(EPERM)});
    // Bonds and bridges; SIOCPROTOPRIVATE and SIOCDEVPRIVATE.
    for (uint32_t range : {0x8990u, 0x89a0u, 0x89e0u, 0x89f0u}) {
      clauses.push_back({{bits_are(command, 0xfffffff0, range)}, refuse(EPERM)});
    }
  }
  for (uint32_t c : kOwnerCommands) clauses.push_back({{int_is(command, c)}, kTrace});
  if (inputs.needs.attributes || inputs.observe_all) {
    for (uint32_t c : kAttributeCommands) clauses.push_back({{int_is(command, c)}, kTrace});
  }
  if (inputs.needs.paths) {
    for (uint32_t c : kNameCommands) clauses.push_back({{int_is(command, c)}, kTrace});
  }
  return clauses;
}

std::vector<Clause> prctl_clauses(const SyscallRow& row) {
  const int option = row.argument(Role::Command);
  return {
      {{int_is(option, kPrSetSeccomp)}, refuse(EINVAL)},
      {{int_is(option, kPrSetMm)}, refuse(EPERM)},
      {{int_is(option, kPrSetSyscallUserDispatch)}, refuse(EINVAL)},
      // Undumpable memory cannot be read by an unprivileged tracer; the monitor only pretends.
      {{int_is(option, kPrSetDumpable)}, kTrace},
      {{int_is(option, kPrGetDumpable)}, kTrace},
  };
}

std::vector<Clause> self_clauses(const SyscallRow& row) {
  const int pid = row.argument(Role::Pid);
  const int which = row.argument(Role::Which);
  std::vector<ArgumentTest> self = {int_is(pid, 0)};
  // Which names a process, a group or a user: 0 of a group or user is more than the caller.
  // PRIO_PROCESS is 0, IOPRIO_WHO_PROCESS is 1.
  if (which >= 0) self.push_back(int_is(which, row.name == "ioprio_set" ? 1 : 0));
  return {{self, kAllow}};
}

// The clauses of the row's condition, and through `otherwise` what follows when none holds.
std::vector<Clause> condition_clauses(const RowPlan& plan, const FilterInputs& inputs,
                                      uint32_t* otherwise) {
  const SyscallRow& row = *plan.row;
  const uint32_t gate = *otherwise;
  *otherwise = kAllow;  // unless a case says otherwise: what the condition does not select passes
  const uint64_t end = inputs.window_end;
  switch (plan.condition) {
    case Condition::Always:
      *otherwise = gate;
      return {};
    case Condition::MmapGuard:
      return mmap_clauses(row, inputs);
    case Condition::MprotectExec:
      return {{{any_bit(row.argument(Role::Protection), kProtExec)}, gate}};
    case Condition::LowAddress:
      return {{{below(0, end)}, gate}};
    case Condition::MremapGuard:
      return {{{below(0, end)}, gate}, {{any_bit(3, kMremapFixed), below(4, end)}, gate}};
    case Condition::MadviseGuard: {
      std::vector<Clause> clauses;
      for (uint32_t advice : kTakingAdvice) {
        clauses.push_back({{int_is(2, advice), below(0, end)}, gate});
      }
      return clauses;
    }
    case Condition::ShmatGuard: {
      std::vector<Clause> clauses;
      if (inputs.area_segment >= 0) {
        clauses.push_back({{int_is(0, static_cast<uint32_t>(inputs.area_segment))}, gate});
      }
      if (inputs.privileged) {  // it could attach another callgate's for writing
        *otherwise = gate;
        return {};
      }
      clauses.push_back({{pointer_is_null(1)}, kAllow});
      if (end != 0) clauses.push_back({{below(1, end)}, gate});
      return clauses;
    }
    case Condition::ShmctlGuard:
      return {{{int_is(0, static_cast<uint32_t>(inputs.area_segment))}, gate},
              {{int_is(1, kIpcSet)}, gate},
              {{int_is(1, kIpcSet | kIpc64)}, gate}};
    case Condition::FcntlOwner:
      return {{{int_is(1, 8)}, gate}, {{int_is(1, 15)}, gate}};  // F_SETOWN, F_SETOWN_EX
    case Condition::IoctlGuard:
      return ioctl_clauses(row, inputs);
    case Condition::CloneNamespaces:
      if (row.operation == Operation::Unshare) {
        *otherwise = gate;
        return {{{any_bit(0, kNamespaces | kCloneNewTime)}, refuse(EPERM)}};
      }
      return {{{any_bit(0, kNamespaces | kCloneUntraced)}, gate}};
    case Condition::PrctlGuard:
      return prctl_clauses(row);
    case Condition::AddressGiven:
      *otherwise = gate;
      return {{{pointer_is_null(4)}, kAllow}};
    case Condition::PersonalityGuard:
      return {{{int_is(0, kQueryPersona)}, kAllow}, {{any_bit(0, kReadImpliesExec)}, gate}};
    case Condition::OtherProcess:
      *otherwise = gate;
      return self_clauses(row);
    case Condition::CloseRangeUnshare:
      return {{{any_bit(2, kCloseRangeUnshare)}, gate}};
    case Condition::RlimitGuard: {
      *otherwise = gate;
      std::vector<Clause> clauses = self_clauses(row);
      // With limits, only a call that sets nothing is harmless.
      if (inputs.limits) {
        clauses[0].tests.push_back(pointer_is_null(row.argument(Role::CommandArg)));
      }
      return clauses;
    }
    case Condition::DeviceNode: {
      const int mode = row.argument(Role::Mode);  // S_IFMT, S_IFCHR, S_IFBLK
      return {{{bits_are(mode, 0xf000, 0x2000)}, gate}, {{bits_are(mode, 0xf000, 0x6000)}, gate}};
    }
    case Condition::SpecialOpen:
      return {{{any_bit(row.argument(Role::OpenFlags), kOpenPath | kOpenTmpfile)}, gate}};
    case Condition::SpecialMove:
      return {{{any_bit(row.argument(Role::RenameFlags), ~kPlainMoves)}, gate}};
    case Condition::SourceRoute: {
      std::vector<Clause> clauses;
      for (const SocketOption& option : routing_options(row.name == "getsockopt")) {
        clauses.push_back(
            {{int_is(row.argument(Role::Which), static_cast<uint32_t>(option.level)),
              int_is(row.argument(Role::Command), static_cast<uint32_t>(option.name))},
             gate});
      }
      return clauses;
    }
    case Condition::SeccompGuard:
      *otherwise = gate;
      return {{{int_is(0, 2)}, kAllow}, {{int_is(0, 3)}, kAllow}};
  }
  return {};
}

// The statement's comparison as one or two tests, wide and on the lower half. The kernel truncates
// some arguments and not others and a policy cannot say which, so both readings are judged: a
// refusal applies if either holds, a permission only if both do.
struct Readings {
  ArgumentTest whole;
  std::optional<ArgumentTest> lower;  // absent when the value does not fit in 32 bits
  std::optional<bool> constant;       // the comparison holds always or never
};

Readings read_condition(const SyscallRule::When& when) {
  Readings readings;
  ArgumentTest& test = readings.whole;
  test = {.argument = when.argument, .op = Op::Eq, .wide = true, .value = when.value};
  switch (when.op) {
    case SyscallRule::Op::Eq:
      break;
    case SyscallRule::Op::Ne:
      test.op = Op::Ne;
      break;
    case SyscallRule::Op::Lt:
      test.op = Op::Lt;
      break;
    case SyscallRule::Op::Ge:
      test.op = Op::Ge;
      break;
    case SyscallRule::Op::Le:
      test.op = Op::Lt;
      if (when.value == UINT64_MAX) readings.constant = true;
      test.value = when.value + 1;
      break;
    case SyscallRule::Op::Gt:
      test.op = Op::Ge;
      if (when.value == UINT64_MAX) readings.constant = false;
      test.value = when.value + 1;
      break;
    case SyscallRule::Op::MaskedEq:
      test.op = Op::MaskedEq;
      test.mask = when.mask;
      break;
  }
  // -1 given as 64 bits means the int -1 as well.
  const uint64_t upper = when.value >> 32;
  const bool negative = upper == 0xffffffff && (when.value & 0x80000000) != 0;
  if (upper == 0 || negative) {
    ArgumentTest lower = test;
    lower.wide = false;
    lower.mask &= 0xffffffff;
    lower.value &= 0xffffffff;
    // One more than 0xffffffff does not fit: `<=` holds for every lower half, `>` for none.
    const bool overflow = static_cast<uint32_t>(when.value) == 0xffffffff;
    if (when.op == SyscallRule::Op::Le && overflow) lower.op = Op::Ge;
    if (when.op != SyscallRule::Op::Gt || !overflow) readings.lower = lower;
  }
  return readings;
}

uint16_t note_of(const SyscallRule& rule, const FilterInputs& inputs) {
  const auto index = static_cast<size_t>(&rule - inputs.syscall_rules.data());
  const auto kind = inputs.audit ? FilterNote::Kind::Passes : FilterNote::Kind::Refused;
  return FilterNote{kind, index}.data();
}

void add_rule(const SyscallRule& rule, const RowPlan& plan, Abi abi, const FilterInputs& inputs,
              std::vector<Clause>* clauses) {
  const bool permits = rule.verdict == Verdict::Allow;
  const uint16_t note = permits ? uint16_t{0} : note_of(rule, inputs);
  uint32_t answer = rule.verdict == Verdict::Kill ? SECCOMP_RET_KILL_PROCESS : refuse(rule.error);
  if (permits) {
    answer = may_lift(*plan.row) ? kAllow : kAskBase;
  } else if (inputs.audit) {
    answer = kAskBase;
  }
  const Readings readings = read_condition(*rule.when);
  if (readings.constant) {
    if (*readings.constant) clauses->push_back({{}, answer, note});
    return;
  }
  if (!readings.lower || abi == Abi::I386) {
    clauses->push_back({{readings.lower ? *readings.lower : readings.whole}, answer, note});
  } else if (permits) {
    clauses->push_back({{readings.whole, *readings.lower}, answer, note});
  } else {
    clauses->push_back({{readings.whole}, answer, note});
    clauses->push_back({{*readings.lower}, answer, note});
  }
}

uint32_t gate_answer(const RowPlan& plan) {
  switch (plan.gate) {
    case Gate::Pass:
      return kAllow;
    case Gate::Refuse:
      return plan.kill ? SECCOMP_RET_KILL_PROCESS : refuse(plan.error);
    case Gate::Trace:
      return kTrace;
  }
  return SECCOMP_RET_KILL_PROCESS;
}

uint16_t gate_note(const RowPlan& plan, const FilterInputs& inputs) {
  const bool refused = plan.rule != nullptr && plan.gate == Gate::Refuse;
  return refused ? note_of(*plan.rule, inputs) : uint16_t{0};
}

}  // namespace

DecisionList decision_list(const RowPlan& plan, Abi abi, const FilterInputs& inputs) {
  DecisionList list;
  const RowPlan* base = &plan;
  RowPlan table;
  if (!plan.rules.empty()) {
    for (const SyscallRule* rule : plan.rules) add_rule(*rule, plan, abi, inputs, &list.rules);
    if (plan.rule != nullptr)
      list.rules.push_back({{}, gate_answer(plan), gate_note(plan, inputs)});
    // A conditional `allow` leads to what the table says, not to the statements before it.
    table = plan_row(*plan.row, inputs);
    base = &table;
  }
  if (plan.would_refuse != nullptr) {
    list.rules.push_back({{}, kAskBase, note_of(*plan.would_refuse, inputs)});
  }
  list.otherwise = gate_answer(*base);
  list.note = gate_note(*base, inputs);
  if (base->gate != Gate::Pass) list.base = condition_clauses(*base, inputs, &list.otherwise);
  return list;
}

}  // namespace callgate
