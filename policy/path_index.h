// All path patterns of a policy as one trie over components. One walk along a name gives, for
// each operation, the last statement that speaks of it; its cost follows the depth of the name.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "policy/glob_set.h"
#include "policy/pattern.h"

namespace callgate {

// The index of the last statement, by slot (an operation's number); -1: none.
inline constexpr int kSlotCount = 7;
using Slots = std::array<int32_t, kSlotCount>;

constexpr Slots no_slots() { return {-1, -1, -1, -1, -1, -1, -1}; }
inline void raise(Slots* slots, const Slots& by) {
  for (size_t i = 0; i < slots->size(); ++i) {
    if (by[i] > (*slots)[i]) (*slots)[i] = by[i];
  }
}

class PathIndex {
 public:
  PathIndex();
  // `slots`: a bit for each slot that the statement speaks of.
  void add(const Pattern& pattern, unsigned slots, int32_t statement);
  void freeze();

  [[nodiscard]] Slots find(std::string_view name) const;
  // The last statement, by slot, that certainly matches every name that the pattern matches.
  [[nodiscard]] Slots covering(const Pattern& pattern) const;

  // What is known after a name has been read and more components may follow.
  struct Position {
    Slots base = no_slots();       // decided already for all that is below
    Slots here = no_slots();       // for the name itself
    std::vector<uint32_t> active;  // nodes from which more can match
  };
  [[nodiscard]] Position position(std::string_view name) const;
  // Calls found(slot, statement) for all that can still match strictly below the nodes.
  void visit_below(std::span<const uint32_t> nodes,
                   const std::function<void(int slot, int32_t statement)>& found) const;

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Node {
    Slots itself = no_slots();  // patterns that end here
    Slots below = no_slots();   // patterns that end in /** or / after this
    std::unordered_map<std::string, uint32_t, StringHash, std::equal_to<>> literals;
    std::unordered_map<std::string, uint32_t> glob_ids;  // by text
    GlobSet globs;
    uint32_t star = kNone;       // the component *
    uint32_t any_depth = kNone;  // the component **
  };
  class Walk;

  uint32_t child(uint32_t node, const Component& component);

  std::vector<Node> nodes_;
};

}  // namespace callgate
