// Says what a monitor has to refuse, call by call, from the manual (docs/policy.md) alone: the
// names are walked slowly, the operations judged by the plainest reading of the policy. Set as the
// `refusal` of a run without a monitor, it makes that run print what a watched one must print.
#pragma once

#include <string>

namespace names_fuzz {

struct OracleOptions {
  std::string policy;         // the text
  std::string watched_log;    // what the watched run printed; see `uncertain`
  bool root_monitor = false;  // then programs that cannot be read may be executed
};

// False when the policy is not understood.
bool consult_oracle(const OracleOptions& options);
// The number of the call that is being made, as the log counts.
void oracle_at_call(int number);
// How often it was asked, refused, and did not know: whether a directory may be moved can be more
// than a monitor can tell, and then the manual lets it say no. In these cases, and only then, the
// oracle does as the watched run did.
std::string oracle_summary();

}  // namespace names_fuzz
