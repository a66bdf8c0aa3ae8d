#include <array>

#include "policy/pattern.h"

namespace callgate {
namespace {

struct SetReader {
  std::string_view text;
  size_t i;  // at the [

  // Reads [...]; on failure `mistake` says why.
  bool read(std::bitset<256>* set, Mistake* mistake) {
    const size_t open = i++;
    const auto fail = [&](size_t offset, std::string what) {
      *mistake = {static_cast<int>(offset), std::move(what), {}};
      return false;
    };
    const bool negated = i < text.size() && (text[i] == '!' || text[i] == '^');
    if (negated) ++i;
    for (bool first = true;; first = false) {
      if (i >= text.size()) {
        return fail(open, "this [ is never closed (expected ] in the same component, or \\[)");
      }
      if (text[i] == ']' && !first) break;
      if (text.substr(i).starts_with("[:")) {
        return fail(i, "named classes are not part of the language (expected ranges like [a-z])");
      }
      const uint8_t low = byte();
      uint8_t high = low;
      if (i + 1 < text.size() && text[i] == '-' && text[i + 1] != ']') {
        const size_t dash = i++;
        high = byte();
        if (high < low) return fail(dash, "this range runs backwards (expected [a-z], not [z-a])");
      }
      for (unsigned value = low; value <= high; ++value) set->set(value);
    }
    ++i;
    if (negated) set->flip();
    return true;
  }

 private:
  uint8_t byte() {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    return static_cast<uint8_t>(text[i++]);
  }
};

std::string hex(unsigned value) {
  static constexpr char kHex[] = "0123456789abcdef";
  return {'\\', 'x', kHex[value >> 4], kHex[value & 15]};
}

}  // namespace

bool Glob::piece_matches(const Piece& piece, char byte) const {
  using Kind = Piece::Kind;
  switch (piece.kind) {
    case Kind::Byte:
      return piece.byte == byte;
    case Kind::Any:
      return true;
    case Kind::Set:
      return sets_[piece.set].test(static_cast<uint8_t>(byte));
    case Kind::Star:
      break;
  }
  return false;
}

std::optional<Glob> Glob::parse(std::string_view text, Mistake* mistake) {
  using Kind = Piece::Kind;
  Glob glob;
  glob.pieces_.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    Piece piece;
    if (text[i] == '*') {
      if (text.substr(i).starts_with("**")) {
        *mistake = {static_cast<int>(i),
                    "** shares a component with other characters (expected it alone between "
                    "slashes, as in /dir/**/*.txt)",
                    {}};
        return std::nullopt;
      }
      piece.kind = Kind::Star;
      ++i;
    } else if (text[i] == '?') {
      piece.kind = Kind::Any;
      ++i;
    } else if (text[i] == '[') {
      piece.kind = Kind::Set;
      SetReader reader{text, i};
      piece.set = static_cast<uint32_t>(glob.sets_.size());
      if (!reader.read(&glob.sets_.emplace_back(), mistake)) return std::nullopt;
      i = reader.i;
    } else {
      if (text[i] == '\\' && i + 1 < text.size()) ++i;
      piece.byte = text[i++];
    }
    glob.pieces_.push_back(piece);
  }
  return glob;
}

bool Glob::matches(std::string_view bytes) const {
  using Kind = Piece::Kind;
  // On a mismatch only the last star can take more: O(pieces * bytes), no recursion.
  size_t p = 0;
  size_t b = 0;
  size_t star = pieces_.size();
  size_t resume = 0;
  while (b < bytes.size()) {
    if (p < pieces_.size() && pieces_[p].kind == Kind::Star) {
      star = p++;
      resume = b;
    } else if (p < pieces_.size() && piece_matches(pieces_[p], bytes[b])) {
      ++p;
      ++b;
    } else if (star < pieces_.size()) {
      p = star + 1;
      b = ++resume;
    } else {
      return false;
    }
  }
  while (p < pieces_.size() && pieces_[p].kind == Kind::Star) ++p;
  return p == pieces_.size();
}

std::optional<std::string> Glob::literal() const {
  std::string out = prefix();
  if (out.size() != pieces_.size()) return std::nullopt;
  return out;
}

bool Glob::is_star() const { return pieces_.size() == 1 && pieces_[0].kind == Piece::Kind::Star; }

std::string Glob::prefix() const {
  std::string out;
  for (const Piece& piece : pieces_) {
    if (piece.kind != Piece::Kind::Byte) break;
    out += piece.byte;
  }
  return out;
}

std::string Glob::suffix() const {
  std::string out;
  for (size_t i = pieces_.size(); i > 0 && pieces_[i - 1].kind == Piece::Kind::Byte; --i) {
    out.insert(out.begin(), pieces_[i - 1].byte);
  }
  return out;
}

std::string Glob::regex() const {
  using Kind = Piece::Kind;
  std::string out;
  for (const Piece& piece : pieces_) {
    switch (piece.kind) {
      case Kind::Byte:
        out += hex(static_cast<uint8_t>(piece.byte));
        break;
      case Kind::Any:
        out += "(?s:.)";
        break;
      case Kind::Star:
        out += "(?s:.*)";
        break;
      case Kind::Set: {
        const std::bitset<256>& set = sets_[piece.set];
        if (set.none()) {
          out += "[^\\x00-\\xff]";
          break;
        }
        out += '[';
        for (unsigned low = 0; low < 256; ++low) {
          if (!set.test(low)) continue;
          unsigned high = low;
          while (high + 1 < 256 && set.test(high + 1)) ++high;
          out += hex(low) + '-' + hex(high);
          low = high;
        }
        out += ']';
        break;
      }
    }
  }
  return out;
}

}  // namespace callgate
