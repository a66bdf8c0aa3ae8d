// The statements about the process itself: `signal`, `syscall`, `limit`, `environment`; and those
// about the policy: `define`, `include`, `runtime`.
#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "arch/syscall_table.h"
#include "policy/statement_parser.h"

namespace callgate {
namespace {

constexpr std::array<std::string_view, 16> kResources = {
    "as",   "core",   "cpu",   "data", "fsize",  "locks",  "memlock",    "msgqueue",
    "nice", "nofile", "nproc", "rss",  "rtprio", "rttime", "sigpending", "stack"};
constexpr std::array<std::string_view, 2> kSignalScopes = {"sandbox", "all"};
constexpr std::array<std::string_view, 3> kActions = {"keep", "drop", "set"};
constexpr std::array<std::string_view, 2> kRuntimes = {"default", "none"};
constexpr std::array<std::string_view, 6> kArguments = {"arg0", "arg1", "arg2",
                                                        "arg3", "arg4", "arg5"};
constexpr std::array<std::string_view, 7> kComparisons = {"==", "!=", "<", "<=", ">", ">=", "&"};

bool read_number(std::string_view text, uint64_t* value) {
  const bool hex = text.starts_with("0x");
  if (hex) text.remove_prefix(2);
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), *value, hex ? 16 : 10);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

}  // namespace

bool StatementParser::parse_signal() {
  SignalRule rule;
  // kill(2) knows EPERM, not EACCES.
  rule.ruling.error = EPERM;
  size_t scope = 0;
  if (!parse_verdict(&rule.ruling) || !choose("target", kSignalScopes, &scope)) return false;
  parse_trailing_log(&rule.ruling);
  if (!expect_end()) return false;
  rule.outside = scope == 1;
  rule.ruling.statement = commit();
  context_.program.signals.push_back(rule);
  return true;
}

bool StatementParser::parse_number(const Word& word, uint64_t* value) {
  if (read_number(word.text, value)) return true;
  return fail(word.column,
              quoted(word.text) + " is not a number (expected decimal, or hexadecimal with 0x)");
}

bool StatementParser::parse_when(SyscallRule::When* when) {
  size_t chosen = 0;
  if (!choose("argument", kArguments, &chosen)) return false;
  when->argument = static_cast<int>(chosen);
  if (!choose("comparison", kComparisons, &chosen)) return false;
  when->op = static_cast<SyscallRule::Op>(chosen);
  if (!expect_more("the value", "a number")) return false;
  if (!parse_number(take(), &when->value)) return false;
  if (when->op != SyscallRule::Op::MaskedEq) return true;
  when->mask = when->value;
  size_t equal = 0;
  const std::array<std::string_view, 1> equals = {"=="};
  if (!choose("comparison behind the mask", equals, &equal)) return false;
  if (!expect_more("the value", "a number")) return false;
  return parse_number(take(), &when->value);
}

bool StatementParser::parse_syscall() {
  Ruling ruling;
  ruling.error = EPERM;
  if (!parse_verdict(&ruling)) return false;
  if (ruling.log) {
    return fail(
        line_.words[next_ - 1].column,
        "a syscall statement cannot log: what it allows the kernel lets pass unseen, and what "
        "it refuses is recorded anyway (expected no `log`)");
  }
  if (!expect_more("the name", "the name of a system call")) return false;
  std::vector<std::string> names;
  while (more() && peek().text != "when") {
    const Word& word = take();
    if (find_syscall(word.text) == nullptr) {
      std::vector<std::string_view> known;
      for (const SyscallRow& row : syscall_table()) known.push_back(row.name);
      return fail(
          word.column,
          "unknown system call " + quoted(word.text) + " (expected a name as in syscalls(2))",
          nearest(word.text, known));
    }
    names.push_back(word.text);
  }
  if (names.empty()) return fail(peek().column, "the name is missing (expected one before `when`)");
  std::optional<SyscallRule::When> when;
  if (more()) {
    take();
    when = SyscallRule::When{};  // clang 14 takes emplace() of a nested type for ill-formed
    if (!parse_when(&*when) || !expect_end()) return false;
  }
  const Statement* statement = commit();
  for (std::string& name : names) {
    context_.program.syscalls.push_back(
        {ruling.verdict, ruling.error, std::move(name), when, statement});
  }
  return true;
}

bool StatementParser::parse_limit() {
  LimitRule rule;
  size_t chosen = 0;
  if (!choose("resource", kResources, &chosen)) return false;
  rule.resource = kResources[chosen];
  if (!expect_more("the value", "a number, with K, M, G or T behind it, or unlimited"))
    return false;
  const Word& word = take();
  if (word.text == "unlimited") {
    rule.value = UINT64_MAX;
  } else {
    static constexpr std::string_view kSuffixes = "KMGT";
    std::string_view digits = word.text;
    unsigned shift = 0;
    if (!digits.empty()) {
      const size_t suffix = kSuffixes.find(digits.back());
      if (suffix != std::string_view::npos) {
        shift = 10 * (static_cast<unsigned>(suffix) + 1);
        digits.remove_suffix(1);
      }
    }
    if (!read_number(digits, &rule.value) || rule.value > (UINT64_MAX - 1) >> shift) {
      const std::array<std::string_view, 1> unlimited = {"unlimited"};
      std::string meant = nearest(word.text, unlimited);
      if (word.text.ends_with('B') && word.text.size() > 2) {
        meant = word.text.substr(0, word.text.size() - 1);  // 1GB
      }
      return fail(word.column,
                  quoted(word.text) +
                      " is not a limit (expected a number, with K, M, G or T "
                      "behind it, or unlimited)",
                  meant);
    }
    rule.value <<= shift;
  }
  if (!expect_end()) return false;
  rule.rule = commit();
  context_.program.limits.push_back(std::move(rule));
  return true;
}

bool StatementParser::parse_environment() {
  size_t action = 0;
  if (!choose("action", kActions, &action)) return false;
  if (!expect_more("the name", action == 2 ? "NAME=VALUE" : "NAME")) return false;
  while (more()) {
    const Word& word = take();
    EnvironmentRule rule;
    rule.action = static_cast<EnvironmentRule::Action>(action);
    const size_t equal = word.text.find('=');
    rule.name = word.text.substr(0, equal);
    const bool set = rule.action == EnvironmentRule::Action::Set;
    if (set && equal == std::string::npos) {
      return fail(word.column, quoted(word.text) + " has no value (expected NAME=VALUE)",
                  word.text + '=');
    }
    if (!set && equal != std::string::npos) {
      return fail(word.column_of(equal), "only `set` gives a value (expected a name alone)",
                  rule.name);
    }
    if (rule.name.empty()) return fail(word.column, "the name is missing (expected NAME=VALUE)");
    const size_t odd = rule.name.find_first_of(set ? "*?[]{}\\$ \t" : "?[]{}\\$ \t");
    if (odd != std::string::npos) {
      return fail(word.column_of(odd), quoted(rule.name.substr(odd, 1)) +
                                           " cannot be part of a name (expected a variable's name" +
                                           (set ? ")" : "; * stands for any characters)"));
    }
    if (set) {
      Word value;
      value.column = word.column_of(equal + 1);
      value.text = word.text.substr(equal + 1);
      value.columns.assign(word.columns.begin() + static_cast<ptrdiff_t>(equal) + 1,
                           word.columns.end());
      if (!expand_plain(value, &rule.value)) return false;
    }
    context_.program.environment.push_back(std::move(rule));
  }
  commit();
  return true;
}

bool StatementParser::parse_define() {
  if (!expect_more("the name", "NAME VALUE")) return false;
  const Word& name = take();
  if (!expect_more("the value", "NAME VALUE")) return false;
  Word expanded;
  bool known = true;
  if (!expand(take(), &expanded, &known) || !expect_end()) return false;
  std::optional<std::string> value;
  if (known) value = unescape(expanded.text);
  if (auto mistake = context_.variables.define(name, std::move(value))) {
    return fail(std::move(*mistake));
  }
  return true;
}

bool StatementParser::parse_include() {
  if (!expect_more("the policy", "the name of a profile, or a path")) return false;
  Word included = take();
  if (!expect_end()) return false;
  std::string path;
  if (!expand_plain(included, &path)) return false;
  if (path.empty()) {
    return fail(included.column, "the policy is empty (expected the name of a profile, or a path)");
  }
  included.text = std::move(path);
  include_ = std::move(included);
  return true;
}

bool StatementParser::parse_runtime() {
  size_t chosen = 0;
  if (!choose("runtime", kRuntimes, &chosen) || !expect_end()) return false;
  context_.program.runtime = chosen == 0;
  return true;
}

}  // namespace callgate
