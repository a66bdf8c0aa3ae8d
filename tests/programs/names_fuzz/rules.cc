#include "tests/programs/names_fuzz/rules.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "tests/programs/names_fuzz/text.h"

namespace names_fuzz {
namespace {

constexpr std::array<std::string_view, 7> kNames = {"read",       "write",   "create", "delete",
                                                    "attributes", "execute", "stat"};
constexpr unsigned kAll = 127;

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  std::string part;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      part.append(text.substr(i++, 2));
    } else if (text[i] != separator) {
      part += text[i];
    } else if (!part.empty()) {
      parts.push_back(std::move(part));
      part.clear();
    }
  }
  if (!part.empty()) parts.push_back(std::move(part));
  return parts;
}

unsigned operations_of(const std::string& word) {
  if (word == "all") return kAll;
  unsigned bits = 0;
  for (const std::string& part : split(word, ',')) {
    const auto* found = std::find(kNames.begin(), kNames.end(), part);
    if (found == kNames.end()) return 0;
    bits |= 1u << (found - kNames.begin());
  }
  return bits;
}

int error_of(const std::string& name) {
  for (int error = 1; error < 134; ++error) {
    const char* known = strerrorname_np(error);
    if (known != nullptr && name == known) return error;
  }
  return 0;
}

// One component against one name.
bool glob(std::string_view pattern, std::string_view name) {
  if (pattern.empty()) return name.empty();
  const char c = pattern[0];
  if (c == '*') {
    for (size_t skip = 0; skip <= name.size(); ++skip) {
      if (glob(pattern.substr(1), name.substr(skip))) return true;
    }
    return false;
  }
  if (name.empty()) return false;
  if (c == '?') return glob(pattern.substr(1), name.substr(1));
  if (c == '[') {
    const bool inverted = pattern[1] == '!';
    const size_t end = pattern.find(']', 2);
    bool in = false;
    for (size_t i = inverted ? 2 : 1; i < end; ++i) {
      if (i + 2 < end && pattern[i + 1] == '-') {
        in = in || (name[0] >= pattern[i] && name[0] <= pattern[i + 2]);
        i += 2;
      } else {
        in = in || name[0] == pattern[i];
      }
    }
    return in != inverted && glob(pattern.substr(end + 1), name.substr(1));
  }
  const size_t width = c == '\\' ? 2 : 1;
  return name[0] == pattern[width - 1] && glob(pattern.substr(width), name.substr(1));
}

// "{a,b}" as a whole component: one pattern for each.
std::vector<std::string> without_braces(const std::string& text) {
  const size_t begin = text.find('{');
  if (begin == std::string::npos) return {text};
  const size_t end = text.find('}', begin);
  std::vector<std::string> all;
  for (const std::string& part :
       split(std::string_view(text).substr(begin + 1, end - begin - 1), ',')) {
    for (std::string& one : without_braces(text.substr(0, begin) + part + text.substr(end + 1))) {
      all.push_back(std::move(one));
    }
  }
  return all;
}

std::string random_operations(bool allows) {
  const int kind = generator.below(10);
  if (kind < 4) return "";
  if (kind < 5) return "all ";
  std::string text;
  for (size_t i = 0; i < kNames.size(); ++i) {
    const bool picked = generator.percent(i == 6 ? 20 : 45);
    if (picked) text.append(text.empty() ? "" : ",").append(kNames[i]);
  }
  if (text.empty()) text = allows ? "read" : "write";
  return text + " ";
}

std::string random_pattern(const std::string& box, int trees) {
  static const char* parts[] = {"a",    "b",    "c",  "d",    "a",        "b",    "c",
                                "d",    "*",    "?",  "??",   "[a-c]",    "[!a]", "{a,b}",
                                "a*",   "*d",   "**", "\\*",  "sp\\ ace", "...",  ".hidden",
                                "self", "%s%n", "L*", "*LL*", "?*y",      "-rf",  "\\#tmpfile"};
  if (generator.percent(4)) return "/proc/self/fd/*";
  if (generator.percent(4)) return box + "/**/" + generator.of(parts);
  // Never the tree's plain name: a pattern's links are resolved up to its first wildcard, and what
  // is planted there is of no concern here.
  std::string text = box + "/w";
  text += generator.percent(40) ? "*" : "[" + std::to_string(generator.below(trees)) + "]";
  text += "/n/n/n";
  for (int i = 1 + generator.below(3); i > 0; --i) text.append("/").append(generator.of(parts));
  if (text.ends_with("**")) return text;
  const int end = generator.below(10);
  return end < 3 ? text : text + (end < 7 ? "/" : "/**");
}

}  // namespace

std::string Rules::random_text(const std::string& box, const std::string& program, int trees) {
  // No call answers these by itself: which statement refused can be seen.
  static const char* errors[] = {"ENOANO", "EBADE",   "EXFULL", "EBADRQC", "EBADSLT", "EL2HLT",
                                 "ENOCSI", "EUNATCH", "ELNRNG", "EBFONT",  "ENOSTR",  "ENOSR"};
  std::string text = "runtime none\nnetwork allow all\n";
  text += "path allow execute " + program + "\n";
  // Everything, or some of it, or only what further statements allow.
  const int ground = generator.below(10);
  if (ground < 6) text += "path allow all " + box + "/\n";
  if (ground >= 6 && ground < 9) text += "path allow " + random_operations(true) + box + "/\n";
  if (generator.percent(85)) text += "path allow all /proc/self/\n";
  if (generator.percent(30)) text += "path deny as EUCLEAN execute " + box + "/**\n";
  for (int i = 4 + generator.below(9); i > 0; --i) {
    const bool allows = generator.percent(45);
    std::string verdict = allows ? "allow " : "deny ";
    if (!allows && generator.percent(85))
      verdict += std::string("as ") + generator.of(errors) + " ";
    text += "path " + verdict + random_operations(allows) + random_pattern(box, trees);
    if (generator.percent(30)) text += " " + random_pattern(box, trees);
    text += "\n";
  }
  return text;
}

bool Rules::read(const std::string& text) {
  for (const std::string& line : split(text, '\n')) {
    const auto words = split(line, ' ');
    if (words.empty() || words[0] != "path") continue;
    if (!read_statement(words)) return false;
  }
  return true;
}

bool Rules::read_statement(const std::vector<std::string>& words) {
  if (words.size() < 3) return false;
  Statement statement;
  const bool allows = words[1] == "allow";
  if (!allows && words[1] != "deny") return false;
  size_t next = 2;
  if (!allows) {
    statement.error = EACCES;
    if (words[next] == "as") {
      statement.error = error_of(words[next + 1]);
      next += 2;
      if (statement.error == 0) return false;
    }
  }
  statement.operations = operations_of(words[next]);
  if (statement.operations != 0) {
    ++next;
  } else {
    statement.operations =
        allows ? kRead | kWrite | kCreate | kDelete | kAttributes : kAll & ~kStat;
  }
  for (; next < words.size(); ++next) {
    if (!words[next].starts_with('/')) return false;
    for (const std::string& one : without_braces(words[next])) {
      Pattern pattern = split(one, '/');
      components_.insert(components_.end(), pattern.begin(), pattern.end());
      statement.patterns.push_back(pattern);
      if (!one.ends_with('/')) continue;  // "/dir/": itself and all below
      pattern.emplace_back("**");
      statement.patterns.push_back(std::move(pattern));
    }
  }
  std::sort(components_.begin(), components_.end());
  components_.erase(std::unique(components_.begin(), components_.end()), components_.end());
  statements_.push_back(std::move(statement));
  return true;
}

bool Rules::matches(const Pattern& pattern, size_t p, const Pattern& name, size_t n) {
  if (p == pattern.size()) return n == name.size();
  if (pattern[p] != "**") {
    return n < name.size() && glob(pattern[p], name[n]) && matches(pattern, p + 1, name, n + 1);
  }
  // "/dir/**" is what lies below; "/**" everything.
  if (p + 1 == pattern.size()) return n < name.size() || pattern.size() == 1;
  for (size_t skip = n; skip <= name.size(); ++skip) {
    if (matches(pattern, p + 1, name, skip)) return true;
  }
  return false;
}

int Rules::refusal(unsigned operations, const std::string& name) const {
  Pattern components;  // backslashes in a name mean nothing
  for (size_t at = 0; at < name.size();) {
    const size_t end = std::min(name.find('/', at), name.size());
    if (end > at) components.push_back(name.substr(at, end - at));
    at = end + 1;
  }
  for (unsigned bit = 0; bit < kNames.size(); ++bit) {
    const unsigned operation = 1u << bit;
    if ((operations & operation) == 0) continue;
    int error = operation == kStat ? 0 : EACCES;
    for (const Statement& statement : statements_) {
      if ((statement.operations & operation) == 0) continue;
      for (const Pattern& pattern : statement.patterns) {
        if (matches(pattern, 0, components, 0)) error = statement.error;
      }
    }
    if (error != 0) return error;
  }
  return 0;
}

unsigned Rules::granted(const std::string& name) const {
  unsigned bits = 0;
  for (unsigned bit = 1; bit <= kStat; bit <<= 1) {
    if (refusal(bit, name) == 0) bits |= bit;
  }
  return bits;
}

bool Rules::widens(const std::string& from, const std::string& to, bool directory) const {
  if ((granted(to) & ~granted(from)) != 0) return true;
  if (!directory) return false;
  // Names that some pattern could tell apart, to a depth beyond every pattern's.
  std::vector<std::string> below = {""};
  for (int depth = 0; depth < 2; ++depth) {
    std::vector<std::string> deeper;
    for (const std::string& so_far : below) {
      for (std::string part : components_) {
        std::erase(part, '\\');
        if (part.find_first_of("*?[") != std::string::npos && part != "*") part = "zz";
        const std::string rest = so_far + "/" + part;
        if ((granted(to + rest) & ~granted(from + rest)) != 0) return true;
        deeper.push_back(rest);
      }
    }
    std::sort(deeper.begin(), deeper.end());
    deeper.erase(std::unique(deeper.begin(), deeper.end()), deeper.end());
    below = std::move(deeper);
  }
  return false;
}

}  // namespace names_fuzz
