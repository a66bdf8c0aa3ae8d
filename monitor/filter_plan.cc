// What the filter is to do with each row, before any of it is compiled.
#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <span>
#include <string_view>

#include "monitor/argument_area.h"
#include "monitor/fence.h"
#include "monitor/filter.h"
#include "monitor/filter_lists.h"
#include "monitor/given_sockets.h"
#include "monitor/identity.h"
#include "monitor/naive_mirror.h"
#include "monitor/session.h"

namespace callgate {
namespace {

bool need_present(const SyscallRow& row, const FilterInputs& inputs) {
  const PolicyNeeds& needs = inputs.needs;
  switch (row.need) {
    case Need::Always:
      return true;
    case Need::Paths:
      if (inputs.observe_all || needs.paths) return true;
      // An O_PATH open tells what stat tells.
      if (row.operation == Operation::Open) return needs.stat;
      // A new name may widen any right that depends on the name.
      if (row.operation == Operation::Link || row.operation == Operation::Rename) {
        return needs.attributes || needs.execute || needs.stat || needs.sockets;
      }
      return false;
    case Need::Attributes:
      return inputs.observe_all || needs.attributes;
    case Need::Execute:
      return inputs.observe_all || needs.execute;
    case Need::Stat:
      return inputs.observe_all || needs.stat;
    case Need::Network:
      return inputs.observe_all ||
             (needs.network && (row.operation != Operation::Accept || inputs.accept));
    case Need::Signal:
      return inputs.observe_all || needs.signals;
    case Need::Limit:
      return inputs.limits;
    case Need::Affinity:
      return inputs.co_schedule;
    case Need::Credentials:
      return inputs.privileged;
    case Need::Audit:
      return inputs.observe_all;
  }
  return true;
}

// Whether the row guards something that exists: the argument area's window or its segment.
bool guard_present(const SyscallRow& row, const FilterInputs& inputs) {
  const bool window = inputs.window_end != 0;
  const bool segment = inputs.area_segment >= 0;
  if (row.operation == Operation::GuardArea) return window;
  if (row.operation != Operation::SharedMemory) return true;
  if (row.condition == Condition::LowAddress) return window;
  if (row.condition == Condition::ShmctlGuard) return segment;
  return window || segment;
}

// The last statement that matches decides, so the last one is asked first, and one without a
// condition ends the search.
void apply_rules(RowPlan* plan, const FilterInputs& inputs) {
  for (auto at = inputs.syscall_rules.rbegin(); at != inputs.syscall_rules.rend(); ++at) {
    const SyscallRule& rule = *at;
    if (rule.name != plan->row->name) continue;
    if (rule.when) {
      plan->rules.push_back(&rule);
      continue;
    }
    if (rule.verdict == Verdict::Allow) {
      if (!may_lift(*plan->row)) return;
      plan->gate = Gate::Pass;
      plan->error = 0;
    } else if (inputs.audit) {
      plan->would_refuse = &rule;
      return;
    } else {
      plan->gate = Gate::Refuse;
      plan->error = rule.error;
      plan->condition = Condition::Always;
      plan->kill = rule.verdict == Verdict::Kill;
    }
    plan->rule = &rule;
    return;
  }
}

// What i386's multiplexers reach. The sub-calls' arguments stand in memory, where the kernel's
// filter cannot judge them.
constexpr auto kBySocketCall = std::to_array<std::string_view>(
    {"socket", "bind", "connect", "listen", "accept", "accept4", "getsockname", "getpeername",
     "socketpair", "sendto", "recvfrom", "shutdown", "setsockopt", "getsockopt", "sendmsg",
     "recvmsg", "sendmmsg", "recvmmsg"});
constexpr auto kByIpc =
    std::to_array<std::string_view>({"semop", "semget", "semctl", "semtimedop", "msgsnd", "msgrcv",
                                     "msgget", "msgctl", "shmat", "shmdt", "shmget", "shmctl"});

// A statement that refuses a call must not be walked around through its multiplexer, so that one is
// refused as a whole: a libc then uses the call itself.
void close_detours(RowPlan* plan, const FilterInputs& inputs) {
  std::span<const std::string_view> reached;
  if (plan->row->name == "socketcall") reached = kBySocketCall;
  if (plan->row->name == "ipc") reached = kByIpc;
  if (reached.empty()) return;
  for (auto at = inputs.syscall_rules.begin(); at != inputs.syscall_rules.end(); ++at) {
    const SyscallRule& rule = *at;
    if (rule.verdict == Verdict::Allow) continue;
    if (std::ranges::find(reached, rule.name) == reached.end()) continue;
    const bool revoked = std::any_of(at, inputs.syscall_rules.end(), [&](const SyscallRule& later) {
      return later.verdict == Verdict::Allow && later.name == rule.name && !later.when;
    });
    if (revoked) continue;
    if (inputs.audit) {
      plan->would_refuse = &rule;
    } else {
      *plan = RowPlan{plan->row, Gate::Refuse, ENOSYS, Condition::Always, false, &rule, {}, {}};
    }
    return;
  }
}

// Where Landlock answers calls of the row as the policy would (fence.cc has the rights): which of
// them are left to stop; Always: none.
std::optional<Condition> left_by_kernel(const SyscallRow& row, const FilterInputs& inputs) {
  const bool move = row.operation == Operation::Rename || row.operation == Operation::Link;
  const bool name = row.operation == Operation::Open || row.operation == Operation::Create ||
                    row.operation == Operation::Delete || row.operation == Operation::Truncate;
  if (!(name && inputs.fenced) && !(move && inputs.moves_fenced)) return std::nullopt;
  if (row.condition == Condition::DeviceNode) return row.condition;
  if (row.argument(Role::OpenHow) >= 0) return std::nullopt;  // whose flags stand in memory
  // What only names an object, or makes one without a name, Landlock does not see as the policy.
  if (row.argument(Role::OpenFlags) >= 0) return Condition::SpecialOpen;
  if (row.argument(Role::RenameFlags) >= 0) return Condition::SpecialMove;
  return Condition::Always;
}

// By list, so that a row that is refused tomorrow is not liftable by accident. None of these hands
// out a file, a name, a device or kernel code, reaches into another process, or hides a task.
constexpr auto kLiftable = std::to_array<std::string_view>({
    "_sysctl",         "add_key",          "adjtimex",
    "bdflush",         "clock_adjtime",    "clock_adjtime64",
    "clock_settime",   "clock_settime64",  "kcmp",
    "keyctl",          "lookup_dcookie",   "nfsservctl",
    "perf_event_open", "process_mrelease", "quotactl_fd",
    "reboot",          "request_key",      "setdomainname",
    "sethostname",     "settimeofday",     "stime",
    "syslog",          "vhangup",          "vm86",
    "vm86old",
});

// A monitor whose list of calls is one of names and sockets lets everything else pass, and what it
// is never asked about it does not refuse. But for clone3, whose flags the loop could not read.
bool is_unheard_of(const SyscallRow& row) {
  if (row.name == "clone3") return false;
  return row.gate == Gate::Refuse || row.operation == Operation::Ioctl ||
         row.operation == Operation::Unshare || row.operation == Operation::Rlimit;
}

}  // namespace

FilterInputs filter_inputs(const SessionOptions& options, const Policy& policy, int area_segment,
                           const Fence* fence) {
  FilterInputs inputs;
  inputs.needs = policy.needs();
  inputs.privileged = has_privileges();
  // The privileged can reach the argument area's file through /proc/<pid>/map_files: as long as
  // there is anything to enforce, their opens are seen.
  const PolicyNeeds& needs = policy.needs();
  const bool enforces =
      needs.paths || needs.attributes || needs.execute || needs.stat || needs.network;
  if (enforces && inputs.privileged) inputs.needs.paths = inputs.needs.attributes = true;
  inputs.accept = accept_matters(options, policy);
  inputs.syscall_rules.assign(policy.syscall_rules().begin(), policy.syscall_rules().end());
  // Core dumps are limited without a statement; only a privileged program could lift that.
  inputs.limits = !policy.limits().empty() || (inputs.privileged && policy.needs().paths);
  inputs.observe_all = options.observe_all || !options.enforce;
  inputs.audit = !options.enforce;
  inputs.naive = options.model == Model::Naive;
  inputs.co_schedule = options.co_schedule;
  inputs.area_segment = area_segment;
  inputs.fenced = fence != nullptr && fence->stands();
  inputs.moves_fenced = inputs.fenced && fence->covers_moves;
  inputs.window_end = ArgumentArea::kWindowEnd;
  return inputs;
}

RowPlan plan_row(const SyscallRow& row, const FilterInputs& inputs) {
  RowPlan plan{&row, row.gate, row.error, row.condition, false, nullptr, {}, {}};
  if (inputs.naive &&
      std::ranges::find(NaiveMirror::kWatched, row.name) != NaiveMirror::kWatched.end()) {
    plan.gate = Gate::Trace;
    return plan;
  }
  if (inputs.naive && is_unheard_of(row)) {
    return RowPlan{&row, Gate::Pass, 0, Condition::Always, false, nullptr, {}, {}};
  }
  if (row.gate == Gate::Pass) return plan;
  const bool needed = need_present(row, inputs);
  if (row.gate == Gate::Refuse && needed) return plan;
  bool traced = needed && guard_present(row, inputs);
  // Some rows are judged in part even when no policy asks for them.
  if (row.condition == Condition::MmapGuard) traced = needed || inputs.window_end != 0;
  if (row.condition == Condition::RlimitGuard) traced = true;
  if (row.operation == Operation::Affinity && row.condition == Condition::OtherProcess) {
    traced = true;
    if (needed) plan.condition = Condition::Always;
  }
  if (row.condition == Condition::DeviceNode) {
    traced = true;
    if (needed) plan.condition = Condition::Always;
  }
  if (const auto left = left_by_kernel(row, inputs)) {
    plan.condition = *left;
    if (*left == Condition::Always) traced = false;
  }
  if (!traced) plan = RowPlan{&row, Gate::Pass, 0, Condition::Always, false, nullptr, {}, {}};
  return plan;
}

bool may_lift(const SyscallRow& row) {
  return row.gate == Gate::Refuse && row.condition == Condition::Always &&
         std::ranges::find(kLiftable, row.name) != kLiftable.end();
}

std::vector<RowPlan> plan_filter(const FilterInputs& inputs) {
  std::vector<RowPlan> plans;
  plans.reserve(syscall_table().size());
  for (const SyscallRow& row : syscall_table()) {
    plans.push_back(plan_row(row, inputs));
    apply_rules(&plans.back(), inputs);
    close_detours(&plans.back(), inputs);
  }
  return plans;
}

std::vector<SyscallRuleFinding> check_syscall_rules(std::span<const SyscallRule> rules) {
  std::vector<SyscallRuleFinding> findings;
  for (const SyscallRule& rule : rules) {
    const SyscallRow* row = find_syscall(rule.name);
    if (row == nullptr) {
      findings.push_back({&rule, "syscall " + rule.name + ": there is no such system call"});
    } else if (rule.verdict == Verdict::Allow && row->gate == Gate::Refuse && !may_lift(*row)) {
      const bool partly = row->condition != Condition::Always;
      findings.push_back({&rule, "syscall allow " + rule.name + ": " + rule.name + " stays " +
                                     (partly ? "guarded" : "refused") +
                                     ": allowing it would void the sandbox"});
    }
  }
  return findings;
}

}  // namespace callgate
