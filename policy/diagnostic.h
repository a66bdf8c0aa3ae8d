// How a policy says what is wrong with it: the position, the line, a caret and the nearest legal
// word. Everything that came from a file is escaped, so that no policy can drive a terminal.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace callgate {

struct Mistake {
  int column = 1;  // 1-based, in bytes of the line
  std::string what;
  std::string suggestion;  // the whole word to write instead; may be empty
};

// Control characters, invalid UTF-8 and bidirectional overrides as \xNN; a tab as one space.
std::string escape_foreign(std::string_view bytes);
// A word of the policy as it stands in a message: escaped, shortened and in quotes.
std::string quoted(std::string_view word);

std::string format_mistake(std::string_view file, int line, std::string_view line_text,
                           const Mistake& mistake);

// The candidate with the smallest edit distance, letter case aside; empty when none is near.
std::string nearest(std::string_view word, std::span<const std::string_view> candidates);

// "a, b or c", the end of an "expected ..." sentence.
std::string enumeration(std::span<const std::string_view> words);

}  // namespace callgate
