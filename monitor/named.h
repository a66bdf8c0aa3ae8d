// A path argument with the place it led to; shared by the files that implement the guard.
#pragma once

#include <fcntl.h>

#include <cerrno>
#include <cstdint>
#include <string>

#include "arch/syscall_table.h"
#include "monitor/event.h"
#include "monitor/resolve.h"
#include "policy/path_ops.h"

namespace callgate {

inline constexpr const char* kForeignReason = "another process's /proc entries are out of reach";

inline constexpr const char* kOutsideReason = "the process is outside the sandbox";
inline constexpr const char* kAreaReason = "the argument area belongs to callgate";
inline constexpr const char* kUnreadableReason = "the program's memory is unreadable";
inline constexpr const char* kOwnFileReason = "callgate's own files are out of reach";

// Means of ours that ran out: a look-up opens nothing else that could say so.
inline bool is_exhaustion(int error) {
  return error == EMFILE || error == ENFILE || error == ENOMEM;
}

struct Named {
  // Before the walk (the pointer, the length); in it; at the last component, whose directory is
  // `place.parent`. No call may go on with a name that failed.
  enum class Failed : uint8_t { No, Read, Walk, Leaf };

  std::string text;         // as the program gave it
  int dirfd = AT_FDCWD;
  int path_index = -1;      // which argument holds the pointer
  bool by_object = false;   // the call acts on the object, not on the name
  Failed failed = Failed::No;
  int error = 0;
  std::string lost;  // the name at which the look-up failed, where the policy asks for it
  Place place;

  [[nodiscard]] bool found() const { return failed == Failed::No; }
  // Redirected to the pinned object itself, not to a leaf in the pinned directory.
  [[nodiscard]] bool is_whole() const { return found() && (by_object || !place.parent.valid()); }
  void fail(Failed where, int why) {
    failed = where;
    error = why;
    if (!place.name.empty()) lost = place.name;
  }
};

Event::Object object_of(const Named& named);
std::string ops_text(PathOps ops);  // "read,write"
// The call that does to a name what `row` does to a descriptor (fchmod: chmod); nullptr: none.
const SyscallRow* named_twin(const SyscallRow& row);

}  // namespace callgate
