// Patterns that lead through symbolic links, resolved while a policy is loaded: what is matched
// later is an object's own name, in which no link is left.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "policy/pattern.h"
#include "policy/policy.h"

namespace callgate {

class LinkResolver {
 public:
  explicit LinkResolver(PolicyWorld& world) : world_(world) {}

  struct Resolved {
    Pattern pattern;
    bool through_link = false;
    bool missing = false;  // a literal object that does not exist
    // When the last component is itself a link: the name of the link, to which a refusal applies
    // as well.
    bool names_link = false;
    Pattern link;
  };
  Resolved resolve(const Pattern& pattern);

 private:
  const Result<std::string>& canonical(const std::string& path);
  // The canonical name of the first *count parts, or of as many of them as exist.
  std::string longest_existing(const std::vector<std::string>& parts, size_t* count);

  PolicyWorld& world_;
  std::unordered_map<std::string, Result<std::string>> known_;
};

}  // namespace callgate
