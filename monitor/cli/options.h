// Command lines: options before the first other word, the rest as it stands. Boost.Program_options
// does the parsing; its texts are not shown, for ours suggest the nearest option.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "monitor/cli/command.h"

namespace callgate::cli {

struct UsageError {
  std::string message;  // one sentence, no newline, foreign bytes escaped
};

class Options {
 public:
  [[nodiscard]] bool has(std::string_view name) const;
  // The last value given, or `otherwise`.
  [[nodiscard]] std::string value(std::string_view name, std::string_view otherwise = {}) const;
  [[nodiscard]] std::vector<std::string> values(std::string_view name) const;
  // The words that are no options: the program and its arguments, or a question.
  [[nodiscard]] const std::vector<std::string>& words() const { return words_; }

 private:
  friend std::variant<Options, UsageError> parse_options(const Command&,
                                                         const std::vector<std::string>&);
  std::map<std::string, std::vector<std::string>, std::less<>> values_;
  std::vector<std::string> words_;
};

// `words` come after the command's name. --help is accepted by every command.
std::variant<Options, UsageError> parse_options(const Command& command,
                                                const std::vector<std::string>& words);

// The options as a table for help, two columns.
std::string options_text(const Command& command);

// "; did you mean X?", or nothing when none of `known` is near.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known,
                         std::string_view prefix = {});

}  // namespace callgate::cli
