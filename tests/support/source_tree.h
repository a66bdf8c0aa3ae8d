// Where the sources are, for tests that read them.
#pragma once

#include <cstdlib>
#include <filesystem>

namespace callgate {

// $CALLGATE_SOURCE, which CTest sets: a compiler cache may have shortened __FILE__.
inline std::filesystem::path source_tree() {
  const char* given = std::getenv("CALLGATE_SOURCE");
  if (given != nullptr) return given;
  return std::filesystem::path(__FILE__).parent_path().parent_path().parent_path();
}

}  // namespace callgate
