// A path argument with the place it led to; shared by the files that implement the guard.
#pragma once

#include <fcntl.h>

#include <string>

#include "arch/syscall_table.h"
#include "monitor/event.h"
#include "monitor/resolve.h"
#include "policy/path_ops.h"

namespace callgate {

inline constexpr const char* kForeignReason = "another process's /proc entries are out of reach";

inline constexpr const char* kAreaReason = "the argument area belongs to callgate";
inline constexpr const char* kOwnFileReason = "callgate's own files are out of reach";

struct Named {
  std::string text;         // as the program gave it
  int dirfd = AT_FDCWD;
  int path_index = -1;      // which argument holds the pointer
  bool by_object = false;   // the call acts on the object, not on the name
  Place place;
};

Event::Object object_of(const Named& named);
std::string ops_text(PathOps ops);  // "read,write"
// The call that does to a name what `row` does to a descriptor (fchmod: chmod); nullptr: none.
const SyscallRow* named_twin(const SyscallRow& row);

}  // namespace callgate
