// The compiled filter. For each ABI, a gate of ours lets the numbers pass that the table knows;
// behind it libseccomp's dispatch, a binary search, holds those that do not simply pass. A call
// whose arguments matter gets a marked SECCOMP_RET_TRACE there, and the marked returns are then
// replaced by jumps to the decision lists, appended behind. One mark serves for all such calls, one
// program for each ABI, and passing is the dispatch's default, because the time that libseccomp
// takes grows with the square of the number of different answers and of numbers.
#include "monitor/filter.h"

#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>

#include "arch/unique_fd.h"
#include "monitor/filter_lists.h"

namespace callgate {
namespace {

// Marks are SECCOMP_RET_DATA values of RET_TRACE; 0 is a real trace, and so are those above, which
// are FilterNotes.
constexpr uint32_t kListed = 1;    // a call with a decision list
constexpr uint32_t kUnlisted = 2;  // a number that the gate keeps from the dispatch
constexpr uint32_t kOtherAbi = 3;  // the next ABI's program is asked
constexpr uint32_t kNoSuchCall = SCMP_ACT_ERRNO(ENOSYS);

struct ContextDeleter {
  void operator()(void* context) const { seccomp_release(context); }
};
using Context = std::unique_ptr<void, ContextDeleter>;

struct Target {
  Abi abi;
  uint32_t token;
};
std::vector<Target> targets() {
  if (seccomp_arch_native() == SCMP_ARCH_AARCH64) return {{Abi::Aarch64, SCMP_ARCH_AARCH64}};
  return {{Abi::X86_64, SCMP_ARCH_X86_64}, {Abi::I386, SCMP_ARCH_X86}};
}

// The list that one call leads to.
struct Listed {
  int number;
  DecisionList list;
  std::string_view name;
};

// How a list may stop a call: to have it judged, or with a FilterNote.
struct Stops {
  bool judged = false;
  bool noted = false;
};
Stops stops_of(const DecisionList& list) {
  Stops stops;
  const auto add = [&stops](uint32_t answer, uint16_t note) {
    if (note != 0) stops.noted = true;
    const uint32_t said = told(answer, note);
    if (answer == kAskBase || (said & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_TRACE) return;
    ((said & SECCOMP_RET_DATA) == 0 ? stops.judged : stops.noted) = true;
  };
  for (const Clause& clause : list.rules) add(clause.answer, clause.note);
  for (const Clause& clause : list.base) add(clause.answer, clause.note);
  add(list.otherwise, list.note);
  return stops;
}

// One ABI's part.
struct Dispatch {
  Abi abi;
  uint32_t token;
  Context context;
  std::vector<Listed> marked;
  std::vector<Listed> unlisted;  // judged, but libseccomp cannot name them in this ABI
  std::vector<int> dispatched;   // every other number of the table
};

Error error_of(int result) { return Error{result == 0 ? EINVAL : -result}; }

Result<Context> new_context(uint32_t token) {
  Context context(seccomp_init(SCMP_ACT_ALLOW));
  if (context == nullptr) return Error{ENOMEM};
  // The gate comes first, and has no way for x32. The launcher sets no_new_privs itself.
  const std::pair<scmp_filter_attr, uint32_t> attributes[] = {
      {SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_TRACE(kOtherAbi)},
      {SCMP_FLTATR_CTL_NNP, 0},
      {SCMP_FLTATR_CTL_OPTIMIZE, 2}};
  for (const auto& [attribute, value] : attributes) {
    if (int result = seccomp_attr_set(context.get(), attribute, value); result != 0) {
      return error_of(result);
    }
  }
  if (token != seccomp_arch_native()) {
    if (int result = seccomp_arch_add(context.get(), token); result != 0) return error_of(result);
    if (int result = seccomp_arch_remove(context.get(), seccomp_arch_native()); result != 0) {
      return error_of(result);
    }
  }
  return context;
}

// The number as seccomp_rule_add wants it: libseccomp takes every number for the native machine's
// and translates it by name, with negative stand-ins for names that the native one lacks.
// SCMP_ERROR (-1) when it does not know the number.
int rule_number(uint32_t token, int number) {
  char* name = seccomp_syscall_resolve_num_arch(token, number);
  if (name == nullptr) return __NR_SCMP_ERROR;
  const int native = seccomp_syscall_resolve_name(name);
  ::free(name);
  return native;
}

Status add_call(Dispatch* dispatch, const Target& target, const RowPlan& plan,
                const FilterInputs& inputs) {
  const int number = plan.row->number[static_cast<size_t>(target.abi)];
  if (number < 0) return Unit{};
  DecisionList list = decision_list(plan, target.abi, inputs);
  if (list.unconditional() && list.otherwise == SCMP_ACT_ALLOW) {
    dispatch->dispatched.push_back(number);
    return Unit{};
  }
  const int known = rule_number(target.token, number);
  if (known == __NR_SCMP_ERROR) {
    if (list.unconditional() && list.otherwise == kNoSuchCall) return Unit{};
    dispatch->unlisted.push_back({number, std::move(list), plan.row->name});
    return Unit{};
  }
  uint32_t action = told(list.otherwise, list.note);
  if (!list.unconditional()) {
    action = SCMP_ACT_TRACE(kListed);
    dispatch->marked.push_back({number, std::move(list), plan.row->name});
  }
  dispatch->dispatched.push_back(number);
  const int result = seccomp_rule_add(dispatch->context.get(), action, known, 0);
  if (result != 0) return error_of(result);
  return Unit{};
}

Result<std::vector<Dispatch>> build_dispatches(const FilterInputs& inputs) {
  std::vector<Dispatch> dispatches;
  const std::vector<RowPlan> plans = plan_filter(inputs);
  for (const Target& target : targets()) {
    CALLGATE_TRY(Context context, new_context(target.token));
    dispatches.push_back({target.abi, target.token, std::move(context), {}, {}, {}});
    for (const RowPlan& plan : plans) {
      CALLGATE_TRY([[maybe_unused]] Unit done, add_call(&dispatches.back(), target, plan, inputs));
    }
  }
  return dispatches;
}

Result<std::string> exported(void* context, int (*write)(const scmp_filter_ctx, int)) {
  UniqueFd file(::memfd_create("callgate-filter", MFD_CLOEXEC));
  if (!file.valid()) return last_error();
  if (int result = write(context, file.get()); result != 0) return error_of(result);
  const off_t size = ::lseek(file.get(), 0, SEEK_CUR);
  if (size < 0) return last_error();
  std::string bytes(static_cast<size_t>(size), '\0');
  if (::pread(file.get(), bytes.data(), bytes.size(), 0) != size) return Error{EIO};
  return bytes;
}

struct Range {
  int first;
  int last;
};
std::vector<Range> ranges_of(std::vector<int> numbers) {
  std::sort(numbers.begin(), numbers.end());
  std::vector<Range> ranges;
  for (const int number : numbers) {
    if (ranges.empty() || number > ranges.back().last + 1) {
      ranges.push_back({number, number});
    } else {
      ranges.back().last = number;
    }
  }
  return ranges;
}

constexpr sock_filter marked(uint32_t mark) {
  return {BPF_RET | BPF_K, 0, 0, SCMP_ACT_TRACE(mark)};
}

// Falls through, with the number loaded, for what the dispatch is to judge.
Status emit_gate(const Dispatch& dispatch, std::vector<sock_filter>* program) {
  program->push_back({BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, arch)});
  program->push_back({BPF_JMP | BPF_JEQ | BPF_K, 1, 0, dispatch.token});
  program->push_back(marked(kOtherAbi));
  program->push_back({BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)});
  const std::vector<Range> ranges = ranges_of(dispatch.dispatched);
  size_t left = 2 * ranges.size();  // instructions before the one that turns away
  if (left > UINT8_MAX) return Error{E2BIG};
  for (const Range& range : ranges) {
    const auto first = static_cast<uint32_t>(range.first);
    const auto last = static_cast<uint32_t>(range.last);
    const auto away = static_cast<uint8_t>(--left);
    program->push_back({BPF_JMP | BPF_JGE | BPF_K, 0, away, first});
    const auto past = static_cast<uint8_t>(left--);
    program->push_back({BPF_JMP | BPF_JGT | BPF_K, 0, past, last});
  }
  program->push_back(marked(kUnlisted));
  return Unit{};
}

// Each number's list; then ENOSYS. Conditional jumps reach 255 instructions, and a list may hold
// more. Every list ends in an answer, so the number that was loaded stays loaded until then.
void emit_lists(const std::vector<Listed>& calls, Abi abi, std::vector<sock_filter>* program) {
  program->push_back({BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)});
  for (const Listed& call : calls) {
    std::vector<sock_filter> list;
    emit_list(call.list, abi, &list);
    program->push_back({BPF_JMP | BPF_JEQ | BPF_K, 1, 0, static_cast<uint32_t>(call.number)});
    program->push_back({BPF_JMP | BPF_JA, 0, 0, static_cast<uint32_t>(list.size())});
    program->insert(program->end(), list.begin(), list.end());
  }
  program->push_back({BPF_RET | BPF_K, 0, 0, kNoSuchCall});
}

void append_calls(const std::vector<Listed>& calls, std::string* text) {
  for (const Listed& call : calls) {
    *text +=
        std::string(call.name) + " (" + std::to_string(call.number) + ")\n" + list_text(call.list);
  }
}

std::string gate_text(const Dispatch& dispatch) {
  std::string text;
  for (const Range& range : ranges_of(dispatch.dispatched)) {
    text += text.empty() ? ": the numbers " : ", ";
    text += std::to_string(range.first);
    if (range.last != range.first) text += " to " + std::to_string(range.last);
  }
  return text + "; any other is TRACE(" + std::to_string(kUnlisted) + ")";
}

std::string marked_text(const Dispatch& dispatch) {
  std::string text = "\n# TRACE(" + std::to_string(kListed) +
                     ") is the call's own list; the first line that holds answers.\n";
  append_calls(dispatch.marked, &text);
  text += "\n# TRACE(" + std::to_string(kUnlisted) + "): any other number\n";
  append_calls(dispatch.unlisted, &text);
  text += "  refuse ENOSYS\n\n# Higher ones are refused, and said: TRACE(" +
          std::to_string(FilterNote{}.data()) +
          ") with EPERM, the others as the policy's statements say.\n";
  return text + "\n# TRACE(" + std::to_string(kOtherAbi) +
         "): the next program; ENOSYS behind the last\n";
}

}  // namespace

Result<Filter> compile_filter(const FilterInputs& inputs) {
  if (inputs.syscall_rules.size() > FilterNote::kMostRules) return Error{E2BIG};
  CALLGATE_TRY(std::vector<Dispatch> dispatches, build_dispatches(inputs));
  Filter filter;
  std::vector<sock_filter>& program = filter.program;
  for (const Dispatch& dispatch : dispatches) {
    CALLGATE_TRY(std::string bytes, exported(dispatch.context.get(), seccomp_export_bpf));
    const size_t begin = program.size();
    CALLGATE_TRY([[maybe_unused]] Unit done, emit_gate(dispatch, &program));
    const size_t exported_begin = program.size();
    const size_t end = exported_begin + bytes.size() / sizeof(sock_filter);
    program.resize(end);
    std::memcpy(program.data() + exported_begin, bytes.data(), bytes.size());
    std::map<uint32_t, size_t> entry;  // mark -> where it leads
    entry[kListed] = program.size();
    emit_lists(dispatch.marked, dispatch.abi, &program);
    entry[kUnlisted] = program.size();
    emit_lists(dispatch.unlisted, dispatch.abi, &program);
    entry[kOtherAbi] = program.size();
    for (size_t at = begin; at < end; ++at) {
      sock_filter& instruction = program[at];
      if (instruction.code != (BPF_RET | BPF_K)) continue;
      if ((instruction.k & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_TRACE) continue;
      const uint32_t mark = instruction.k & SECCOMP_RET_DATA;
      if (mark == 0 || mark > kOtherAbi) continue;
      const auto target = entry.find(mark);
      if (target == entry.end()) return Error{EINVAL};
      instruction = {BPF_JMP | BPF_JA, 0, 0, static_cast<uint32_t>(target->second - at - 1)};
    }
  }
  program.push_back({BPF_RET | BPF_K, 0, 0, kNoSuchCall});
  if (program.size() > BPF_MAXINSNS) return Error{E2BIG};
  return filter;
}

std::vector<bool> plain_stops(const FilterInputs& inputs) {
  const Abi native = targets().front().abi;
  std::vector<bool> plain;
  const std::vector<RowPlan> plans = plan_filter(inputs);
  // The native ABI first: the others take away from what it has.
  for (const Target& target : targets()) {
    for (const RowPlan& plan : plans) {
      const int number = plan.row->number[static_cast<size_t>(target.abi)];
      if (number < 0) continue;
      const auto index = static_cast<size_t>(number);
      if (target.abi == native && index >= plain.size()) plain.resize(index + 1);
      if (index >= plain.size()) continue;
      const Stops stops = stops_of(decision_list(plan, target.abi, inputs));
      plain[index] = target.abi == native ? stops.judged && !stops.noted
                                          : plain[index] && !stops.judged && !stops.noted;
    }
  }
  return plain;
}

Result<std::string> filter_pseudo_code(const FilterInputs& inputs) {
  CALLGATE_TRY(std::vector<Dispatch> dispatches, build_dispatches(inputs));
  std::string text;
  for (const Dispatch& dispatch : dispatches) {
    CALLGATE_TRY(std::string part, exported(dispatch.context.get(), seccomp_export_pfc));
    text += "# " + std::string(abi_name(dispatch.abi)) + gate_text(dispatch) + "\n" + part +
            marked_text(dispatch);
  }
  return text;
}

}  // namespace callgate
