// The shipped profiles, in a world that is maps otherwise.
#pragma once

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/policy/fake_world.h"
#include "tests/support/source_tree.h"

namespace callgate {

class ShippedWorld : public FakeWorld {
 public:
  ShippedWorld() {
    for (const auto& entry :
         std::filesystem::directory_iterator(source_tree() / "policy/profiles")) {
      std::stringstream text;
      text << std::ifstream(entry.path()).rdbuf();
      profiles[entry.path().stem()] = text.str();
    }
  }
};

}  // namespace callgate
