// Path patterns as docs/policy.md describes them, told in another way than policy/ does: braces by
// rewriting the text, components by fnmatch(3), ** by trying everything. Shares no code with it.
#pragma once

#include <fnmatch.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace callgate::fuzz {

// The components of a path; an escaped slash parts them too, and "" and "." are none.
inline std::vector<std::string> components_of(std::string_view text, bool escapes) {
  std::vector<std::string> parts(1);
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escape = escapes && text[i] == '\\' && i + 1 < text.size();
    if (escape && text[i + 1] != '/') {
      parts.back() += text.substr(i++, 2);
    } else if (escape || text[i] == '/') {
      parts.emplace_back();
      i += escape ? 1 : 0;
    } else {
      parts.back() += text[i];
    }
  }
  std::erase_if(parts, [&](const std::string& part) {
    return part.empty() || (escapes && (part == "." || part == "\\."));
  });
  const auto twice = [&](const std::string& a, const std::string& b) {
    return escapes && a == "**" && b == "**";  // one after the other is one
  };
  parts.erase(std::unique(parts.begin(), parts.end(), twice), parts.end());
  return parts;
}

// One pattern for each choice in its braces.
inline std::vector<std::string> alternatives(const std::string& text) {
  int depth = 0;
  size_t open = 0;
  std::vector<std::string> items;
  for (size_t i = 0, begin = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '{' && depth++ == 0) {
      open = i;
      begin = i + 1;
    } else if (depth == 1 && (text[i] == ',' || text[i] == '}')) {
      items.push_back(text.substr(begin, i - begin));
      begin = i + 1;
      if (text[i] == ',') continue;
      std::vector<std::string> all;
      for (const std::string& item : items) {
        for (std::string& one : alternatives(text.substr(0, open) + item + text.substr(i + 1))) {
          all.push_back(std::move(one));
        }
      }
      return all;
    } else if (text[i] == '}') {
      --depth;
    }
  }
  return {text};
}

struct SlowMatcher {
  std::vector<std::string> pattern;
  std::vector<std::string> name;
  bool below;  // the pattern ends in a slash

  [[nodiscard]] bool matches(size_t p, size_t n) const {
    if (p == pattern.size()) return n == name.size() || below;
    const bool last = p + 1 == pattern.size();
    if (pattern[p] == "**" && last) return n < name.size() || pattern.size() == 1;
    if (pattern[p] == "**") return matches(p + 1, n) || (n < name.size() && matches(p, n + 1));
    return n < name.size() && ::fnmatch(pattern[p].c_str(), name[n].c_str(), 0) == 0 &&
           matches(p + 1, n + 1);
  }
};

inline bool slow_matches(const std::string& pattern, const std::string& name) {
  for (const std::string& one : alternatives(pattern)) {
    const std::vector<std::string> parts = components_of(one, true);
    if (SlowMatcher{parts, components_of(name, false), one.back() == '/' && !parts.empty()}.matches(
            0, 0)) {
      return true;
    }
  }
  return false;
}

}  // namespace callgate::fuzz
