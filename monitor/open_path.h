// An O_PATH descriptor by openat2, the one call that lets a walk be restricted.
#pragma once

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>

#include "arch/unique_fd.h"

namespace callgate {

// `flags` beside O_PATH and O_CLOEXEC; invalid with errno where the walk fails.
inline UniqueFd open_path(int directory, const std::string& name, int flags, uint64_t resolve) {
  open_how how{};
  how.flags = static_cast<uint64_t>(O_PATH | O_CLOEXEC | flags);
  how.resolve = resolve;
  return UniqueFd(
      static_cast<int>(syscall(SYS_openat2, directory, name.c_str(), &how, sizeof how)));
}

inline bool may_search(int directory, const std::string& leaf) {
  return open_path(directory, leaf, O_NOFOLLOW, 0).valid() || errno != EACCES;
}

}  // namespace callgate
