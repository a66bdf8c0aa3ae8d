// Names longer than the kernel gives in one piece (PATH_MAX), put together from their ends.
#pragma once

#include <string>

#include "arch/result.h"

namespace callgate {

// The absolute name of the directory `fd` (O_PATH is enough), found by climbing to an ancestor
// whose name the kernel can say and reading the entries on the way. ENAMETOOLONG beyond 1 MiB,
// EACCES or ENOENT where a directory on the way cannot be read.
Result<std::string> long_directory_name(int fd);

// The same for any object. No way leads from a file to its directory: its name is looked for in the
// directories that `task` ("/proc/<tid>") has at hand, its working directory and those it has
// open. ENAMETOOLONG when it is in none of them.
Result<std::string> long_object_name(int fd, const std::string& task);

}  // namespace callgate
