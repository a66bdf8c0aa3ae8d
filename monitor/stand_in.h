// What takes the place of a name that leads nowhere. The kernel must not walk such a name itself
// (it may lead somewhere by then), yet the kernel alone knows in which order it judges the rest of
// the call. So the pointer is made to show a name on which any kernel fails at the same step, for
// everyone and for ever; and where that failure has another errno than the one the program's own
// name deserves, it is translated at the exit stop.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "monitor/answer.h"
#include "monitor/guard.h"

namespace callgate {

// The argument `named.path_index` fails as `named` failed: before the walk, or in it.
Status put_failing_name(Track& track, const Stop& stop, const Named& named);
// The last component is missing from a directory that the call can reach as `directory`.
Status put_failing_leaf(Track& track, const Stop& stop, int path_index, std::string directory,
                        int error);
// The address of a pathname socket that nobody can have: connecting or sending there is ENOENT.
std::vector<std::byte> failing_address();
// The descriptor that is meant instead of a name (fchmod, utimensat without one) cannot be used.
void put_failing_descriptor(Track& track, const Stop& stop, Role role);

}  // namespace callgate
