#include "policy/variables.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "policy/pattern.h"

namespace callgate {
namespace {

constexpr std::array<std::string_view, 6> kBuiltIn = {"HOME", "USER", "UID",
                                                      "CWD",  "TMP",  "PROGRAM"};

bool built_in(std::string_view name) {
  return std::find(kBuiltIn.begin(), kBuiltIn.end(), name) != kBuiltIn.end();
}

bool is_name(std::string_view name) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return !name.empty() && letter(name[0]) && std::all_of(name.begin(), name.end(), [&](char c) {
    return letter(c) || (c >= '0' && c <= '9');
  });
}

void insert(std::string_view value, int column, Word* out) {
  const std::string escaped = escape_pattern(value);
  out->text += escaped;
  out->columns.insert(out->columns.end(), escaped.size(), column);
}

}  // namespace

std::optional<Mistake> Variables::define(const Word& name, std::optional<std::string> value) {
  if (!is_name(name.text)) {
    return Mistake{name.column,
                   quoted(name.text) + " cannot name a variable (expected letters, digits and _)",
                   {}};
  }
  if (built_in(name.text)) {
    return Mistake{
        name.column, name.text + " is a built-in variable (expected another name to define)", {}};
  }
  defined_[name.text] = std::move(value);
  return std::nullopt;
}

std::optional<Mistake> Variables::value(const Word& word, size_t dollar, std::string_view name,
                                        std::optional<std::string>* out) const {
  if (const auto it = defined_.find(name); it != defined_.end()) {
    *out = it->second;
    return std::nullopt;
  }
  const int column = word.column_of(dollar);
  if (!built_in(name)) {
    std::vector<std::string_view> names(kBuiltIn.begin(), kBuiltIn.end());
    for (const auto& [defined, value] : defined_) names.push_back(defined);
    const std::string near = nearest(name, names);
    return Mistake{column,
                   "the variable " + quoted(name) + " is not defined (expected " +
                       enumeration(kBuiltIn) + ", or a name that `define` introduced above)",
                   near.empty() ? "" : "${" + near + "}"};
  }
  std::string value = world_.variable(std::string(name));
  if (!value.empty()) {
    *out = std::move(value);
  } else if (name == "PROGRAM") {
    *out = std::nullopt;
  } else {
    return Mistake{
        column, "${" + std::string(name) + "} has no value here (expected it to be set)", {}};
  }
  return std::nullopt;
}

std::optional<Mistake> Variables::expand(const Word& word, Word* out, bool* known) const {
  const std::string& text = word.text;
  if (!text.starts_with('~') && text.find("${") == std::string::npos) {
    *out = word;
    return std::nullopt;
  }
  out->column = word.column;
  size_t i = 0;
  const auto insert_value = [&](size_t dollar, std::string_view name) -> std::optional<Mistake> {
    std::optional<std::string> found;
    if (auto mistake = value(word, dollar, name, &found)) return mistake;
    if (!found) *known = false;
    insert(found.value_or(std::string()), word.column_of(dollar), out);
    // A variable may hold others, twice each: without a bound, forty lines make a terabyte.
    if (out->text.size() <= kLongestLine) return std::nullopt;
    return Mistake{
        word.column_of(dollar),
        "the word grows too long with its variables put in (expected at most 65536 bytes)",
        {}};
  };
  if (text == "~" || text.starts_with("~/")) {
    if (auto mistake = insert_value(0, "HOME")) return mistake;
    i = 1;
  } else if (text.starts_with('~')) {
    return Mistake{word.column, "only ~/ is known (expected ~/ or the directory itself)", {}};
  }
  while (i < text.size()) {
    if (text.compare(i, 2, "${") == 0) {
      const size_t close = text.find('}', i);
      if (close == std::string::npos) {
        return Mistake{word.column_of(i), "this ${ is never closed (expected ${NAME})", {}};
      }
      const std::string_view name = std::string_view(text).substr(i + 2, close - i - 2);
      if (auto mistake = insert_value(i, name)) return mistake;
      i = close + 1;
      continue;
    }
    const size_t length = text[i] == '\\' && i + 1 < text.size() ? 2 : 1;
    for (size_t k = i; k < i + length; ++k) {
      out->text += text[k];
      out->columns.push_back(word.column_of(k));
    }
    i += length;
  }
  return std::nullopt;
}

}  // namespace callgate
