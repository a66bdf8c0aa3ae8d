// The System V segment that somebody else has attached to this program, as /proc/self/maps shows
// it.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>

#include "tests/support/attack.h"

namespace attack {

struct SharedSegment {
  uint64_t start = 0;
  uint64_t end = 0;  // 0: there is none

  static SharedSegment find() {
    std::FILE* maps = std::fopen("/proc/self/maps", "re");
    must(maps != nullptr, "maps");
    char line[512];
    SharedSegment found;
    while (std::fgets(line, sizeof line, maps) != nullptr) {
      unsigned long start = 0;
      unsigned long end = 0;
      if (std::strstr(line, "/SYSV") == nullptr) continue;
      if (std::sscanf(line, "%lx-%lx", &start, &end) == 2) found = {start, end};
    }
    std::fclose(maps);
    return found;
  }

  [[nodiscard]] bool exists() const { return end != 0; }
  [[nodiscard]] size_t size() const { return static_cast<size_t>(end - start); }
  [[nodiscard]] void* at() const { return reinterpret_cast<void*>(static_cast<uintptr_t>(start)); }
  bool operator==(const SharedSegment&) const = default;
};

}  // namespace attack
