// What of a policy a kernel can answer that knows whole directories and single objects, but no
// patterns and no exceptions: Landlock's view of reading, writing, creating and deleting.
#pragma once

#include <string>
#include <vector>

#include "policy/path_ops.h"
#include "policy/policy.h"

namespace callgate {

struct TreeGrants {
  static constexpr PathOps kOps{PathOp::Read, PathOp::Write, PathOp::Create, PathOp::Delete};

  struct Grant {
    std::string name;  // canonical
    PathOps ops;       // of kOps
    const Statement* rule = nullptr;
  };
  std::vector<Grant> below;   // everything below the directory, and not itself
  std::vector<Grant> itself;  // the one object
  // Whether nothing that the trees do not speak of (executing, attributes) differs between two
  // names of which one may be given to what the other names.
  bool moves_change_nothing = false;
  // Not empty: the policy says what grants of this kind cannot say, or needs what a process behind
  // them cannot have. `rule` is the first statement that does, null where it is none's.
  std::string obstacle;
  const Statement* rule = nullptr;

  // Whether some grant covers all that is below the directory.
  [[nodiscard]] bool covers_below(PathOps ops, const std::string& directory) const;
  // Whether what is granted below its ancestors covers the object.
  [[nodiscard]] bool covers_from_above(PathOps ops, const std::string& name) const;
  // The same, or what is granted to itself.
  [[nodiscard]] bool covers(PathOps ops, const std::string& name) const;
};

}  // namespace callgate
