#include "monitor/open_how.h"

#include <fcntl.h>
#include <sys/types.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

namespace callgate {
namespace {

constexpr mode_t kAllModeBits = 07777;
// What open() knows; openat2 refuses what it does not.
constexpr uint64_t kOpenFlags = O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND |
                                O_NONBLOCK | O_DSYNC | O_ASYNC | O_DIRECT |
                                0100000 /*O_LARGEFILE*/ | O_DIRECTORY | O_NOFOLLOW | O_NOATIME |
                                O_CLOEXEC | O_SYNC | O_PATH | O_TMPFILE;
constexpr uint64_t kPathOnlyFlags = O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC;
constexpr uint64_t kTmpfile = O_TMPFILE & ~O_DIRECTORY;
constexpr uint64_t kLargest = 4096;  // PAGE_SIZE: a longer structure is refused unread

}  // namespace

open_how how_to_open(uint64_t flags, uint64_t mode) {
  open_how how{};
  how.flags = flags & kOpenFlags;
  if ((flags & O_PATH) != 0) how.flags &= kPathOnlyFlags;
  if ((how.flags & (O_CREAT | kTmpfile)) != 0) how.mode = mode & kAllModeBits;
  return how;
}

Result<open_how> read_open_how(const TraceeMemory& memory, TraceeAddr at, uint64_t size) {
  open_how how{};
  if (size < sizeof how) return Error{EINVAL};
  if (size > kLargest) return Error{E2BIG};
  std::vector<std::byte> bytes(size);
  CALLGATE_TRY([[maybe_unused]] Unit read, memory.read(at, bytes));
  std::memcpy(&how, bytes.data(), sizeof how);
  const auto unknown = std::span(bytes).subspan(sizeof how);
  if (std::any_of(unknown.begin(), unknown.end(), [](std::byte b) { return b != std::byte{0}; })) {
    return Error{E2BIG};
  }
  return how;
}

}  // namespace callgate
