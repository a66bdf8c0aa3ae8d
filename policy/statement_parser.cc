#include "policy/statement_parser.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace callgate {
namespace {

constexpr std::array<std::string_view, 9> kKeywords = {
    "path", "network", "signal", "syscall", "limit", "environment", "include", "define", "runtime"};
constexpr std::array<std::string_view, 4> kVerdicts = {"allow", "deny", "kill", "ask"};
constexpr std::array<std::string_view, 3> kUsableVerdicts = {"allow", "deny", "kill"};

// glibc names every errno of the architecture; 133 (EHWPOISON) is the last on Linux.
constexpr int kLastErrno = 133;

}  // namespace

bool is_keyword(std::string_view word) {
  return std::find(kKeywords.begin(), kKeywords.end(), word) != kKeywords.end();
}

std::string warning_at(const SourcePosition& position, const std::string& text) {
  return escape_foreign(position.file) + ':' + std::to_string(position.line) + ':' +
         std::to_string(position.column) + ": warning: " + text;
}

StatementParser::StatementParser(ParseContext& context, const Line& line, SourcePosition position,
                                 Remarks remarks)
    : context_(context), line_(line), position_(std::move(position)), remarks_(remarks) {
  position_.column = line_.words.front().column;
}

bool StatementParser::fail(int column, std::string what, std::string suggestion) {
  mistake_ = {column, std::move(what), std::move(suggestion)};
  return false;
}

bool StatementParser::fail(Mistake mistake) {
  mistake_ = std::move(mistake);
  return false;
}

void StatementParser::warn(int column, const std::string& text) {
  SourcePosition position = position_;
  position.column = column;
  context_.program.warnings.push_back(warning_at(position, text));
}

const Statement* StatementParser::commit() {
  auto statement = std::make_unique<Statement>();
  statement->position = position_;
  statement->text = std::string(line_.statement);
  context_.program.statements.push_back(std::move(statement));
  return context_.program.statements.back().get();
}

bool StatementParser::expect_more(std::string_view what, std::string_view expected) {
  if (more()) return true;
  return fail(line_.words.back().column + static_cast<int>(line_.words.back().text.size()),
              std::string(what) + " is missing (expected " + std::string(expected) + ")");
}

bool StatementParser::expect_end() {
  if (!more()) return true;
  return fail(peek().column,
              quoted(peek().text) + " is too much here (expected the end of the statement)");
}

bool StatementParser::choose(std::string_view what, std::span<const std::string_view> words,
                             size_t* chosen) {
  if (!more()) return expect_more("the " + std::string(what), enumeration(words));
  const Word& word = take();
  for (size_t i = 0; i < words.size(); ++i) {
    if (word.text == words[i]) {
      *chosen = i;
      return true;
    }
  }
  return fail(word.column,
              "unknown " + std::string(what) + ' ' + quoted(word.text) + " (expected " +
                  enumeration(words) + ')',
              nearest(word.text, words));
}

bool StatementParser::choose_list(std::string_view what, std::span<const std::string_view> words,
                                  std::vector<size_t>* chosen) {
  // "read,write", "read, write" and "read ,write" are one list.
  bool open = true;
  while (open || (more() && peek().text.starts_with(','))) {
    if (!more()) return expect_more("the " + std::string(what), enumeration(words));
    const Word& word = take();
    for (size_t begin = 0; begin <= word.text.size();) {
      const size_t comma = std::min(word.text.find(',', begin), word.text.size());
      const std::string_view item = std::string_view(word.text).substr(begin, comma - begin);
      const bool at_comma = comma < word.text.size();
      if (!item.empty()) {
        size_t i = 0;
        while (i < words.size() && words[i] != item) ++i;
        if (i == words.size()) {
          return fail(word.column_of(begin),
                      "unknown " + std::string(what) + ' ' + quoted(item) + " (expected " +
                          enumeration(words) + ')',
                      nearest(item, words));
        }
        if (!open) {
          return fail(word.column_of(begin), "a comma is missing before " + quoted(item));
        }
        chosen->push_back(i);
        open = false;
      } else if (at_comma && open) {
        return fail(word.column_of(begin),
                    "a comma without a word before it (expected " + enumeration(words) + ')');
      }
      if (at_comma) open = true;
      begin = comma + 1;
    }
  }
  return true;
}

bool StatementParser::parse_verdict(Ruling* ruling) {
  size_t chosen = 0;
  const int column = more() ? peek().column : 1;
  if (!more() || peek().text == "ask") {
    if (more()) {
      return fail(column, "the verdict \"ask\" is not supported yet (expected " +
                              enumeration(kUsableVerdicts) + ')');
    }
    return expect_more("the verdict", enumeration(kUsableVerdicts));
  }
  // `ask` is a word of the language, so it takes part in suggestions only where it would help.
  if (!choose("verdict", kUsableVerdicts, &chosen)) return false;
  ruling->verdict = chosen == 0 ? Verdict::Allow : chosen == 1 ? Verdict::Deny : Verdict::Kill;
  if (more() && peek().text == "as") {
    const Word& as = take();
    if (ruling->verdict != Verdict::Deny) {
      return fail(as.column, "only deny can say `as` (expected the verdict deny)");
    }
    if (!expect_more("the errno", "a name such as EACCES, EPERM or ENOENT")) return false;
    const Word& name = take();
    std::vector<std::string_view> names;
    int error = 0;
    for (int candidate = 1; candidate <= kLastErrno; ++candidate) {
      const char* known = strerrorname_np(candidate);
      if (known == nullptr) continue;
      names.emplace_back(known);
      if (name.text == known) error = candidate;
    }
    if (error == 0) {
      return fail(name.column,
                  "unknown errno " + quoted(name.text) +
                      " (expected a name such as EACCES, EPERM or ENOENT)",
                  nearest(name.text, names));
    }
    ruling->error = error;
  }
  if (more() && peek().text == "log") {
    take();
    ruling->log = true;
  }
  return true;
}

bool StatementParser::parse_trailing_log(Ruling* ruling) {
  if (more() && next_ + 1 == line_.words.size() && peek().text == "log") {
    take();
    ruling->log = true;
  }
  return true;
}

bool StatementParser::expand(const Word& word, Word* out, bool* known) {
  if (auto mistake = context_.variables.expand(word, out, known)) return fail(std::move(*mistake));
  return true;
}

bool StatementParser::expand_plain(const Word& word, std::string* out) {
  Word expanded;
  bool known = true;
  if (!expand(word, &expanded, &known)) return false;
  *out = unescape(expanded.text);
  return true;
}

bool StatementParser::parse() { return parse_keyword(); }

bool StatementParser::parse_keyword() {
  size_t chosen = 0;
  if (!choose("statement", kKeywords, &chosen)) {
    // A verdict at the front is the commonest slip: the kind of statement was left out.
    for (const std::string_view verdict : kVerdicts) {
      if (line_.words.front().text == verdict) mistake_.suggestion = "path " + std::string(verdict);
    }
    return false;
  }
  switch (chosen) {
    case 0:
      return parse_path();
    case 1:
      return parse_network();
    case 2:
      return parse_signal();
    case 3:
      return parse_syscall();
    case 4:
      return parse_limit();
    case 5:
      return parse_environment();
    case 6:
      return parse_include();
    case 7:
      return parse_define();
    case 8:
      return parse_runtime();
    default:
      return fail(1, "unknown statement");
  }
}

}  // namespace callgate
