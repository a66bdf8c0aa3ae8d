// The seccomp filter: computed from the syscall table, the policy's needs and the argument area,
// compiled by libseccomp (which no other file includes). A value: nothing is loaded here.
#pragma once

#include <linux/filter.h>

#include <cerrno>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "arch/result.h"
#include "arch/syscall_table.h"
#include "policy/policy.h"

namespace callgate {

struct Fence;
struct SessionOptions;

struct FilterInputs {
  PolicyNeeds needs;
  std::vector<SyscallRule> syscall_rules;
  bool accept = true;        // some accept is refused or said
  bool limits = false;       // the policy has limit statements
  bool observe_all = false;  // audit or log: every row with a need is traced
  bool audit = false;        // what a `syscall` statement refuses runs, with a FilterNote
  bool naive = false;        // the calls by which the naive model keeps its mirror are traced
  bool co_schedule = false;  // affinity calls are answered by the monitor
  bool privileged = false;   // has_privileges (identity.h): tasks may become other users
  bool fenced = false;       // Landlock judges names (fence.h) ...
  bool moves_fenced = false; // ... and renames and links too
  int area_segment = -1;     // SysV id of the argument area, -1 when there is none
  uint64_t window_end = 0;   // first address above the argument window; below it calls are guarded
};

// For this process's user. `area_segment` as above; `fence` null: none stands.
FilterInputs filter_inputs(const SessionOptions& options, const Policy& policy, int area_segment,
                           const Fence* fence);

// What the filter does with one row; what `callgate filter` and `check --show` print, and what a
// test compares with the compiled program.
struct RowPlan {
  const SyscallRow* row = nullptr;
  Gate gate = Gate::Pass;
  int error = 0;
  Condition condition = Condition::Always;
  bool kill = false;  // Gate::Refuse by a `syscall kill` statement: the process dies instead
  // The policy's `syscall` statements about this name point into the inputs. `rule` is the
  // unconditional one that made the gate what it is; `rules` are conditional and asked before it,
  // in this order (the last of the policy first).
  const SyscallRule* rule = nullptr;
  std::vector<const SyscallRule*> rules;
  // In an audit: the statement that would refuse what `rules` leave, and changes nothing.
  const SyscallRule* would_refuse = nullptr;
};
std::vector<RowPlan> plan_filter(const FilterInputs& inputs);

// What the filter tells the monitor of a traced call beside that it is to be judged
// (SECCOMP_RET_DATA; 0: nothing). The filter has decided: a refused call stops only to be said and
// recorded, and without a tracer it fails all the same.
struct FilterNote {
  enum class Kind : uint8_t {
    Passes = 1,  // an audit: `rule` would have refused it
    Judged = 2,  // an audit: `rule` would have refused it, and it is to be judged besides
    Refused = 3,
  };
  Kind kind = Kind::Refused;
  std::optional<size_t> rule;  // index into FilterInputs::syscall_rules; absent: the table refuses
  static constexpr size_t kMostRules = 0x3ffe;
  static std::optional<FilterNote> read(uint16_t data) {
    if (data < 4 || data % 4 == 0) return std::nullopt;
    const size_t index = data / 4U;
    const auto kind = static_cast<Kind>(data % 4);
    return FilterNote{kind, index == 1 ? std::nullopt : std::optional(index - 2)};
  }
  // At least 4: less is left to compile_filter's own marks.
  [[nodiscard]] constexpr uint16_t data() const {
    return static_cast<uint16_t>((rule ? *rule + 2 : 1) * 4 + static_cast<size_t>(kind));
  }
};
// The table's refusals that are said. The others have the errno of a kernel that lacks the call
// (ENOSYS, EINVAL, EOPNOTSUPP), upon which a libc falls back, and are of no interest to anybody.
inline constexpr int kToldError = EPERM;

// Whether `syscall allow NAME` may open this refused call. Calls that would void the sandbox
// (ptrace, the mount interface, io_uring, namespaces, handles ...) stay refused, and a traced call
// stays traced whatever the policy says.
bool may_lift(const SyscallRow& row);
// Statements that have no effect: an unknown name, or an `allow` that may not be obeyed.
struct SyscallRuleFinding {
  const SyscallRule* rule = nullptr;
  std::string message;  // "syscall allow ptrace: ptrace stays refused: it would void the sandbox"
};
std::vector<SyscallRuleFinding> check_syscall_rules(std::span<const SyscallRule> rules);

struct Filter {
  std::vector<sock_filter> program;
};
Result<Filter> compile_filter(const FilterInputs& inputs);

// The machine's native numbers, by index, at which a stop tells all by its number: the filter stops
// no other ABI's call there, and has nothing to say of one but that it is to be judged.
std::vector<bool> plain_stops(const FilterInputs& inputs);

// The plan in readable form: traced, refused (with errno) and passed calls, conditions in words.
std::string describe_filter(const FilterInputs& inputs);
// libseccomp's own pseudo code of the compiled program.
Result<std::string> filter_pseudo_code(const FilterInputs& inputs);

// Evaluates a BPF program in user space as the kernel would: the SECCOMP_RET_* value.
uint32_t evaluate_filter(std::span<const sock_filter> program, uint32_t audit_arch, int number,
                         std::span<const uint64_t, 6> arguments, uint64_t instruction_pointer);

}  // namespace callgate
