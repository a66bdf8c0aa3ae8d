#include "tests/programs/names_fuzz/oracle_execute.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>

#include "tests/programs/names_fuzz/call.h"
#include "tests/programs/names_fuzz/slow_walk.h"

namespace names_fuzz {
namespace {

constexpr int kMostInterpreters = 5;

// What a file begins with; `readable` says whether this process may read it.
std::string beginning(const Found& file, bool* readable) {
  const std::string own = "/proc/self/fd/" + std::to_string(file.object);
  const int fd = open(own.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  *readable = fd >= 0;
  std::array<char, 256> bytes{};
  const ssize_t n = pread(fd, bytes.data(), bytes.size(), 0);
  close(fd);
  return {bytes.data(), n > 0 ? static_cast<size_t>(n) : 0};
}

std::string interpreter_of(const std::string& text) {
  if (!text.starts_with("#!")) return {};
  const size_t begin = text.find_first_not_of(" \t", 2);
  const size_t end = text.find_first_of(std::string_view(" \t\n\0", 4), begin);
  return begin == std::string::npos ? std::string() : text.substr(begin, end - begin);
}

bool may_execute(const Found& file) {
  const std::string own = "/proc/self/fd/" + std::to_string(file.object);
  return file.regular && faccessat(AT_FDCWD, own.c_str(), X_OK, AT_EACCESS) == 0;
}

}  // namespace

int refuse_execution(const Rules& rules, int dirfd, const std::string& path, uint64_t flags,
                     bool root_monitor) {
  const bool follow = (flags & AT_SYMLINK_NOFOLLOW) == 0;
  Found file;
  if (path.empty()) {
    if ((flags & AT_EMPTY_PATH) == 0) return 0;
    const std::string own =
        dirfd == AT_FDCWD ? std::string(".") : "/proc/self/fd/" + std::to_string(dirfd);
    const int fd = aside(open(own.c_str(), O_PATH | O_CLOEXEC));
    if (fd < 0) return 0;
    file = found_behind(fd);
  } else {
    file = walk_slowly(dirfd, path, {.follow = follow});
  }
  if (file.error != 0 || !file.exists || (file.symlink && !follow)) {
    return file.nameless || file.name.empty() ? 0 : rules.refusal(kStat, file.name);
  }
  if (file.nameless) return 0;
  if (const int error = rules.refusal(kExecute, file.name)) return error;
  for (int level = 0; level <= kMostInterpreters && file.regular; ++level) {
    bool readable = false;
    const std::string begins = beginning(file, &readable);
    // Who cannot be read cannot be watched; unseen interpreters are met when they run.
    if (!readable && !root_monitor) return level < 2 ? EACCES : kKilled;
    const std::string interpreter = interpreter_of(begins);
    if (interpreter.empty()) {
      return level >= 2 && rules.refusal(kExecute, file.name) != 0 ? kKilled : 0;
    }
    if (!may_execute(file)) return 0;
    file = walk_slowly(AT_FDCWD, interpreter, {});
    if (file.error != 0 || !file.exists || file.nameless) return 0;
    if (level == 0) {
      if (const int error = rules.refusal(kExecute, file.name)) return error;
    }
  }
  return 0;
}

}  // namespace names_fuzz
