#include "policy/lexer.h"

#include <array>
#include <numeric>
#include <utility>

namespace callgate {
namespace {

// Blanks that look like a space and are none, by their UTF-8 bytes.
struct OddBlank {
  std::string_view bytes;
  std::string_view name;
};
constexpr std::array<OddBlank, 8> kOddBlanks = {{{"\xc2\xa0", "a no-break space"},
                                                 {"\xe1\x9a\x80", "an ogham space"},
                                                 {"\xe2\x80\xa8", "a line separator"},
                                                 {"\xe2\x80\xa9", "a paragraph separator"},
                                                 {"\xe2\x80\xaf", "a narrow no-break space"},
                                                 {"\xe2\x81\x9f", "a mathematical space"},
                                                 {"\xe3\x80\x80", "an ideographic space"},
                                                 {"\xef\xbb\xbf", "a byte order mark"}}};

std::string_view odd_blank(std::string_view rest) {
  for (const OddBlank& blank : kOddBlanks) {
    if (rest.starts_with(blank.bytes)) return blank.name;
  }
  // U+2000 to U+200B: the typographic spaces and the zero-width one.
  if (rest.starts_with("\xe2\x80") && rest.size() > 2 && static_cast<uint8_t>(rest[2]) >= 0x80 &&
      static_cast<uint8_t>(rest[2]) <= 0x8b) {
    return "a typographic space";
  }
  return {};
}

bool blank(char c) { return c == ' ' || c == '\t'; }

// How many bytes from here on mean nothing but themselves, as nearly all do.
size_t plain_bytes(std::string_view text) {
  size_t i = 0;
  while (i < text.size() && static_cast<uint8_t>(text[i]) < 0x80 && text[i] != '"' &&
         text[i] != '\\' && text[i] != '#' && !blank(text[i])) {
    ++i;
  }
  return i;
}

Mistake at(size_t offset, std::string what) {
  return {static_cast<int>(offset) + 1, std::move(what), {}};
}

// Reads one word that begins at *position.
std::optional<Mistake> lex_word(std::string_view line, size_t* position, Word* word) {
  size_t i = *position;
  word->column = static_cast<int>(i) + 1;
  std::optional<size_t> quote;
  const auto take = [&](size_t offset, size_t count = 1) {
    word->text.append(line, offset, count);
    const size_t before = word->columns.size();
    word->columns.resize(before + count);
    std::iota(word->columns.begin() + static_cast<ptrdiff_t>(before), word->columns.end(),
              static_cast<int>(offset) + 1);
  };
  for (; i < line.size(); ++i) {
    const size_t plain = plain_bytes(line.substr(i));
    if (plain > 0) take(i, plain);
    i += plain;
    if (i == line.size()) break;
    const char c = line[i];
    if (c == '"') {
      quote = quote ? std::nullopt : std::optional(i);
    } else if (c == '\\') {
      if (i + 1 == line.size()) {
        return at(i,
                  "a backslash ends the line (expected the character that it escapes; a "
                  "statement is one line)");
      }
      take(i);
      take(++i);
    } else if (!quote && blank(c)) {
      break;
    } else if (!quote && c == '#') {
      return at(i,
                "a # inside a word (expected a blank before a comment, or \\# for the "
                "character itself)");
    } else {
      if (!quote) {
        if (const auto name = odd_blank(line.substr(i)); !name.empty()) {
          return at(i, "this blank is " + std::string(name) +
                           " (expected a plain space, or the word in quotes)");
        }
      }
      take(i);
    }
  }
  if (quote)
    return at(*quote, "this quote is never closed (expected \" before the end of the line)");
  *position = i;
  return std::nullopt;
}

}  // namespace

int Word::column_of(size_t i) const {
  if (i < columns.size()) return columns[i];
  return columns.empty() ? column : columns.back() + 1;
}

std::optional<Mistake> lex_line(std::string_view line, Line* out) {
  if (line.size() > kLongestLine) {
    return at(kLongestLine, "the line is too long (expected at most 65536 bytes)");
  }
  for (size_t i = 0; i < line.size(); ++i) {
    const auto byte = static_cast<uint8_t>(line[i]);
    if (byte == 0) return at(i, "a NUL byte (expected text)");
    if ((byte < 0x20 && byte != '\t') || byte == 0x7f) {
      return at(i, "the control character " + escape_foreign(line.substr(i, 1)) +
                       " (expected text; ? in a pattern matches any byte)");
    }
  }
  size_t first = line.size();
  size_t i = 0;
  for (;;) {
    while (i < line.size() && blank(line[i])) ++i;
    if (i == line.size() || line[i] == '#') break;
    if (out->words.empty()) first = i;
    Word word;
    if (auto mistake = lex_word(line, &i, &word)) return mistake;
    out->words.push_back(std::move(word));
    out->statement = line.substr(first, i - first);
  }
  return std::nullopt;
}

}  // namespace callgate
