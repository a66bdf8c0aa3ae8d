#include "monitor/cli/options.h"

#include <algorithm>
#include <boost/program_options.hpp>
#include <sstream>

#include "monitor/escape.h"
#include "policy/diagnostic.h"

namespace callgate::cli {
namespace {

namespace po = boost::program_options;

constexpr OptionSpec kHelp{"help", 'h', nullptr, false, "this text"};

std::vector<OptionSpec> all_options(const Command& command) {
  std::vector<OptionSpec> specs(command.options.begin(), command.options.end());
  specs.push_back(kHelp);
  return specs;
}

po::options_description description(const Command& command) {
  po::options_description result;
  for (const OptionSpec& spec : all_options(command)) {
    std::string name = spec.name;
    if (spec.letter != 0) name += std::string(",") + spec.letter;
    if (spec.value == nullptr) {
      result.add_options()(name.c_str(), spec.help);
    } else {
      auto* value = po::value<std::vector<std::string>>()->value_name(spec.value);
      result.add_options()(name.c_str(), value, spec.help);
    }
  }
  return result;
}

const OptionSpec* find_option(const std::vector<OptionSpec>& specs, std::string_view name) {
  const auto found = std::find_if(specs.begin(), specs.end(),
                                  [&](const OptionSpec& spec) { return name == spec.name; });
  return found == specs.end() ? nullptr : &*found;
}

const OptionSpec* find_option(const std::vector<OptionSpec>& specs, char letter) {
  const auto found = std::find_if(specs.begin(), specs.end(),
                                  [&](const OptionSpec& spec) { return letter == spec.letter; });
  return found == specs.end() ? nullptr : &*found;
}

std::string in_quotes(std::string_view word) { return "'" + escape(word, 200) + "'"; }

struct Option {
  const OptionSpec* spec = nullptr;
  bool value_inside = false;  // --policy=x, -px
};

std::variant<Option, UsageError> recognise(const std::vector<OptionSpec>& specs,
                                           const std::string& word) {
  Option option;
  if (word.starts_with("--")) {
    const size_t equals = word.find('=');
    const std::string name = word.substr(2, equals == std::string::npos ? equals : equals - 2);
    option.spec = find_option(specs, name);
    option.value_inside = equals != std::string::npos;
    if (option.spec == nullptr) {
      std::vector<std::string> names;
      names.reserve(specs.size());
      for (const OptionSpec& spec : specs) names.emplace_back(spec.name);
      return UsageError{"unknown option --" + escape(name, 200) + did_you_mean(name, names, "--")};
    }
    if (option.value_inside && option.spec->value == nullptr) {
      return UsageError{"--" + name + " takes no value"};
    }
    return option;
  }
  option.spec = find_option(specs, word[1]);
  option.value_inside = word.size() > 2;
  if (option.spec == nullptr) return UsageError{"unknown option " + in_quotes(word)};
  if (option.value_inside && option.spec->value == nullptr) {
    return UsageError{in_quotes(word) + ": -" + word.substr(1, 1) + " stands alone"};
  }
  return option;
}

// Where the options end. With a program, at the first word that is none; without, options may
// stand anywhere, and both kinds are sorted apart.
struct Split {
  std::vector<std::string> options;
  std::vector<std::string> words;
};

std::variant<Split, UsageError> split(const Command& command,
                                      const std::vector<std::string>& words) {
  const std::vector<OptionSpec> specs = all_options(command);
  Split result;
  std::map<std::string, int> seen;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--") {
      result.words.insert(result.words.end(), words.begin() + static_cast<long>(i) + 1,
                          words.end());
      break;
    }
    if (word.size() < 2 || word.front() != '-') {
      if (command.takes_program) {
        result.words.assign(words.begin() + static_cast<long>(i), words.end());
        break;
      }
      result.words.push_back(word);
      continue;
    }
    auto recognised = recognise(specs, word);
    if (auto* error = std::get_if<UsageError>(&recognised)) return *error;
    const Option option = std::get<Option>(recognised);
    if (++seen[option.spec->name] > 1 && !option.spec->repeatable &&
        option.spec->value != nullptr) {
      return UsageError{std::string("--") + option.spec->name + " is given twice"};
    }
    result.options.push_back(word);
    if (option.spec->value == nullptr || option.value_inside) continue;
    if (i + 1 == words.size() || words[i + 1] == "--") {
      return UsageError{in_quotes(word) + " needs a value: " + option.spec->value};
    }
    result.options.push_back(words[++i]);
  }
  return result;
}

}  // namespace

bool Options::has(std::string_view name) const { return values_.find(name) != values_.end(); }

std::string Options::value(std::string_view name, std::string_view otherwise) const {
  const auto found = values_.find(name);
  if (found == values_.end() || found->second.empty()) return std::string(otherwise);
  return found->second.back();
}

std::vector<std::string> Options::values(std::string_view name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::vector<std::string>() : found->second;
}

std::variant<Options, UsageError> parse_options(const Command& command,
                                                const std::vector<std::string>& words) {
  auto parts = split(command, words);
  if (auto* error = std::get_if<UsageError>(&parts)) return *error;
  Options options;
  options.words_ = std::move(std::get<Split>(parts).words);
  try {
    const po::options_description known = description(command);
    using namespace po::command_line_style;  // NOLINT: flags of one enum
    const int style = allow_long | long_allow_adjacent | long_allow_next | allow_short |
                      allow_dash_for_short | short_allow_adjacent | short_allow_next;
    const auto parsed =
        po::command_line_parser(std::get<Split>(parts).options).options(known).style(style).run();
    for (const auto& option : parsed.options) {
      auto& values = options.values_[option.string_key];
      values.insert(values.end(), option.value.begin(), option.value.end());
    }
  } catch (const po::error& error) {
    return UsageError{escape_line(error.what())};
  }
  return options;
}

std::string options_text(const Command& command) {
  constexpr size_t kIndent = 26;
  constexpr size_t kWidth = 96;
  std::string out = "Options:\n";
  for (const OptionSpec& spec : all_options(command)) {
    std::string line = spec.letter != 0 ? std::string("  -") + spec.letter + ", " : "      ";
    line += std::string("--") + spec.name;
    if (spec.value != nullptr) line += std::string(" ") + spec.value;
    if (line.size() + 2 > kIndent) {
      out += line + "\n";
      line.clear();
    }
    line.resize(kIndent, ' ');
    std::istringstream words{std::string(spec.help)};
    for (std::string word; words >> word;) {
      if (line.size() + word.size() > kWidth) {
        line.pop_back();
        out += line + "\n";
        line.assign(kIndent, ' ');
      }
      line += word + " ";
    }
    line.pop_back();
    out += line + "\n";
  }
  return out;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known,
                         std::string_view prefix) {
  std::string best;
  // A beginning of a word means that word, however much is missing.
  for (const std::string& candidate : known) {
    if (word.size() >= 2 && candidate.starts_with(word)) best = candidate;
  }
  const std::vector<std::string_view> candidates(known.begin(), known.end());
  if (best.empty()) best = nearest(word, candidates);
  return best.empty() ? std::string() : "; did you mean " + std::string(prefix) + best + "?";
}

}  // namespace callgate::cli
