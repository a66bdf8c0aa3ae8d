#include "monitor/escape.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace callgate {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

bool printable(unsigned char byte) { return byte >= 0x20 && byte <= 0x7e; }

struct Shown {
  std::array<char, 4> text{};
  size_t length = 0;
  void put(char c) { text.at(length++) = c; }
};

Shown show(unsigned char byte, bool keep_quotes) {
  Shown out;
  if (printable(byte)) {
    if (!keep_quotes && (byte == '\\' || byte == '"')) out.put('\\');
    out.put(static_cast<char>(byte));
    return out;
  }
  out.put('\\');
  if (byte == '\n') {
    out.put('n');
  } else if (byte == '\t') {
    out.put('t');
  } else if (byte == '\r') {
    out.put('r');
  } else {
    out.put('x');
    out.put(kDigits[byte >> 4]);
    out.put(kDigits[byte & 15]);
  }
  return out;
}

}  // namespace

std::string escape(std::string_view bytes, size_t limit) {
  std::string out;
  out.reserve(std::min(bytes.size(), limit) + 16);
  for (size_t i = 0; i < bytes.size(); ++i) {
    const Shown shown = show(static_cast<unsigned char>(bytes[i]), false);
    if (out.size() + shown.length > limit) {
      out += "...(+" + std::to_string(bytes.size() - i) + " bytes)";
      break;
    }
    out.append(shown.text.data(), shown.length);
  }
  return out;
}

std::string escape_line(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const Shown shown = show(static_cast<unsigned char>(c), true);
    out.append(shown.text.data(), shown.length);
  }
  return out;
}

bool is_plain(std::string_view bytes) {
  for (const char c : bytes) {
    if (!printable(static_cast<unsigned char>(c)) || c == '\\' || c == '"') return false;
  }
  return true;
}

std::string hex(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

std::string quote_link_pattern(std::string_view name) {
  const size_t leaf = name.rfind('/') + 1;
  for (size_t at = leaf; at < name.size(); ++at) {
    const auto c = static_cast<unsigned char>(name[at]);
    if (c >= 0x80 || std::isalnum(c) == 0) continue;
    return quote_pattern(name.substr(0, at)) + '[' + name[at] + ']' +
           quote_pattern(name.substr(at + 1));
  }
  return {};
}

std::string quote_pattern(std::string_view name) {
  constexpr std::string_view kSpecial = " *?[]{}\\#$\"";
  std::string out;
  out.reserve(name.size());
  for (const char c : name) {
    if (!printable(static_cast<unsigned char>(c))) {
      out += '?';
      continue;
    }
    if (kSpecial.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  // At the end of a word these are taken for a slip: patterns are separated by blanks.
  if (out.ends_with(',') || out.ends_with(';')) out.insert(out.size() - 1, 1, '\\');
  return out;
}

}  // namespace callgate
