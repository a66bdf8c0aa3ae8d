// The files that callgate itself lives by: what it read its rules from, and what it writes its
// records to.
#pragma once

#include <string>
#include <vector>

#include "policy/policy.h"

namespace callgate {

// Canonical names that the program may not change, whatever the policy says, where names are looked
// at (a policy that grants all of them has none looked at): a log it can write is no record, and a
// policy it can write is none of tomorrow's. `log` (empty: none) and `policies`
// are words as the user gave them; the files that the policies include are in `policy`.
std::vector<std::string> own_files(const std::string& log, const std::vector<std::string>& policies,
                                   const Policy& policy);

// Whether `file`, which is about to be written, is one that the rules were read from.
bool is_policy_file(const std::string& file, const std::vector<std::string>& policies,
                    const Policy& policy);

}  // namespace callgate
