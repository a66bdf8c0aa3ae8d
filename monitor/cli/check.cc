#include <algorithm>

#include "monitor/cli/command.h"
#include "monitor/cli/options.h"
#include "monitor/cli/say.h"
#include "monitor/escape.h"
#include "monitor/fence.h"
#include "monitor/filter.h"
#include "monitor/own_files.h"
#include "monitor/policy_world.h"
#include "monitor/session.h"

namespace callgate::cli {
namespace {

constexpr int kUnusable = 1;

// What `run` or `audit` would compile. The segment's number is only known there; any will do.
FilterInputs inputs_for(const Policy& policy, bool audit) {
  SessionOptions options;
  options.enforce = !audit;
  return filter_inputs(options, policy, 0, nullptr);
}

std::string wrapped(const std::vector<std::string>& words) {
  std::string out;
  std::string line = " ";
  for (const std::string& word : words) {
    if (line.size() + word.size() > 90) {
      out += line + "\n";
      line = " ";
    }
    line += " " + word;
  }
  return line.size() > 1 ? out + line + "\n" : out;
}

std::string trapped_text(const FilterInputs& inputs) {
  std::vector<std::string> trapped;
  size_t passed = 0;
  size_t refused = 0;
  bool conditional = false;
  for (const RowPlan& plan : plan_filter(inputs)) {
    switch (plan.gate) {
      case Gate::Pass:
        ++passed;
        break;
      case Gate::Refuse:
        ++refused;
        break;
      case Gate::Trace: {
        const bool always = plan.condition == Condition::Always;
        conditional = conditional || !always;
        trapped.push_back(std::string(plan.row->name) + (always ? "" : "*"));
        break;
      }
    }
  }
  std::sort(trapped.begin(), trapped.end());
  std::string out = "System calls: " + std::to_string(trapped.size()) +
                    " are trapped and judged, " + std::to_string(refused) +
                    " are refused in the kernel, " + std::to_string(passed) +
                    " pass at native speed.\nTrapped" +
                    (conditional ? " (* only with certain arguments)" : "") + ":\n";
  return out + wrapped(trapped);
}

bool written_by_user(const Statement& statement) { return statement.position.file != "runtime"; }

// Who enforces the statement. `fenced`: Landlock takes part, when nobody is to hear of denials.
std::string enforcer_of(const Statement& statement, bool fenced) {
  const std::string_view text = statement.text;
  if (text.starts_with("path")) return fenced ? "Landlock (with --quiet), monitor" : "monitor";
  if (text.starts_with("network") || text.starts_with("signal")) return "monitor";
  if (text.starts_with("syscall")) return "filter";
  return "at the start";
}

std::string statements_text(const Policy& policy, const std::vector<std::string>& words) {
  SessionOptions options;
  options.unheard = true;
  options.own_files = own_files({}, words, policy);
  const Fence fence = make_fence(options, policy);
  std::string out =
      "Statements, in order of precedence (the last that matches decides), and who enforces "
      "them:\n";
  for (const auto& statement : policy.statements()) {
    out += "  " + escape_line(statement->where()) + ": " + escape(statement->text) + "    [" +
           enforcer_of(*statement, fence.stands()) + "]\n";
  }
  if (fence.stands()) {
    return out +
           "With --quiet, and no log, Landlock judges reading, writing, creating and deleting\n"
           "in the monitor's place: opens do not stop. What else a path statement grants\n"
           "stays the monitor's.\n";
  }
  return out + "Landlock takes nothing over from the monitor: " + escape_line(fence.why_not) + "\n";
}

std::string with_newline(std::string text) {
  if (!text.empty() && text.back() != '\n') text += '\n';
  return text;
}

}  // namespace

int check_command(const Options& options) {
  if (options.words().empty()) {
    say("check: which policy? callgate check POLICY... [--show]");
    return kQuestionUsage;
  }
  const std::optional<Policy> policy = load_or_say(options.words(), {});
  if (!policy) return kUnusable;
  std::string out;
  // Both kinds of finding are ready to print: what they quote from the file is escaped.
  for (const std::string& warning : policy->warnings()) out += with_newline(warning);
  RealWorld world;
  for (const std::string& warning : policy->warnings_of_directories(world)) {
    out += with_newline(warning);
  }
  for (const SyscallRuleFinding& finding : check_syscall_rules(policy->syscall_rules())) {
    const Statement* rule = finding.rule->rule;
    out += (rule != nullptr ? escape_line(rule->where()) + ": " : "") +
           "warning: " + escape_line(finding.message) + "\n";
  }
  const auto statements = policy->statements();
  const auto count = std::count_if(statements.begin(), statements.end(), [](const auto& statement) {
    return written_by_user(*statement);
  });
  out += "OK: " + std::to_string(count) + (count == 1 ? " statement" : " statements");
  if (count == 0) out += "; an empty policy denies everything but starting up";
  out += "\n\n" + with_newline(policy->describe()) + "\n";
  if (options.has("show")) out += statements_text(*policy, options.words()) + "\n";
  const FilterInputs inputs = inputs_for(*policy, false);
  out += trapped_text(inputs);
  if (options.has("show")) out += "\n" + with_newline(describe_filter(inputs));
  return print(out) ? 0 : kUnusable;
}

int filter_command(const Options& options) {
  if (options.words().empty()) {
    say("filter: which policy? callgate filter POLICY... [--pfc]");
    return kQuestionUsage;
  }
  const std::optional<Policy> policy = load_or_say(options.words(), {});
  if (!policy) return kUnusable;
  const FilterInputs inputs = inputs_for(*policy, options.has("audit"));
  if (!options.has("pfc")) return print(with_newline(describe_filter(inputs))) ? 0 : kUnusable;
  const auto code = filter_pseudo_code(inputs);
  if (!code.ok()) {
    say("the filter cannot be compiled: " + error_text(code.error().code));
    return kUnusable;
  }
  return print(with_newline(*code)) ? 0 : kUnusable;
}

}  // namespace callgate::cli
