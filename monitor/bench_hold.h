// A crowd of tasks that do nothing, for looking at what a monitor occupies on their account.
#pragma once

#include "arch/result.h"

namespace callgate {

// So many processes in all, the first of them with so many threads more; prints a line once all of
// them exist and ends with its stdin. EAGAIN where the user or the control group may not have so
// many.
Status hold_tasks(int processes, int threads);

}  // namespace callgate
