// Reading policies: files, profiles and what they include, into one program.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "policy/policy.h"
#include "policy/statement_parser.h"

namespace callgate {

class Loader {
 public:
  explicit Loader(PolicyWorld& world) : context_(world) {}

  // After the first false nothing more may be read; finish() says why.
  bool read_source(const PolicySource& source);
  bool read_text(std::string_view text, const std::string& file, Remarks remarks);

  // The program, with the built-in list in front unless the policy declined it.
  std::variant<Program, PolicyError> finish();

 private:
  bool read_line(std::string_view text, const SourcePosition& position, Remarks remarks);
  // These three leave either error_ (the fault lies inside the file) or `mistake` (in naming it).
  bool read_included(const std::string& word, const std::string& from, Mistake* mistake);
  bool read_file(const std::string& path, Mistake* mistake);
  bool read_profile(const std::string& name, Mistake* mistake);
  bool enter(const std::string& identity, const std::string& shown, Mistake* mistake);
  std::string near_profile(const std::string& word);
  bool fail(std::string message);

  ParseContext context_;
  std::string error_;
  std::vector<std::string> open_;  // identities of the files being read, for cycles
  size_t files_ = 0;
};

}  // namespace callgate
