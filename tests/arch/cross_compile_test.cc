// arch/ must compile for both machines, whichever this one is.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/support/source_tree.h"

namespace callgate {
namespace {

namespace fs = std::filesystem;

TEST(CrossCompile, Aarch64SourcesCompile) {
  const std::string compiler = "aarch64-linux-gnu-g++";
  if (std::system((compiler + " --version > /dev/null 2>&1").c_str()) != 0) {
    GTEST_SKIP() << compiler << " is not installed";
  }
  const fs::path source = source_tree();
  if (!fs::exists(source / "arch/abi.h")) GTEST_SKIP() << "the source tree is not here";
  int compiled = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(source / "arch")) {
    const std::string name = entry.path().filename();
    if (entry.path().extension() != ".cc" || name == "registers_x86.cc") continue;
    // -idirafter: Capstone's headers are the same for every machine and only installed for this
    // one.
    const std::string command = compiler +
                                " -std=c++20 -D_GNU_SOURCE -fsyntax-only -Wall -Wextra -Wpedantic "
                                "-Wconversion -Wshadow -Wswitch-enum -Werror -I " +
                                source.string() + " -idirafter /usr/include " +
                                entry.path().string();
    EXPECT_EQ(std::system(command.c_str()), 0) << name;
    ++compiled;
  }
  EXPECT_GE(compiled, 4);
}

}  // namespace
}  // namespace callgate
