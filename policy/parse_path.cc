// `path` statements.
#include <array>
#include <utility>

#include "policy/statement_parser.h"

namespace callgate {
namespace {

constexpr std::array<std::string_view, 8> kOps = {"read",       "write",   "create", "delete",
                                                  "attributes", "execute", "stat",   "all"};

constexpr PathOps kAllowedUnnamed = {PathOp::Read, PathOp::Write, PathOp::Create, PathOp::Delete,
                                     PathOp::Attributes};
constexpr PathOps kRefusedUnnamed = kAllowedUnnamed | PathOp::Execute;

// Anything that could not be a path is taken for an operation, rightly or wrongly written.
bool looks_like_operation(const Word& word) {
  for (const char c : word.text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == ',' || c == '_';
    if (!letter) return false;
  }
  return !word.text.empty();
}

// What a pattern that does not begin with a slash was probably meant to be.
std::string absolute_form(std::string_view text) {
  // The quotes that a word processor makes of typed ones.
  for (const std::string_view mark : {"\u201c", "\u201d", "\u201e", "\u2018", "\u2019"}) {
    if (text.starts_with(mark)) text.remove_prefix(mark.size());
    if (text.ends_with(mark)) text.remove_suffix(mark.size());
  }
  if (text.starts_with('/') || text.starts_with("~/")) return std::string(text);
  if (text.size() > 2 && text.substr(1, 2) == ":\\") return {};  // C:\, which is nothing here
  for (const std::string_view name : {"HOME", "USER", "UID", "CWD", "TMP", "PROGRAM"}) {
    if (!text.starts_with('$') || !text.substr(1).starts_with(name)) continue;
    const std::string_view rest = text.substr(1 + name.size());
    if (rest.empty() || rest.front() == '/') {
      return "${" + std::string(name) + '}' + std::string(rest);
    }
  }
  while (text.starts_with("./")) text.remove_prefix(2);
  // Where these come from, only their author knows.
  if (text.starts_with("../") || text.starts_with('$') || text.empty()) return {};
  return "${CWD}/" + std::string(text);
}

// The first directory in which the pattern's next name might be spelled otherwise; empty: none.
std::string loose_directory(ParseContext& context, const Pattern& pattern) {
  std::string directory;
  for (const Component& component : pattern.components) {
    const bool any = component.kind == Component::Kind::AnyDepth ||
                     (component.kind == Component::Kind::Glob && component.glob.is_star());
    std::string named = directory.empty() ? "/" : directory;
    if (!any) {
      const auto [known, added] = context.ignores_case.try_emplace(named, false);
      if (added) known->second = context.world.ignores_case(named);
      if (known->second) return named;
    }
    if (component.kind != Component::Kind::Literal) break;
    directory += '/' + component.text;
  }
  return {};
}

}  // namespace

std::string_view path_op_name(PathOp op) { return kOps[static_cast<size_t>(op)]; }

bool StatementParser::parse_path_ops(PathRule* rule) {
  const bool named = more() && looks_like_operation(peek()) &&
                     !(peek().text == "log" && next_ + 1 == line_.words.size());
  if (!named) {
    rule->ops = rule->ruling.verdict == Verdict::Allow ? kAllowedUnnamed : kRefusedUnnamed;
    return true;
  }
  std::vector<size_t> chosen;
  if (!choose_list("operation", kOps, &chosen)) return false;
  for (const size_t i : chosen) {
    rule->ops = rule->ops | (i == kPathOpCount ? PathOps::all() : PathOps(static_cast<PathOp>(i)));
  }
  for (const std::string_view op : kOps) {
    if (more() && peek().text == op) {
      return fail(peek().column,
                  quoted(op) + " is no pattern (expected a comma between operations)",
                  line_.words[next_ - 1].text + ',' + std::string(op));
    }
  }
  return true;
}

bool StatementParser::parse_path_pattern(const Word& word, PathRule* rule) {
  if (is_keyword(word.text)) {
    return fail(word.column, quoted(word.text) +
                                 " is no pattern (expected a line of its own for "
                                 "each statement)");
  }
  Word expanded;
  bool known = true;
  if (!expand(word, &expanded, &known)) return false;
  if (!known) return true;  // the program's own path, when there is no program: matches nothing
  if (expanded.text.empty()) return fail(word.column, "the pattern is empty (expected a path)");
  std::vector<Pattern> patterns;
  if (auto mistake = parse_pattern(expanded, &patterns)) {
    if (!mistake->suggestion.empty()) mistake->suggestion = absolute_form(word.text);
    return fail(std::move(*mistake));
  }
  for (const Pattern& pattern : patterns) {
    LinkResolver::Resolved resolved = context_.links.resolve(pattern);
    if (resolved.through_link && remarks_ != Remarks::None) {
      warn(word.column, quoted(pattern.text()) +
                            " leads through a symbolic link; what is matched "
                            "is " +
                            quoted(resolved.pattern.text()));
    }
    if (resolved.missing && remarks_ == Remarks::All) {
      warn(word.column, quoted(pattern.text()) + " does not exist now");
    }
    if (rule->ruling.verdict != Verdict::Allow && remarks_ != Remarks::None) {
      const std::string loose = loose_directory(context_, resolved.pattern);
      if (!loose.empty()) {
        warn(word.column, quoted(loose) + " ignores case: other spellings of " +
                              quoted(pattern.text()) +
                              " are not refused (allow what is wanted instead)");
      }
    }
    rule->patterns.push_back(std::move(resolved.pattern));
    if (resolved.names_link && rule->ruling.verdict != Verdict::Allow) {
      rule->patterns.push_back(std::move(resolved.link));
    }
  }
  return true;
}

bool StatementParser::parse_path() {
  PathRule rule;
  if (!parse_verdict(&rule.ruling) || !parse_path_ops(&rule)) return false;
  if (!expect_more("the pattern", "an absolute path, such as /usr/share/**")) return false;
  const size_t first = next_;
  while (more()) {
    if (next_ > first) parse_trailing_log(&rule.ruling);
    if (more() && !parse_path_pattern(take(), &rule)) return false;
  }
  rule.ruling.statement = commit();
  context_.program.paths.push_back(std::move(rule));
  return true;
}

}  // namespace callgate
