#include "policy/pattern.h"

#include <algorithm>
#include <utility>

namespace callgate {
namespace {

constexpr size_t kMostAlternatives = 1024;
constexpr size_t kMostExpanded = 4 << 20;  // bytes of them together
constexpr size_t kDeepestBraces = 32;
constexpr size_t kMostBraces = 64;

Mistake at(const Word& word, size_t offset, std::string what) {
  return {word.column_of(offset), std::move(what), {}};
}

void append(Word* to, const Word& from, size_t begin, size_t end) {
  to->text.append(from.text, begin, end - begin);
  to->columns.insert(to->columns.end(), from.columns.begin() + static_cast<ptrdiff_t>(begin),
                     from.columns.begin() + static_cast<ptrdiff_t>(end));
}

Word slice(const Word& from, size_t begin, size_t end) {
  Word out;
  out.column = from.column_of(begin);
  append(&out, from, begin, end);
  return out;
}

size_t braces_of(std::string_view text) {
  size_t count = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '{') {
      ++count;
    }
  }
  return count;
}

bool ends_in_separator(std::string_view text) {
  if (!text.ends_with(',') && !text.ends_with(';')) return false;
  text.remove_suffix(1);
  const size_t before = text.find_last_not_of('\\');
  const size_t backslashes = text.size() - (before == std::string_view::npos ? 0 : before + 1);
  return backslashes % 2 == 0;
}

// "path deny /a, /b" would speak of a name that ends in a comma, and of no /a.
std::optional<Mistake> find_separator(const Word& word) {
  const std::string& text = word.text;
  if (!ends_in_separator(text)) return std::nullopt;
  const size_t last = text.size() - 1;
  return at(word, last,
            quoted(text.substr(last)) + " ends a pattern (expected a blank between patterns, a " +
                "line for each statement; \\" + text.back() + " for the character itself)");
}

struct Braces {
  size_t open = std::string::npos;
  std::vector<size_t> cuts;  // the top-level commas and the closing brace
};

// The first brace group of the word; a stray or unclosed brace is a mistake.
std::optional<Mistake> find_braces(const Word& word, Braces* braces) {
  size_t depth = 0;
  for (size_t i = 0; i < word.text.size(); ++i) {
    const char c = word.text[i];
    if (c == '\\') {
      ++i;
    } else if (c == '{') {
      if (depth++ == 0) braces->open = i;
      if (depth > kDeepestBraces) return at(word, i, "braces nest too deep (expected at most 32)");
    } else if (c == '}') {
      if (depth == 0) return at(word, i, "this } closes nothing (expected { before it, or \\})");
      if (--depth == 0) {
        braces->cuts.push_back(i);
        return std::nullopt;
      }
    } else if (c == ',' && depth == 1) {
      braces->cuts.push_back(i);
    }
  }
  if (depth > 0) {
    return at(word, braces->open,
              "this { is never closed (expected } in the same word; quote blanks inside braces)");
  }
  return std::nullopt;
}

std::optional<Mistake> parse_components(const Word& word, Pattern* out) {
  const std::string& text = word.text;
  size_t begin = 1;
  while (begin <= text.size()) {
    size_t end = begin;
    bool escaped_slash = false;
    while (end < text.size() && text[end] != '/') {
      // \/ is a slash like any other: no escape puts one inside a component.
      const bool escape = text[end] == '\\' && end + 1 < text.size();
      escaped_slash = escape && text[end + 1] == '/';
      end += escape && !escaped_slash ? 2 : 1;
    }
    std::string_view part = std::string_view(text).substr(begin, end - begin);
    if (escaped_slash) part.remove_suffix(1);
    const bool bare = part.find_first_of("\\*?[") == std::string_view::npos;
    const std::string plain = unescape(part);
    if (plain == "..") {
      return at(word, begin, "a pattern cannot hold .. (expected the path that it leads to)");
    }
    if (part.empty() || plain == ".") {
      // nothing: // and /./ are one slash
    } else if (part == "**") {
      if (out->components.empty() || out->components.back().kind != Component::Kind::AnyDepth) {
        out->components.push_back({Component::Kind::AnyDepth, "**", {}});
      }
    } else if (bare) {
      out->components.push_back({Component::Kind::Literal, plain, {}});
    } else {
      Mistake mistake;
      auto glob = Glob::parse(part, &mistake);
      if (!glob) {
        return at(word, begin + static_cast<size_t>(mistake.column), std::move(mistake.what));
      }
      if (auto literal = glob->literal()) {
        out->components.push_back({Component::Kind::Literal, std::move(*literal), {}});
      } else {
        out->components.push_back({Component::Kind::Glob, std::string(part), std::move(*glob)});
      }
    }
    begin = end + 1;
  }
  const bool trailing_slash = text.back() == '/';
  if (!out->components.empty() && out->components.back().kind == Component::Kind::AnyDepth) {
    out->components.pop_back();
    out->below = true;
    // /** is everything there is, the root directory included.
    out->itself = out->components.empty();
  } else if (trailing_slash && !out->components.empty()) {
    out->below = true;
  }
  return std::nullopt;
}

std::optional<Mistake> expand_into(const Word& word, std::vector<Word>* out) {
  Braces braces;
  if (auto mistake = find_braces(word, &braces)) return mistake;
  if (braces_of(word.text) > kMostBraces) {
    return Mistake{word.column, "too many braces in one pattern (expected at most 64)", {}};
  }
  if (braces.open == std::string::npos) {
    if (out->size() >= kMostAlternatives || out->size() * word.text.size() > kMostExpanded) {
      return Mistake{
          word.column, "the braces make too many patterns (expected at most 1024, of 4 MiB)", {}};
    }
    out->push_back(word);
    return std::nullopt;
  }
  size_t begin = braces.open + 1;
  for (const size_t cut : braces.cuts) {
    Word one = slice(word, 0, braces.open);
    one.column = word.column;
    append(&one, word, begin, cut);
    append(&one, word, braces.cuts.back() + 1, word.text.size());
    if (auto mistake = expand_into(one, out)) return mistake;
    begin = cut + 1;
  }
  return std::nullopt;
}

}  // namespace

std::string escape_pattern(std::string_view literal) {
  std::string out;
  for (const char c : literal) {
    if (std::string_view("\\*?[]{},;!$~").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    out += text[i];
  }
  return out;
}

std::string Pattern::text() const {
  std::string out;
  for (const Component& component : components) {
    out += '/';
    out += component.kind == Component::Kind::Literal ? escape_pattern(component.text)
                                                      : component.text;
  }
  if (components.empty()) return below ? "/**" : "/";
  if (below) out += itself ? "/" : "/**";
  if (ends_in_separator(out)) out.insert(out.size() - 1, 1, '\\');  // braces may have left one bare
  return out;
}

bool Pattern::literal() const {
  if (below) return false;
  for (const Component& component : components) {
    if (component.kind != Component::Kind::Literal) return false;
  }
  return true;
}

std::optional<Mistake> expand_braces(const Word& word, std::vector<Word>* out) {
  if (auto mistake = find_separator(word)) return mistake;
  return expand_into(word, out);
}

std::optional<Mistake> parse_pattern(const Word& word, std::vector<Pattern>* out) {
  std::vector<Word> words;
  if (auto mistake = expand_braces(word, &words)) return mistake;
  for (const Word& one : words) {
    if (!one.text.starts_with('/')) {
      Mistake mistake{word.column,
                      "the pattern " + quoted(word.text) +
                          " is not absolute (expected / or ~/ or a variable at its beginning)",
                      "${CWD}/" + word.text};
      return mistake;
    }
    Pattern pattern;
    if (auto mistake = parse_components(one, &pattern)) return mistake;
    out->push_back(std::move(pattern));
  }
  return std::nullopt;
}

bool pattern_matches(const Pattern& pattern, std::string_view name) {
  if (!name.starts_with('/')) return false;
  // reached[i]: the components so far can be what the first i components of the pattern match.
  const size_t n = pattern.components.size();
  std::vector<bool> reached(n + 1);
  const auto open = [&](std::vector<bool>* set) {
    for (size_t i = 0; i < n; ++i) {
      if ((*set)[i] && pattern.components[i].kind == Component::Kind::AnyDepth)
        (*set)[i + 1] = true;
    }
  };
  reached[0] = true;
  open(&reached);
  bool below = false;
  NameComponents components(name);
  std::string_view part;
  while (components.next(&part)) {
    if (pattern.below && reached[n]) below = true;
    std::vector<bool> next(n + 1);
    for (size_t i = 0; i < n; ++i) {
      if (!reached[i]) continue;
      const Component& component = pattern.components[i];
      switch (component.kind) {
        case Component::Kind::Literal:
          if (component.text == part) next[i + 1] = true;
          break;
        case Component::Kind::Glob:
          if (component.glob.matches(part)) next[i + 1] = true;
          break;
        case Component::Kind::AnyDepth:
          next[i] = true;
          break;
      }
    }
    open(&next);
    reached = std::move(next);
  }
  return below || (pattern.itself && reached[n]);
}

}  // namespace callgate
