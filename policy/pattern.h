// Path patterns: text to components, and the plain way to match one against a name. The index in
// path_index.h is the fast way; this one is what it is tested against.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/diagnostic.h"
#include "policy/lexer.h"

namespace callgate {

// `*`, `?` and `[...]` over raw bytes, within whatever string it is given.
class Glob {
 public:
  // `text` has its escapes; the offset of what is wrong goes to `mistake->column` (0-based).
  static std::optional<Glob> parse(std::string_view text, Mistake* mistake);
  [[nodiscard]] bool matches(std::string_view bytes) const;
  // The bytes, when the glob matches exactly one string.
  [[nodiscard]] std::optional<std::string> literal() const;
  [[nodiscard]] bool is_star() const;
  [[nodiscard]] std::string prefix() const;  // literal bytes before the first wildcard
  [[nodiscard]] std::string suffix() const;  // and after the last
  [[nodiscard]] std::string regex() const;   // RE2 syntax, Latin-1

 private:
  struct Piece {
    enum class Kind : uint8_t { Byte, Any, Star, Set } kind = Kind::Byte;
    char byte = 0;
    uint32_t set = 0;  // index into sets_
  };
  [[nodiscard]] bool piece_matches(const Piece& piece, char byte) const;

  std::vector<Piece> pieces_;
  std::vector<std::bitset<256>> sets_;
};

struct Component {
  enum class Kind : uint8_t { Literal, Glob, AnyDepth };
  Kind kind = Kind::Literal;
  std::string text;  // Literal: the bytes; Glob: as written
  Glob glob;         // Glob only
};

// /a/*/b: components a, *, b. `itself` is what the components name, `below` all underneath.
struct Pattern {
  std::vector<Component> components;
  bool itself = true;
  bool below = false;

  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool literal() const;  // one object and nothing below it
};

// The text of a pattern after variables have been put in; braces become several patterns.
// Columns in the mistake are source columns.
std::optional<Mistake> parse_pattern(const Word& word, std::vector<Pattern>* out);

// Backslash escapes and braces of a word that is no path (an abstract socket's name).
std::optional<Mistake> expand_braces(const Word& word, std::vector<Word>* out);

// The components of a canonical name, without allocation.
class NameComponents {
 public:
  explicit NameComponents(std::string_view name) : rest_(name) {}
  bool next(std::string_view* component) {
    while (!rest_.empty() && rest_.front() == '/') rest_.remove_prefix(1);
    if (rest_.empty()) return false;
    const size_t slash = rest_.find('/');
    *component = rest_.substr(0, slash);
    rest_.remove_prefix(component->size());
    return true;
  }

 private:
  std::string_view rest_;
};

bool pattern_matches(const Pattern& pattern, std::string_view name);

// A backslash before every byte that means something in a pattern.
std::string escape_pattern(std::string_view literal);
std::string unescape(std::string_view text);

}  // namespace callgate
