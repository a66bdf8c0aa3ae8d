// A policy in words, for `callgate check --show`.
#include <cstring>
#include <set>

#include "policy/policy_impl.h"

namespace callgate {
namespace {

std::string verdict_text(const Ruling& ruling) {
  std::string text;
  switch (ruling.verdict) {
    case Verdict::Allow:
      text = "allow";
      break;
    case Verdict::Deny:
      text = "deny";
      if (const char* name = strerrorname_np(ruling.error)) text += std::string(" (") + name + ')';
      break;
    case Verdict::Kill:
      text = "kill";
      break;
  }
  return ruling.log ? text + ", logged" : text;
}

std::string ops_text(PathOps ops) {
  std::string text;
  for (int i = 0; i < kPathOpCount; ++i) {
    const auto op = static_cast<PathOp>(i);
    if (ops.has(op)) text += (text.empty() ? "" : ", ") + std::string(path_op_name(op));
  }
  return text;
}

std::string range_text(const IpRange& range) {
  std::string text;
  if (range.v6) {
    text = Endpoint::v6(range.address, 0, 0).text();
  } else {
    text = Endpoint::v4({range.address[0], range.address[1], range.address[2], range.address[3]}, 0)
               .text();
  }
  text.resize(text.size() - 2);  // ":0"
  text += '/' + std::to_string(range.prefix) + " port ";
  if (range.first_port == 0 && range.last_port == 65535) return text + "any";
  text += std::to_string(range.first_port);
  if (range.last_port != range.first_port) text += '-' + std::to_string(range.last_port);
  return text;
}

struct EndpointText {
  std::string operator()(const IpRange& range) const { return range_text(range); }
  std::string operator()(const Pattern& pattern) const { return pattern.text(); }
  std::string operator()(const AbstractName& name) const { return '@' + name.text; }
  std::string operator()(const NetlinkProtocol& netlink) const {
    return "netlink protocol " + std::to_string(netlink.protocol);
  }
};

std::string net_text(const NetRule& rule) {
  std::string families;
  if (rule.families == (1u << kNetFamilyCount) - 1) {
    families = "every family";
  } else {
    for (int i = 0; i < kNetFamilyCount; ++i) {
      const auto family = static_cast<NetFamily>(i);
      if (!rule.speaks_of(family)) continue;
      families += (families.empty() ? "" : ", ") + std::string(net_family_name(family));
    }
  }
  std::string ops;
  for (int i = 0; rule.ops != 0 && i < kNetOpCount; ++i) {
    const auto op = static_cast<NetOp>(i);
    if (rule.names(op)) ops += (ops.empty() ? "" : ", ") + std::string(net_op_name(op));
  }
  std::string text = families + ": " + (ops.empty() ? "every operation" : ops);
  if (rule.endpoints.empty()) return text + ", every endpoint";
  for (const EndpointPattern& endpoint : rule.endpoints) {
    text += "\n        " + escape_foreign(std::visit(EndpointText{}, endpoint));
  }
  return text;
}

void add(std::string* out, const Statement& statement, const std::string& text) {
  *out += "  " + text + "    [" + escape_foreign(statement.where()) + "]\n";
}

std::string paths_text(const Program& program) {
  std::string out =
      "Files (the last line that matches a name and an operation decides):\n"
      "  deny (EACCES): whatever no line matches; stat is allowed\n";
  for (const PathRule& rule : program.paths) {
    // A pattern that speaks of ${PROGRAM} where none is run.
    const char* nothing = rule.patterns.empty() ? " of the program that is run" : "";
    add(&out, *rule.ruling.statement,
        verdict_text(rule.ruling) + ' ' + ops_text(rule.ops) + nothing);
    std::set<std::string> said;  // /lib and /usr/lib are often the same
    for (const Pattern& pattern : rule.patterns) {
      const std::string text = escape_foreign(pattern.text());
      if (said.insert(text).second) out += "        " + text + '\n';
    }
  }
  return out;
}

std::string networks_text(const Program& program) {
  std::string out =
      "Network (the last line that matches decides):\n"
      "  deny (EACCES): whatever no line matches; socketpair and unnamed unix sockets "
      "are allowed\n";
  for (const NetRule& rule : program.networks) {
    const std::string text = net_text(rule);
    const size_t line = text.find('\n');
    add(&out, *rule.ruling.statement, verdict_text(rule.ruling) + ' ' + text.substr(0, line));
    if (line != std::string::npos) out += text.substr(line + 1) + '\n';
  }
  return out;
}

std::string signals_text(const Program& program) {
  std::string out =
      "Signals (the last line that matches decides):\n"
      "  allow to processes of the sandbox; deny (EPERM) to all others\n";
  for (const SignalRule& rule : program.signals) {
    add(&out, *rule.ruling.statement,
        verdict_text(rule.ruling) + (rule.outside ? " to every process" : " inside the sandbox"));
  }
  return out;
}

std::string when_text(const SyscallRule::When& when) {
  static constexpr std::array<std::string_view, 7> kOps = {"==", "!=", "<", "<=", ">", ">=", "&"};
  const std::string op(kOps[static_cast<size_t>(when.op)]);
  const std::string mask =
      when.op == SyscallRule::Op::MaskedEq ? std::to_string(when.mask) + " == " : std::string();
  return " when arg" + std::to_string(when.argument) + ' ' + op + ' ' + mask +
         std::to_string(when.value);
}

}  // namespace

std::string describe(const Policy::Impl& policy) {
  const Program& program = policy.program;
  std::string out = paths_text(program) + networks_text(program) + signals_text(program);
  if (!program.syscalls.empty()) out += "System calls, judged before everything else:\n";
  for (const SyscallRule& rule : program.syscalls) {
    const Ruling ruling = {rule.rule, rule.verdict, rule.error, false};
    add(&out, *rule.rule,
        verdict_text(ruling) + ' ' + rule.name + (rule.when ? when_text(*rule.when) : ""));
  }
  if (!program.limits.empty()) out += "Limits:\n";
  for (const LimitRule& rule : program.limits) {
    add(&out, *rule.rule,
        rule.resource + ' ' +
            (rule.value == UINT64_MAX ? std::string("unlimited") : std::to_string(rule.value)));
  }
  if (!program.environment.empty()) out += "Environment:\n";
  for (const EnvironmentRule& rule : program.environment) {
    switch (rule.action) {
      case EnvironmentRule::Action::Keep:
        out += "  keep " + escape_foreign(rule.name) + '\n';
        break;
      case EnvironmentRule::Action::Drop:
        out += "  drop " + escape_foreign(rule.name) + '\n';
        break;
      case EnvironmentRule::Action::Set:
        out += "  set " + escape_foreign(rule.name) + " to " + quoted(rule.value) + '\n';
        break;
    }
  }
  return out;
}

}  // namespace callgate
