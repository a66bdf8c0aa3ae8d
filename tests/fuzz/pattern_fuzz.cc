// Three ways to match a name against path patterns agree: the slow one of slow_matcher.h, the plain
// one that tests are written against, and the index by which a policy decides; also when so many
// globs are siblings that they share one automaton. A pattern's own text is the same pattern again.
//
// The input: patterns, one a line; an empty line; names, one a line.
#include <algorithm>

#include "policy/path_index.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/slow_matcher.h"

namespace callgate::fuzz {
namespace {

constexpr size_t kMostLines = 64;
constexpr size_t kLongest = 64;

std::vector<Pattern> parse(const std::string& text) {
  Word word;
  word.text = text;
  for (size_t i = 0; i < text.size(); ++i) word.columns.push_back(static_cast<int>(i) + 1);
  std::vector<Pattern> patterns;
  const auto mistake = parse_pattern(word, &patterns);
  if (!mistake) return patterns;
  holds(mistake->column >= 1 && static_cast<size_t>(mistake->column) <= text.size() + 1,
        "a mistake stands in the pattern");
  return {};
}

// What fnmatch reads otherwise, and the policy's lexer or parser refuses before.
bool comparable(const std::string& text) {
  for (const char* odd : {"[:", "[.", "[="}) {
    if (text.find(odd) != std::string::npos) return false;
  }
  size_t backslashes = 0;
  while (backslashes < text.size() && text[text.size() - 1 - backslashes] == '\\') ++backslashes;
  return backslashes % 2 == 0 && text.find('\0') == std::string::npos;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<std::string> lines = split(Input(data, size).text(), '\n');
  if (lines.size() > kMostLines) return 0;
  const auto middle = std::find(lines.begin(), lines.end(), "");
  PathIndex index;
  std::vector<std::pair<std::string, std::vector<Pattern>>> rules;
  for (auto line = lines.begin(); line != middle; ++line) {
    if (line->size() > kLongest || !comparable(*line)) continue;
    rules.emplace_back(*line, parse(*line));
    for (const Pattern& pattern : rules.back().second) {
      const std::vector<Pattern> again = parse(pattern.text());
      holds(again.size() == 1 && again.front().text() == pattern.text(), "a pattern's text is it");
      index.add(pattern, 1, static_cast<int32_t>(rules.size()) - 1);
    }
  }
  index.freeze();
  for (auto name = middle; name != lines.end(); ++name) {
    if (name->size() > kLongest || name->find('\0') != std::string::npos) continue;
    int32_t expected = -1;
    for (size_t i = 0; i < rules.size(); ++i) {
      const auto& [text, patterns] = rules[i];
      const bool plain = std::any_of(patterns.begin(), patterns.end(), [&](const Pattern& pattern) {
        return pattern_matches(pattern, *name);
      });
      const bool slow = !patterns.empty() && name->starts_with('/') && slow_matches(text, *name);
      holds(plain == slow, "the plain matcher is right");
      if (plain) expected = static_cast<int32_t>(i);
    }
    holds(index.find(*name)[0] == expected, "the index is right");
    for (const auto& [text, patterns] : rules) {
      for (const Pattern& pattern : patterns) {
        holds(!pattern_matches(pattern, *name) || index.covering(pattern)[0] <= expected,
              "what covers a pattern matches all of its names");
      }
    }
  }
  return 0;
}

}  // namespace callgate::fuzz
