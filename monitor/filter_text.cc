// The plan for a person: `callgate filter` and `check --show`.
#include <cstring>
#include <map>

#include "monitor/filter.h"
#include "monitor/filter_lists.h"

namespace callgate {
namespace {

std::string_view words(Condition condition) {
  switch (condition) {
    case Condition::Always:
      return "always";
    case Condition::MmapGuard:
      return "when it maps a file executable, or names an address in the argument window";
    case Condition::MprotectExec:
      return "when it asks for PROT_EXEC";
    case Condition::LowAddress:
      return "when the address lies below the argument window's end";
    case Condition::MremapGuard:
      return "when the old or the fixed new address lies below the argument window's end";
    case Condition::MadviseGuard:
      return "when it would take pages below the argument window's end away";
    case Condition::ShmatGuard:
      return "when it names the argument area's segment or an address below the window's end";
    case Condition::ShmctlGuard:
      return "when it names the argument area's segment";
    case Condition::FcntlOwner:
      return "when it sets who gets the descriptor's signals";
    case Condition::IoctlGuard:
      return "by command: terminal injection, namespaces and handles refused; signal owners, "
             "inode flags and subvolumes traced";
    case Condition::CloneNamespaces:
      return "when it makes a namespace or hides a task from its tracer";
    case Condition::PrctlGuard:
      return "by option: PR_SET_SECCOMP, PR_SET_MM and PR_SET_SYSCALL_USER_DISPATCH refused; "
             "dumpability traced";
    case Condition::AddressGiven:
      return "when it gives an address";
    case Condition::PersonalityGuard:
      return "when it asks for READ_IMPLIES_EXEC";
    case Condition::OtherProcess:
      return "when it names another process";
    case Condition::CloseRangeUnshare:
      return "when it stops sharing the descriptor table";
    case Condition::RlimitGuard:
      return "when it names another process, or sets a limit that the policy sets";
    case Condition::DeviceNode:
      return "when it makes a device node";
    case Condition::SpecialOpen:
      return "when it opens no content (O_PATH), or a file without a name (O_TMPFILE)";
    case Condition::SpecialMove:
      return "when it leaves a device node behind (RENAME_WHITEOUT)";
    case Condition::SourceRoute:
      return "when its option would lead traffic past the address that is judged";
    case Condition::SeccompGuard:
      return "unless it only asks what the kernel supports";
  }
  return "";
}

std::string errno_name(int error) {
  const char* name = ::strerrorname_np(error);
  return name == nullptr ? std::to_string(error) : name;
}

std::string heading(const RowPlan& plan) {
  // unshare's condition selects what is refused; all else of it is traced.
  const bool unshare = plan.row->operation == Operation::Unshare && plan.gate == Gate::Trace;
  if (unshare) return "Refused with EPERM " + std::string(words(plan.condition)) + ", else traced";
  std::string text;
  switch (plan.gate) {
    case Gate::Pass:
      return "Passed, unseen";
    case Gate::Refuse:
      text = plan.kill ? "Killed" : "Refused with " + errno_name(plan.error);
      break;
    case Gate::Trace:
      text = "Traced";
      break;
  }
  return text + ", " + std::string(words(plan.condition));
}

// Names after two spaces, wrapped at 100 columns.
void append_names(const std::vector<std::string_view>& names, std::string* text) {
  size_t column = 0;
  for (std::string_view name : names) {
    if (column == 0 || column + name.size() + 1 > 100) {
      *text += column == 0 ? "  " : "\n  ";
      column = 2;
    } else {
      *text += ' ';
      ++column;
    }
    *text += name;
    column += name.size();
  }
  *text += '\n';
}

}  // namespace

std::string describe_filter(const FilterInputs& inputs) {
  std::string text;
  std::map<std::string, std::vector<std::string_view>> groups[3];  // by gate
  std::string statements;
  for (const RowPlan& plan : plan_filter(inputs)) {
    groups[static_cast<size_t>(plan.gate)][heading(plan)].push_back(plan.row->name);
    if (plan.rules.empty()) continue;
    for (Abi abi : {Abi::X86_64, Abi::I386, Abi::Aarch64}) {
      if (plan.row->number[static_cast<size_t>(abi)] < 0) continue;
      DecisionList list = decision_list(plan, abi, inputs);
      list.base.clear();
      const std::string all = list_text(list);
      // Without the last line, which is the table's own answer.
      statements += "Judged first, by the policy: " + std::string(plan.row->name) + "\n" +
                    all.substr(0, all.rfind("  else: "));
      break;
    }
  }
  for (Gate gate : {Gate::Trace, Gate::Refuse, Gate::Pass}) {
    for (const auto& [title, names] : groups[static_cast<size_t>(gate)]) {
      text += title + ":\n";
      append_names(names, &text);
    }
  }
  text += "Any other number, x32, any other architecture: refused with ENOSYS\n";
  return statements + text;
}

}  // namespace callgate
