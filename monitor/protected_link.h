// The kernel's own caution with other people's symlinks in shared directories (fs.protected_symlinks).
#pragma once

#include <sys/stat.h>

namespace callgate {

// Whether this thread's file user may not follow `link`, which stands in the directory `directory`.
bool link_is_protected(int directory, const struct stat& link);

}  // namespace callgate
