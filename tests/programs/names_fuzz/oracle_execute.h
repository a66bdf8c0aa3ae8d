// Executions, which are judged thrice: the program, its "#!" and the loader it names.
#pragma once

#include <cstdint>
#include <string>

#include "tests/programs/names_fuzz/rules.h"

namespace names_fuzz {

// The oracle's word on an execution: 0, an errno, or kKilled where only the new image shows what is
// executed (an interpreter's interpreter).
int refuse_execution(const Rules& rules, int dirfd, const std::string& path, uint64_t flags,
                     bool root_monitor);

}  // namespace names_fuzz
