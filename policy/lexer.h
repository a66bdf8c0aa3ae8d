// One line of a policy as words. Quotes are taken off here; backslashes and ${...} stay, because
// only the reader of a word knows whether it is a pattern.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/diagnostic.h"

namespace callgate {

struct Word {
  std::string text;
  std::vector<int> columns;  // of each byte of `text`, 1-based in the line
  int column = 1;            // where the word (or its quote) begins

  // The column of byte `i`, or the one after the last byte.
  [[nodiscard]] int column_of(size_t i) const;
};

struct Line {
  std::vector<Word> words;
  std::string_view statement;  // the source from the first word to the last
};

inline constexpr size_t kLongestLine = 65536;

// `line` is without its newline (a CR before it taken off too).
std::optional<Mistake> lex_line(std::string_view line, Line* out);

}  // namespace callgate
