// What can be said of a policy without asking it anything: which kinds of call it can tell
// apart, and which of its statements can never decide.
#include <algorithm>
#include <map>

#include "policy/policy_impl.h"
#include "policy/runtime.h"

namespace callgate {
namespace {

// Whether some name could be refused the operation, or its use be written to the log.
bool path_matters(const Policy::Impl& policy, PathOp op, int32_t everywhere) {
  if (!policy.path_ruling(op, everywhere).silent_allow()) return true;
  const auto& rules = policy.program.paths;
  return std::any_of(rules.begin() + (everywhere + 1), rules.end(), [&](const PathRule& rule) {
    return rule.ops.has(op) && !rule.ruling.silent_allow() && !rule.patterns.empty();
  });
}

bool network_matters(const Policy::Impl& policy) {
  constexpr unsigned kEverything = (1u << kNetFamilyCount) - 1;
  bool matters = true;
  for (const NetRule& rule : policy.program.networks) {
    if (!rule.ruling.silent_allow()) {
      matters = true;
    } else if (rule.families == kEverything && rule.ops == 0 && rule.endpoints.empty()) {
      matters = false;
    }
  }
  return matters;
}

bool socket_names_matter(const Policy::Impl& policy) {
  const auto names_path = [](const EndpointPattern& endpoint) {
    return std::holds_alternative<Pattern>(endpoint);
  };
  return std::any_of(policy.program.networks.begin(), policy.program.networks.end(),
                     [&](const NetRule& rule) {
                       return std::any_of(rule.endpoints.begin(), rule.endpoints.end(), names_path);
                     });
}

bool signals_matter(const Policy::Impl& policy) {
  bool inside = false;
  bool outside = true;
  for (const SignalRule& rule : policy.program.signals) {
    inside = !rule.ruling.silent_allow();
    if (rule.outside) outside = inside;
  }
  return inside || outside;
}

bool path_idle(const Policy::Impl& policy, const PathRule& rule, int32_t index) {
  if (rule.patterns.empty()) return false;
  return std::all_of(rule.patterns.begin(), rule.patterns.end(), [&](const Pattern& pattern) {
    const Slots covering = policy.paths.covering(pattern);
    for (size_t slot = 0; slot < kPathOpCount; ++slot) {
      if (rule.ops.has(static_cast<PathOp>(slot)) && covering[slot] <= index) return false;
    }
    return true;
  });
}

// The built-in list and the shipped profiles are meant to be overruled.
bool written_by_user(const Statement& statement) {
  const std::string& file = statement.position.file;
  return file != kRuntimeFile && !file.starts_with("profile:");
}

class IdleWarnings {
 public:
  explicit IdleWarnings(std::vector<std::string>* warnings) : warnings_(warnings) {}
  void add(const Statement& statement) {
    if (!written_by_user(statement)) return;
    warnings_->push_back(warning_at(
        statement.position, "this statement can never decide: later ones match all that it does"));
  }

 private:
  std::vector<std::string>* warnings_;
};

// Whether whatever is below the directory certainly gets this answer.
bool all_below(const Policy::Impl& policy, PathOp op, std::string_view directory, bool allowed) {
  const PathIndex::Position position = policy.paths.position(directory);
  const auto slot = static_cast<size_t>(op);
  bool sure = policy.path_allowed(op, position.base[slot]) == allowed;
  policy.paths.visit_below(position.active, [&](int at, int32_t rule) {
    if (static_cast<size_t>(at) == slot && rule > position.base[slot] &&
        policy.path_allowed(op, rule) != allowed) {
      sure = false;
    }
  });
  return sure;
}

// What a rule that names one directory does not do to what is in it; empty where it may be meant
// so: to list a directory, to hide it and to keep it from being removed are said of it alone.
std::string left_out(const Policy::Impl& policy, const PathRule& rule, std::string_view directory) {
  const bool reads = rule.ops.has(PathOp::Read);
  const bool writes = rule.ops.has(PathOp::Write);
  if (rule.ruling.verdict == Verdict::Allow) {
    return writes && all_below(policy, PathOp::Write, directory, false) ? "is not granted" : "";
  }
  if (reads && all_below(policy, PathOp::Read, directory, true)) return "can still be read";
  return writes && all_below(policy, PathOp::Write, directory, true) ? "can still be written" : "";
}

}  // namespace

PolicyNeeds needs_of(const Policy::Impl& policy) {
  Pattern everything;
  everything.below = true;
  const Slots everywhere = policy.paths.covering(everything);
  const auto matters = [&](PathOp op) {
    return path_matters(policy, op, everywhere[static_cast<size_t>(op)]);
  };
  PolicyNeeds needs;
  needs.paths = matters(PathOp::Read) || matters(PathOp::Write) || matters(PathOp::Create) ||
                matters(PathOp::Delete);
  needs.attributes = matters(PathOp::Attributes);
  needs.execute = matters(PathOp::Execute);
  needs.stat = matters(PathOp::Stat);
  needs.network = network_matters(policy);
  needs.sockets = needs.network && socket_names_matter(policy);
  needs.signals = signals_matter(policy);
  return needs;
}

void warn_of_idle_statements(const Policy::Impl& policy, std::vector<std::string>* warnings) {
  IdleWarnings idle(warnings);
  const Program& program = policy.program;
  int32_t index = 0;
  for (const PathRule& rule : program.paths) {
    if (path_idle(policy, rule, index++)) idle.add(*rule.ruling.statement);
  }
  index = 0;
  for (const NetRule& rule : program.networks) {
    if (policy.networks.covering(rule) > index++) idle.add(*rule.ruling.statement);
  }
  bool all_follows = false;
  std::vector<const Statement*> signals;
  bool inside_follows = false;
  for (auto rule = program.signals.rbegin(); rule != program.signals.rend(); ++rule) {
    if (all_follows || (inside_follows && !rule->outside))
      signals.push_back(rule->ruling.statement);
    inside_follows = true;
    all_follows = all_follows || rule->outside;
  }
  for (auto it = signals.rbegin(); it != signals.rend(); ++it) idle.add(**it);
  std::map<std::string, const LimitRule*> limits;
  for (const LimitRule& rule : program.limits) {
    const LimitRule*& earlier = limits[rule.resource];
    if (earlier != nullptr) idle.add(*earlier->rule);
    earlier = &rule;
  }
}

std::vector<std::string> warnings_of_directories(const Policy::Impl& policy, PolicyWorld& world) {
  std::vector<std::string> warnings;
  for (const PathRule& rule : policy.program.paths) {
    if (!written_by_user(*rule.ruling.statement)) continue;
    for (const Pattern& pattern : rule.patterns) {
      if (!pattern.literal()) continue;
      const std::string name = unescape(pattern.text());
      const std::string what = left_out(policy, rule, name);
      if (what.empty() || !world.is_directory(name)) continue;
      warnings.push_back(warning_at(
          rule.ruling.statement->position,
          quoted(pattern.text()) + " is a directory, and this speaks of it alone: what is in it " +
              what + " (expected " + quoted(name == "/" ? "/**" : pattern.text() + '/') +
              ", which is both)"));
    }
  }
  return warnings;
}

}  // namespace callgate
