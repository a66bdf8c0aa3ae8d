// ${NAME} and ~/ in the words of a policy. What a variable holds is inserted as plain text: a
// directory called [x] stays that directory.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "policy/diagnostic.h"
#include "policy/lexer.h"
#include "policy/policy.h"

namespace callgate {

class Variables {
 public:
  explicit Variables(PolicyWorld& world) : world_(world) {}

  // nullopt as value: not known now (${PROGRAM} when no program is given).
  [[nodiscard]] std::optional<Mistake> define(const Word& name, std::optional<std::string> value);
  // Puts the values in. `known` becomes false when one of them is not known now.
  std::optional<Mistake> expand(const Word& word, Word* out, bool* known) const;

 private:
  std::optional<Mistake> value(const Word& word, size_t dollar, std::string_view name,
                               std::optional<std::string>* out) const;

  PolicyWorld& world_;
  std::map<std::string, std::optional<std::string>, std::less<>> defined_;
};

}  // namespace callgate
