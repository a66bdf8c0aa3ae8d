// Where a name leads, found out slowly: one component at a time, each an O_PATH open, each symlink
// read and walked by hand. Knows nothing of how callgate walks.
#pragma once

#include <cstdint>
#include <string>

namespace names_fuzz {

struct Way {
  bool follow = true;    // a symlink in the last place
  bool is_name = false;  // the last component is made, removed or renamed, not looked through
  bool creates = false;  // O_CREAT
  uint64_t resolve = 0;  // openat2's RESOLVE_*
};

struct Found {
  int error = 0;  // why the name leads nowhere; a missing last component is no error
  bool exists = false;
  bool too_long = false;  // nor could it exist
  bool fixed = false;     // "/", or "." or ".." where the last component is a name
  bool directory = false;
  bool symlink = false;
  bool regular = false;
  bool nameless = false;  // a pipe, a socket: nothing to be judged
  std::string name;       // the object's own; where it would be; where the walk failed
  int object = -1;        // O_PATH
  Found() = default;
  Found(Found&& other) noexcept;
  Found& operator=(Found&& other) noexcept;
  ~Found();
};

// A descriptor whose number the program's own names (/proc/self/fd/7) cannot meet; -1 stays.
int aside(int fd);
Found walk_slowly(int dirfd, const std::string& path, Way way);
Found found_behind(int fd);

}  // namespace names_fuzz
