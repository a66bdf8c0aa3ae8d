// Reading policies: files, profiles and what they include, line by line, into one program.
#include "policy/loader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "policy/runtime.h"

namespace callgate {
namespace {

// Includes of includes; far more than anyone writes, and a bound on what a policy can cost.
constexpr size_t kDeepestInclude = 32;
constexpr size_t kMostFiles = 1000;

std::string reason(int error) {
  const char* text = strerrordesc_np(error);
  return text == nullptr ? "error " + std::to_string(error) : text;
}

bool is_path(std::string_view word) {
  return word.find('/') != std::string_view::npos || word.ends_with(".policy");
}

std::string in_directory_of(const std::string& file, const std::string& path) {
  if (path.starts_with('/')) return path;
  const size_t slash = file.rfind('/');
  return slash == std::string::npos ? path : file.substr(0, slash + 1) + path;
}

}  // namespace

std::string Loader::near_profile(const std::string& word) {
  const std::vector<std::string> names = context_.world.profile_names();
  const std::vector<std::string_view> views(names.begin(), names.end());
  return nearest(word, views);
}

bool Loader::fail(std::string message) {
  error_ = std::move(message);
  return false;
}

bool Loader::read_text(std::string_view text, const std::string& file, Remarks remarks) {
  int number = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line_text = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (line_text.ends_with('\r')) line_text.remove_suffix(1);
    if (!read_line(line_text, {file, number, 1}, remarks)) return false;
  }
  return true;
}

bool Loader::read_line(std::string_view text, const SourcePosition& position, Remarks remarks) {
  Line line;
  if (auto mistake = lex_line(text, &line)) {
    return fail(format_mistake(position.file, position.line, text, *mistake));
  }
  if (line.words.empty()) return true;
  StatementParser parser(context_, line, position, remarks);
  if (!parser.parse()) {
    return fail(format_mistake(position.file, position.line, text, parser.mistake()));
  }
  if (!parser.include()) return true;
  const Word& word = *parser.include();
  Mistake mistake{word.column, {}, {}};
  if (read_included(word.text, position.file, &mistake)) return true;
  if (!error_.empty()) return false;  // inside the included file
  return fail(format_mistake(position.file, position.line, text, mistake));
}

bool Loader::read_included(const std::string& word, const std::string& from, Mistake* mistake) {
  if (!is_path(word)) return read_profile(word, mistake);
  if (from.starts_with("profile:") && !word.starts_with('/')) {
    mistake->what =
        "a profile cannot include a relative path (expected a profile or an absolute path)";
    return false;
  }
  return read_file(in_directory_of(from, word), mistake);
}

bool Loader::enter(const std::string& identity, const std::string& shown, Mistake* mistake) {
  if (std::find(open_.begin(), open_.end(), identity) != open_.end()) {
    mistake->what = "including " + quoted(shown) + " again would never end (expected no cycle)";
    return false;
  }
  if (open_.size() >= kDeepestInclude || ++files_ > kMostFiles) {
    mistake->what = "too many includes (expected at most 32 inside each other, and 1000 in all)";
    return false;
  }
  open_.push_back(identity);
  return true;
}

bool Loader::read_file(const std::string& path, Mistake* mistake) {
  const Result<std::string> text = context_.world.read_file(path);
  if (!text.ok()) {
    const int error = text.error().code;
    mistake->what = quoted(path) + " cannot be read: " + reason(error) +
                    (error == EISDIR ? " (expected a policy file)" : " (expected a readable file)");
    if (error == ENOENT && path.find('/') == std::string::npos) {
      mistake->suggestion = near_profile(path.substr(0, path.rfind('.')));
    }
    return false;
  }
  const Result<std::string> canonical = context_.world.canonical(path);
  if (!enter(canonical.ok() ? *canonical : path, path, mistake)) return false;
  const bool read = read_text(*text, path, Remarks::All);
  open_.pop_back();
  return read;
}

bool Loader::read_profile(const std::string& name, Mistake* mistake) {
  const Result<std::string> text = context_.world.read_profile(name);
  if (!text.ok()) {
    std::vector<std::string> names = context_.world.profile_names();
    for (std::string& known : names) known = escape_foreign(known);  // files, of any name
    const std::vector<std::string_view> views(names.begin(), names.end());
    if (text.error().code != ENOENT) {
      mistake->what = "the profile " + quoted(name) +
                      " cannot be read: " + reason(text.error().code) +
                      " (expected a readable file)";
    } else {
      mistake->what = "unknown profile " + quoted(name) + " (expected " +
                      (views.empty() ? "a path: no profiles are installed" : enumeration(views)) +
                      (views.empty() ? ")" : ", or a path ending in .policy)");
      mistake->suggestion = nearest(name, views);
    }
    return false;
  }
  const std::string file = "profile:" + name;
  if (!enter(file, name, mistake)) return false;
  const bool read = read_text(*text, file, Remarks::NotMissing);
  open_.pop_back();
  return read;
}

bool Loader::read_source(const PolicySource& source) {
  Mistake mistake;
  bool read = false;
  if (is_path(source.word)) {
    read = read_file(source.word, &mistake);
  } else {
    const Result<std::string> text = context_.world.read_file(source.word);
    const bool no_file = !text.ok() && (text.error().code == ENOENT || text.error().code == EISDIR);
    read = no_file ? read_profile(source.word, &mistake) : read_file(source.word, &mistake);
  }
  if (read || !error_.empty()) return read;
  std::string message = escape_foreign(source.word) + ": " + mistake.what + '\n';
  if (!mistake.suggestion.empty()) {
    message += "  did you mean \"" + escape_foreign(mistake.suggestion) + "\"?\n";
  }
  return fail(std::move(message));
}

std::variant<Program, PolicyError> Loader::finish() {
  if (!error_.empty()) return PolicyError{error_};
  Program program = std::move(context_.program);
  if (!program.runtime) return program;
  // The built-in list is read last, so that no `define` of its own leaks out, and stands first.
  Loader built_in(context_.world);
  if (!built_in.read_text(runtime_policy(), std::string(kRuntimeFile), Remarks::None)) {
    return PolicyError{built_in.error_};
  }
  Program first = std::move(built_in.context_.program);
  const auto append = [](auto* to, auto* from) {
    to->insert(to->end(), std::make_move_iterator(from->begin()),
               std::make_move_iterator(from->end()));
  };
  append(&first.statements, &program.statements);
  append(&first.paths, &program.paths);
  program.statements = std::move(first.statements);
  program.paths = std::move(first.paths);
  return program;
}

}  // namespace callgate
