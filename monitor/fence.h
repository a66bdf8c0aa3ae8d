// Landlock in the monitor's place: where a policy's reading, writing, creating and deleting is that
// of whole trees, and nobody is to hear of a refusal, the kernel answers those calls as the policy
// would, and they do not stop.
#pragma once

#include <string>

#include "arch/result.h"
#include "arch/unique_fd.h"
#include "monitor/session.h"
#include "policy/policy.h"

namespace callgate {

struct Fence {
  UniqueFd ruleset;           // for enter_fence; invalid: the monitor judges everything
  bool covers_moves = false;  // renames and links are the kernel's too
  std::string why_not;        // then why, in words for a person: "FILE:LINE: it makes an exception"
  [[nodiscard]] bool stands() const { return ruleset.valid(); }
};

// For this process's user, its file system as it is now, and a program started by it. The grants
// hang on the directories that stand there now, wherever they are moved to.
Fence make_fence(const SessionOptions& options, const Policy& policy);

// The calling thread, and what it starts, lie in the fence from here on. Needs no_new_privs.
Status enter_fence(int ruleset);

}  // namespace callgate
