#include "policy/policy.h"

#include <algorithm>
#include <utility>

#include "policy/loader.h"
#include "policy/policy_impl.h"

namespace callgate {
namespace {

// What nothing matches. Metadata is free unless a statement names `stat`.
constexpr Ruling kRefused = {nullptr, Verdict::Deny, EACCES, false};
constexpr Ruling kFree = {nullptr, Verdict::Allow, 0, false};
constexpr Ruling kNotPermitted = {nullptr, Verdict::Deny, EPERM, false};

std::variant<Policy, PolicyError> finish(Loader* loader) {
  auto program = loader->finish();
  if (auto* error = std::get_if<PolicyError>(&program)) return std::move(*error);
  return Policy(std::make_unique<Policy::Impl>(std::move(std::get<Program>(program))));
}

constexpr PathOp op_at(int slot) { return static_cast<PathOp>(slot); }

}  // namespace

std::string Statement::where() const { return position.file + ':' + std::to_string(position.line); }

Decision decision_of(const Ruling& ruling) {
  Decision decision;
  decision.verdict = ruling.verdict;
  decision.error = ruling.error;
  decision.log = ruling.log;
  decision.rule = ruling.statement;
  return decision;
}

Policy::Impl::Impl(Program the_program) : program(std::move(the_program)) {
  int32_t index = 0;
  for (const PathRule& rule : program.paths) {
    for (const Pattern& pattern : rule.patterns) paths.add(pattern, rule.ops.bits(), index);
    ++index;
  }
  paths.freeze();
  index = 0;
  for (const NetRule& rule : program.networks) networks.add(rule, index++);
  networks.freeze();
  needs = needs_of(*this);
}

const Ruling& Policy::Impl::path_ruling(PathOp op, int32_t rule) const {
  if (rule >= 0) return program.paths[static_cast<size_t>(rule)].ruling;
  return op == PathOp::Stat ? kFree : kRefused;
}

bool Policy::Impl::path_allowed(PathOp op, int32_t rule) const {
  return path_ruling(op, rule).verdict == Verdict::Allow;
}

PathOps Policy::Impl::granted(const Slots& slots) const {
  PathOps ops;
  for (int slot = 0; slot < kPathOpCount; ++slot) {
    if (path_allowed(op_at(slot), slots[static_cast<size_t>(slot)])) ops = ops | op_at(slot);
  }
  return ops;
}

Policy::Policy(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Policy::Policy(Policy&&) noexcept = default;
Policy& Policy::operator=(Policy&&) noexcept = default;
Policy::~Policy() = default;

Decision Policy::path(PathOps asked, std::string_view name) const {
  const Slots slots = impl_->paths.find(name);
  const Ruling* answer = nullptr;
  PathOp answer_op = PathOp::Read;
  bool log = false;
  for (int slot = 0; slot < kPathOpCount; ++slot) {
    const PathOp op = op_at(slot);
    if (!asked.has(op)) continue;
    const Ruling& ruling = impl_->path_ruling(op, slots[static_cast<size_t>(slot)]);
    log = log || ruling.log;
    // The first refusal answers; a kill goes before it, an allow only stands in until then.
    const bool kills =
        ruling.verdict == Verdict::Kill && (answer == nullptr || answer->verdict != Verdict::Kill);
    if (kills || answer == nullptr || answer->verdict == Verdict::Allow) {
      answer = &ruling;
      answer_op = op;
    }
  }
  if (answer == nullptr) return decision_of(kFree);  // nothing was asked
  Decision decision = decision_of(*answer);
  decision.op = answer_op;
  decision.log = log;
  return decision;
}

PathOps Policy::granted(std::string_view name) const {
  return impl_->granted(impl_->paths.find(name));
}

std::vector<const Statement*> Policy::matching(PathOps asked, std::string_view name) const {
  std::vector<const Statement*> found;
  for (const PathRule& rule : impl_->program.paths) {
    if ((rule.ops & asked).empty()) continue;
    for (const Pattern& pattern : rule.patterns) {
      if (!pattern_matches(pattern, name)) continue;
      found.push_back(rule.ruling.statement);
      break;
    }
  }
  return found;
}

std::optional<Decision> Policy::widens(std::string_view from, std::string_view to,
                                       bool directory) const {
  const auto widening = find_widening(*impl_, from, to, directory);
  if (!widening) return std::nullopt;
  // What is answered is the refusal of the new name; the rule is the one that would grant.
  Decision decision = decision_of(kRefused);
  if (widening->rule >= 0) {
    decision.rule = impl_->path_ruling(widening->op, widening->rule).statement;
  }
  decision.op = widening->op;
  return decision;
}

bool Policy::can_plant(std::string_view from, std::string_view to) const {
  return callgate::can_plant(*impl_, from, to);
}

std::optional<NetOp> Policy::socket_change(std::string_view from, std::string_view to,
                                           bool directory) const {
  return find_socket_change(*impl_, from, to, directory);
}

Decision Policy::Impl::network_decision(const NetQuestion& question) const {
  if (const int32_t rule = networks.find(question); rule >= 0) {
    return decision_of(program.networks[static_cast<size_t>(rule)].ruling);
  }
  // A unix socket without a name goes nowhere until it is given one.
  const bool nowhere =
      question.family == NetFamily::Unix &&
      (question.op == NetOp::Create || question.endpoint.kind == Endpoint::Kind::UnixUnnamed);
  return decision_of(nowhere ? kFree : kRefused);
}

Decision Policy::network(const NetQuestion& question) const {
  if (question.family == NetFamily::Unix && question.op != NetOp::Create &&
      question.endpoint.kind == Endpoint::Kind::UnixUnnamed &&
      (question.op == NetOp::Send || question.op == NetOp::Connect)) {
    return decision_of(kFree);
  }
  if (const auto instead = judged_instead(question)) return impl_->network_decision(*instead);
  return impl_->network_decision(question);
}

std::vector<const Statement*> Policy::matching(const NetQuestion& question) const {
  const NetQuestion judged = judged_instead(question).value_or(question);
  std::vector<const Statement*> found;
  for (const NetRule& rule : impl_->program.networks) {
    if (rule_matches(rule, judged)) found.push_back(rule.ruling.statement);
  }
  return found;
}

bool Policy::network_depends_on_type() const {
  constexpr unsigned kTypes =
      1u << static_cast<unsigned>(NetFamily::Tcp) | 1u << static_cast<unsigned>(NetFamily::Udp) |
      1u << static_cast<unsigned>(NetFamily::Raw) | 1u << static_cast<unsigned>(NetFamily::Other);
  constexpr unsigned kEverything = (1u << kNetFamilyCount) - 1;
  bool depends = false;
  for (const NetRule& rule : impl_->program.networks) {
    const unsigned types = rule.families & kTypes;
    if (rule.families == kEverything && rule.ops == 0 && rule.endpoints.empty()) {
      depends = false;  // whatever stood above is decided anew, the same for every type
    } else if (types != 0 && types != kTypes) {
      depends = true;
    }
  }
  return depends;
}

bool Policy::judges_accept(bool given) const {
  constexpr auto bit = [](NetOp op) { return 1u << static_cast<unsigned>(op); };
  const auto grants = [this](NetFamily family, unsigned ops) {
    const auto& rules = impl_->program.networks;
    return std::any_of(rules.begin(), rules.end(), [&](const NetRule& rule) {
      return rule.ruling.verdict == Verdict::Allow && rule.speaks_of(family) &&
             (rule.ops == 0 || (rule.ops & ops) != 0);
    });
  };
  const auto asked = [this](NetFamily family, NetOp op) {
    NetQuestion question;
    question.family = family;
    question.op = op;
    return network(question);
  };
  // Who bound a socket may let it listen, unless a statement refuses that. Among the families that
  // have no word one accepts without listening (AF_ALG).
  const auto listens = [&](NetFamily family) {
    const bool unknown = family == NetFamily::Other;
    const Decision decision = asked(family, unknown ? NetOp::Create : NetOp::Listen);
    return decision.allowed() || decision.rule == nullptr ||
           grants(family, unknown ? ~0u : bit(NetOp::Listen));
  };
  const bool any = given || grants(NetFamily::Unix, ~bit(NetOp::Create));
  for (int i = 0; i < kNetFamilyCount; ++i) {
    const auto family = static_cast<NetFamily>(i);
    const Decision decision = asked(family, NetOp::Accept);
    if (decision.rule == nullptr || (decision.allowed() && !decision.log)) continue;
    if (any || listens(family)) return true;
  }
  return false;
}

Decision Policy::signal(bool target_inside) const {
  const Ruling* last = target_inside ? &kFree : &kNotPermitted;
  for (const SignalRule& rule : impl_->program.signals) {
    if (target_inside || rule.outside) last = &rule.ruling;
  }
  return decision_of(*last);
}

const PolicyNeeds& Policy::needs() const { return impl_->needs; }
std::span<const SyscallRule> Policy::syscall_rules() const { return impl_->program.syscalls; }
std::span<const LimitRule> Policy::limits() const { return impl_->program.limits; }
std::span<const EnvironmentRule> Policy::environment() const { return impl_->program.environment; }
std::span<const std::unique_ptr<Statement>> Policy::statements() const {
  return impl_->program.statements;
}
std::string Policy::describe() const { return callgate::describe(*impl_); }
std::vector<std::string> Policy::warnings() const {
  std::vector<std::string> all = impl_->program.warnings;
  warn_of_idle_statements(*impl_, &all);
  return all;
}

std::vector<std::string> Policy::warnings_of_directories(PolicyWorld& world) const {
  return callgate::warnings_of_directories(*impl_, world);
}

std::variant<Policy, PolicyError> load_policy(std::span<const PolicySource> sources,
                                              PolicyWorld& world) {
  Loader loader(world);
  for (const PolicySource& source : sources) {
    if (!loader.read_source(source)) break;
  }
  return finish(&loader);
}

std::variant<Policy, PolicyError> parse_policy(std::string_view text, const std::string& file,
                                               PolicyWorld& world) {
  Loader loader(world);
  loader.read_text(text, file, Remarks::All);  // finish says what is wrong
  return finish(&loader);
}

}  // namespace callgate
