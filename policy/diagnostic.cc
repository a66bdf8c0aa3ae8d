#include "policy/diagnostic.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace callgate {
namespace {

constexpr size_t kShownLine = 160;  // a longer line is shown as the part around the caret
constexpr size_t kShownWord = 60;

// The length of the valid UTF-8 sequence at the front of `s` and its code point; 0: not valid.
size_t decode_utf8(std::string_view s, uint32_t* code) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(s[i]); };
  const uint8_t first = byte(0);
  const size_t length = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first >= 0x80 && (first < 0xc2 || first > 0xf4)) return 0;
  if (s.size() < length) return 0;
  uint32_t value = length == 1 ? first : first & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    value = value << 6 | (byte(i) & 0x3fu);
  }
  const bool overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
  if (overlong || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return 0;
  *code = value;
  return length;
}

struct CodeRange {
  uint32_t first;
  uint32_t last;
};
// Controls, and what is not seen or turns the direction of what is.
constexpr std::array<CodeRange, 15> kInvisible = {{{0x00, 0x1f},
                                                   {0x7f, 0x9f},
                                                   {0xad, 0xad},          // soft hyphen
                                                   {0x34f, 0x34f},        // grapheme joiner
                                                   {0x61c, 0x61c},        // Arabic letter mark
                                                   {0x115f, 0x1160},      // Hangul fillers
                                                   {0x180e, 0x180e},      // Mongolian separator
                                                   {0x200b, 0x200f},      // zero width, marks
                                                   {0x2028, 0x202e},      // separators, overrides
                                                   {0x2060, 0x206f},      // joiners, isolates
                                                   {0x3164, 0x3164},      // Hangul filler
                                                   {0xfe00, 0xfe0f},      // variation selectors
                                                   {0xfeff, 0xfeff},      // byte order mark
                                                   {0xfff9, 0xfffb},      // annotations
                                                   {0xe0000, 0xe0fff}}};  // tags

bool invisible(uint32_t code) {
  return std::any_of(kInvisible.begin(), kInvisible.end(), [code](const CodeRange& range) {
    return code >= range.first && code <= range.last;
  });
}

// Appends `bytes` escaped and returns how many columns a terminal gives them.
size_t append_escaped(std::string_view bytes, std::string* out) {
  static constexpr char kHex[] = "0123456789abcdef";
  size_t width = 0;
  for (size_t i = 0; i < bytes.size();) {
    uint32_t code = 0;
    const size_t length = decode_utf8(bytes.substr(i), &code);
    if (length == 1 && code == '\t') {
      *out += ' ';
      ++width;
    } else if (length == 0 || invisible(code)) {
      for (size_t k = 0; k < std::max<size_t>(length, 1); ++k) {
        const auto byte = static_cast<uint8_t>(bytes[i + k]);
        *out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
        width += 4;
      }
    } else {
      *out += bytes.substr(i, length);
      ++width;
    }
    i += std::max<size_t>(length, 1);
  }
  return width;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// Edit distance where exchanging two neighbours counts once, as slips of the finger do.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1;
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + change});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
          lower(a[i - 2]) == lower(b[j - 1])) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::string escape_foreign(std::string_view bytes) {
  std::string out;
  append_escaped(bytes, &out);
  return out;
}

std::string quoted(std::string_view word) {
  std::string shown = word.size() > kShownWord ? escape_foreign(word.substr(0, kShownWord)) + "..."
                                               : escape_foreign(word);
  return '"' + shown + '"';
}

std::string format_mistake(std::string_view file, int line, std::string_view line_text,
                           const Mistake& mistake) {
  const auto caret = static_cast<size_t>(std::max(mistake.column, 1) - 1);
  size_t begin = 0;
  size_t end = line_text.size();
  if (line_text.size() > kShownLine) {
    begin = caret > kShownLine / 2 ? std::min(caret, line_text.size()) - kShownLine / 2 : 0;
    end = std::min(line_text.size(), begin + kShownLine);
  }
  std::string before = begin > 0 ? "..." : "";
  size_t width = before.size();
  const std::string_view shown = line_text.substr(begin, end - begin);
  const size_t split = std::min(caret - begin, shown.size());
  width += append_escaped(shown.substr(0, split), &before);
  append_escaped(shown.substr(split), &before);
  if (end < line_text.size()) before += "...";

  std::string out = escape_foreign(file) + ':' + std::to_string(line) + ':' +
                    std::to_string(mistake.column) + ": " + mistake.what + "\n  " + before +
                    "\n  " + std::string(width, ' ') + "^\n";
  if (!mistake.suggestion.empty()) {
    out += "  did you mean \"" + escape_foreign(mistake.suggestion) + "\"?\n";
  }
  return out;
}

std::string nearest(std::string_view word, std::span<const std::string_view> candidates) {
  constexpr size_t kLongest = 64;  // a name that somebody defined can be as long as a line
  if (word.size() > kLongest) return {};
  std::string_view best;
  for (const std::string_view candidate : candidates) {
    if (candidate.size() > kLongest) continue;
    // "exec" is nearer to "execute" than its edit distance says.
    if (!word.empty() && candidate.size() > word.size() &&
        distance(word, candidate.substr(0, word.size())) == 0 && best.empty()) {
      best = candidate;
    }
  }
  // A third of the letters may be wrong; beyond that a suggestion is noise.
  size_t best_distance = std::max<size_t>(word.size() / 3, 1) + 1;
  for (const std::string_view candidate : candidates) {
    if (candidate.size() > kLongest) continue;
    const size_t d = distance(word, candidate);
    if (d < best_distance && d < candidate.size()) {
      best = candidate;
      best_distance = d;
    }
  }
  return std::string(best);
}

std::string enumeration(std::span<const std::string_view> words) {
  std::string out;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
    out += words[i];
  }
  return out;
}

}  // namespace callgate
