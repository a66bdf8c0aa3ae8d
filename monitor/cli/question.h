// The questions that `callgate explain` understands, as words of a command line.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "policy/policy.h"

namespace callgate::cli {

struct PathQuestion {
  PathOps ops;
  std::string path;  // as given
};
// A host name stands for several addresses, hence several questions.
struct NetworkQuestion {
  std::vector<NetQuestion> questions;
  std::string note;  // "example.org is 93.184.216.34:443, ..."; may be empty
};
struct SignalQuestion {
  bool inside = false;
};
using Question = std::variant<PathQuestion, NetworkQuestion, SignalQuestion>;

// A sentence that says what was expected instead.
struct QuestionMistake {
  std::string message;
};
std::variant<Question, QuestionMistake> parse_question(const std::vector<std::string>& words,
                                                       PolicyWorld& world);

// "1.2.3.4:80", "[::1]:80", "1.2.3.4" (port 0); nullopt for anything else.
std::optional<Endpoint> parse_address(std::string_view text);

// The name that the policy will be asked about: canonical when the object or its directory exists,
// else tidied up by text. `note` says so when it differs from what was given.
struct ResolvedName {
  std::string name;
  std::string note;
};
ResolvedName resolve_name(const std::string& path, PolicyWorld& world);

}  // namespace callgate::cli
