// A small random policy, and the plainest reading of the policy language: every statement is tried
// on every name. It shares nothing with what it is compared with (policy/) but the manual.
#pragma once

#include <string>
#include <vector>

namespace names_fuzz {

enum Operation : unsigned {  // in the order in which refusals are answered
  kRead = 1,
  kWrite = 2,
  kCreate = 4,
  kDelete = 8,
  kAttributes = 16,
  kExecute = 32,
  kStat = 64,
};

class Rules {
 public:
  // The text of a policy for calls in the box; `program` is what runs them.
  static std::string random_text(const std::string& box, const std::string& program, int trees);
  // False when a line is not understood.
  bool read(const std::string& text);

  // 0, or the errno with which the first of these operations that is refused is refused.
  [[nodiscard]] int refusal(unsigned operations, const std::string& name) const;
  // Whether the name `to` would grant what `from` does not; for a directory also to anything below.
  [[nodiscard]] bool widens(const std::string& from, const std::string& to, bool directory) const;

 private:
  using Pattern = std::vector<std::string>;  // components; none: the root directory
  struct Statement {
    int error = 0;  // 0: allows
    unsigned operations = 0;
    std::vector<Pattern> patterns;
  };
  bool read_statement(const std::vector<std::string>& words);
  [[nodiscard]] unsigned granted(const std::string& name) const;
  static bool matches(const Pattern& pattern, size_t p, const Pattern& name, size_t n);
  std::vector<Statement> statements_;
  Pattern components_;  // what stands in the patterns, and so could tell one name from another
};

}  // namespace names_fuzz
