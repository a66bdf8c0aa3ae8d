#include "policy/tree_grants.h"

#include <algorithm>
#include <optional>

#include "policy/policy_impl.h"

namespace callgate {
namespace {

constexpr size_t kMostStatements = 1000;  // each grant is compared with all

// The literal components before the first that is none, as a name.
std::string fixed_part(const Pattern& pattern) {
  std::string name;
  for (const Component& component : pattern.components) {
    if (component.kind != Component::Kind::Literal) break;
    name.append("/").append(component.text);
  }
  return name.empty() ? "/" : name;
}

bool is_fixed(const Pattern& pattern) {
  return std::all_of(
      pattern.components.begin(), pattern.components.end(),
      [](const Component& component) { return component.kind == Component::Kind::Literal; });
}

std::string parent_of(const std::string& name) {
  const size_t slash = name.rfind('/');
  return slash == 0 ? "/" : name.substr(0, slash);
}

// Adds what one statement grants; what it says beyond that, or nothing.
std::string add_rule(const PathRule& rule, TreeGrants* grants) {
  const PathOps ops = rule.ops & TreeGrants::kOps;
  if (ops.empty()) return {};
  if (rule.ruling.verdict != Verdict::Allow) return "it makes an exception";
  if (rule.ruling.log) return "what it grants is to be recorded";
  for (const Pattern& pattern : rule.patterns) {
    if (!is_fixed(pattern)) return pattern.text() + " is neither a whole tree nor one name";
    const TreeGrants::Grant grant{fixed_part(pattern), ops, rule.ruling.statement};
    if (pattern.below) grants->below.push_back(grant);
    if (pattern.itself) grants->itself.push_back(grant);
  }
  return {};
}

// A right to a directory holds for all below it; one to make or remove it is its parent's.
std::string misfit_of(const TreeGrants::Grant& below, const TreeGrants& grants) {
  if (!below.ops.has(PathOp::Read) || grants.covers(PathOp::Read, below.name)) return {};
  return "it grants to read what is below " + below.name + ", and not to list it itself";
}

std::string misfit_of_one(const TreeGrants::Grant& itself, const TreeGrants& grants) {
  for (const PathOp op : {PathOp::Create, PathOp::Delete}) {
    if (!itself.ops.has(op) || grants.covers_from_above(op, itself.name)) continue;
    return "it grants to " + std::string(path_op_name(op)) + " " + itself.name +
           " itself, and not what lies beside it";
  }
  return {};
}

// The kernel's grant is the object's and moves with it; the policy's is its name's.
std::string misfit_of_movable(const TreeGrants::Grant& grant, const TreeGrants& grants) {
  if (grants.covers_from_above(grant.ops, grant.name)) return {};
  if (!grants.covers_from_above(PathOp::Delete, grant.name)) return {};
  return "it grants more to " + grant.name +
         " than to what lies beside it, with which it may be moved";
}

// The kernel reads what it executes.
std::string misfit_of_execution(const PathRule& rule, const TreeGrants& grants) {
  if (!rule.ops.has(PathOp::Execute) || rule.ruling.verdict != Verdict::Allow) return {};
  for (const Pattern& pattern : rule.patterns) {
    const std::string name = fixed_part(pattern);
    const bool readable = pattern.literal() ? grants.covers(PathOp::Read, name)
                                            : grants.covers_below(PathOp::Read, name);
    if (!readable) return "it grants to execute " + pattern.text() + ", and not to read it";
  }
  return {};
}

bool lies_in(const std::string& name, const std::string& directory) {
  return name == directory || directory == "/" || name.starts_with(directory + "/");
}

// Whether the pattern speaks of some names below the directory and not of all.
bool tells_apart(const Pattern& pattern, const std::string& directory) {
  const std::string name = fixed_part(pattern);
  if (!is_fixed(pattern)) return lies_in(name, directory) || lies_in(directory, name);
  return name != directory && lies_in(name, directory);
}

bool moves_change_nothing(const Policy::Impl& policy, const TreeGrants& grants) {
  constexpr PathOps kUntold{PathOp::Execute, PathOp::Attributes};
  constexpr PathOps kNames{PathOp::Create, PathOp::Delete};
  std::optional<PathOps> alike;
  for (const TreeGrants::Grant& grant : grants.below) {
    if ((grant.ops & kNames).empty()) continue;
    for (const PathRule& rule : policy.program.paths) {
      if ((rule.ops & kUntold).empty()) continue;
      if (std::any_of(rule.patterns.begin(), rule.patterns.end(),
                      [&](const Pattern& pattern) { return tells_apart(pattern, grant.name); })) {
        return false;
      }
    }
    const std::string some = grant.name == "/" ? "/x" : grant.name + "/x";
    const PathOps untold = policy.granted(policy.paths.find(some)) & kUntold;
    if (alike && *alike != untold) return false;
    alike = untold;
  }
  return true;
}

// Names of sockets lead through the monitor's keepers, which no domain holds.
bool names_sockets(const NetRule& rule) {
  if (rule.ruling.verdict != Verdict::Allow || !rule.speaks_of(NetFamily::Unix)) return false;
  return rule.endpoints.empty() ||
         std::any_of(rule.endpoints.begin(), rule.endpoints.end(), [](const auto& endpoint) {
           return std::holds_alternative<Pattern>(endpoint);
         });
}

}  // namespace

bool TreeGrants::covers_below(PathOps ops, const std::string& directory) const {
  PathOps granted;
  for (const Grant& grant : below) {
    if (lies_in(directory, grant.name)) granted = granted | grant.ops;
  }
  return granted.contains(ops);
}

bool TreeGrants::covers_from_above(PathOps ops, const std::string& name) const {
  return name != "/" && covers_below(ops, parent_of(name));
}

bool TreeGrants::covers(PathOps ops, const std::string& name) const {
  PathOps left = ops;
  for (const Grant& grant : itself) {
    if (grant.name == name) left = left - grant.ops;
  }
  return left.empty() || covers_from_above(left, name);
}

TreeGrants Policy::tree_grants() const {
  TreeGrants grants;
  const auto stop = [&](std::string obstacle, const Statement* rule) {
    if (obstacle.empty()) return false;
    grants.obstacle = std::move(obstacle);
    grants.rule = rule;
    return true;
  };
  const Program& program = impl_->program;
  if (program.runtime) {
    stop("the built-in list grants single files and /proc/self (`runtime none` leaves it out)",
         nullptr);
    return grants;
  }
  if (program.paths.size() > kMostStatements) {
    stop("it has more than " + std::to_string(kMostStatements) + " statements on paths", nullptr);
    return grants;
  }
  for (const PathRule& rule : program.paths) {
    if (stop(add_rule(rule, &grants), rule.ruling.statement)) return grants;
    if (rule.ops.has(PathOp::Stat) && rule.ruling.verdict != Verdict::Allow && needs().stat) {
      stop("it hides what is there", rule.ruling.statement);
      return grants;
    }
  }
  for (const TreeGrants::Grant& below : grants.below) {
    if (stop(misfit_of(below, grants), below.rule)) return grants;
    if (stop(misfit_of_movable(below, grants), below.rule)) return grants;
  }
  for (const TreeGrants::Grant& itself : grants.itself) {
    if (stop(misfit_of_one(itself, grants), itself.rule)) return grants;
    if (stop(misfit_of_movable(itself, grants), itself.rule)) return grants;
  }
  for (const PathRule& rule : program.paths) {
    if (stop(misfit_of_execution(rule, grants), rule.ruling.statement)) return grants;
  }
  for (const NetRule& rule : program.networks) {
    if (needs().network && names_sockets(rule)) {
      stop("it grants sockets by their names in the file system", rule.ruling.statement);
      return grants;
    }
  }
  grants.moves_change_nothing = moves_change_nothing(*impl_, grants);
  return grants;
}

}  // namespace callgate
