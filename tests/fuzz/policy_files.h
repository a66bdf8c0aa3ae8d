// Policies as a fuzz input holds them: the text of one, and of files that it may include; and
// whether what loading says stands where it says.
#pragma once

#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>

#include "policy/diagnostic.h"
#include "tests/fuzz/fuzz_input.h"

namespace callgate::fuzz {

using Files = std::map<std::string, std::string>;

// Lines of text, UTF-8 allowed, without a control character.
inline bool well_formed(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c == '\n' || static_cast<uint8_t>(c) >= 0x80 || printable({&c, 1});
  });
}

// "file:line:column: " with numbers that exist in that file.
inline bool stands_inside(const std::string& message, const Files& files) {
  for (const auto& [name, text] : files) {
    for (const std::string& shown : {escape_foreign(name), "profile:" + escape_foreign(name)}) {
      unsigned line = 0;
      unsigned column = 0;
      if (!message.starts_with(shown + ':') ||
          std::sscanf(message.c_str() + shown.size(), ":%u:%u: ", &line, &column) != 2) {
        continue;
      }
      const auto lines = split(text, '\n');
      if (line < 1 || line > lines.size() || column < 1) continue;
      if (column <= lines[line - 1].size() + 1) return true;
    }
  }
  return false;
}

// "p.policy", and a file for each line "--- NAME" from the next line on.
inline Files cut(std::string_view text) {
  Files files;
  std::string name = "p.policy";
  for (;;) {
    const size_t end = text.find("\n--- ");
    files[name] = text.substr(0, end);
    if (end == std::string_view::npos) return files;
    text.remove_prefix(end + 5);
    name = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(name.size() + 1, text.size()));
  }
}

}  // namespace callgate::fuzz
