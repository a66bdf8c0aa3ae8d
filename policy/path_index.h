// All path patterns of a policy as one trie over components. One walk along a name gives, for
// each operation, the last statement that speaks of it; its cost follows the depth of the name.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
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
  struct Globs {
    std::unordered_map<std::string, uint32_t> ids;  // by text
    GlobSet set;
  };
  // Most nodes have one child or none, and a long list makes many: what only some need is apart.
  struct Node {
    Slots itself = no_slots();      // patterns that end here
    Slots below = no_slots();       // patterns that end in /** or / after this
    uint32_t star = kNone;          // the component *
    uint32_t any_depth = kNone;     // the component **
    uint32_t first_child = kNone;   // of any kind
    uint32_t next_sibling = kNone;  // the parent's next child
    bool has_literals = false;
    std::unique_ptr<Globs> globs;
  };
  class Walk;

  // The way from a node to its child by a literal component.
  struct EdgeView {
    uint32_t parent;
    std::string_view text;
    bool operator==(const EdgeView&) const = default;
  };
  struct Edge {
    uint32_t parent;
    std::string text;
    operator EdgeView() const { return {parent, text}; }  // NOLINT: for the two below
  };
  struct EdgeHash {
    using is_transparent = void;  // NOLINT(readability-identifier-naming): the library's word
    size_t operator()(EdgeView edge) const {
      return StringHash()(edge.text) ^ (size_t{edge.parent} * 0x9e3779b97f4a7c15U);
    }
  };
  struct EdgeEqual {
    using is_transparent = void;  // NOLINT(readability-identifier-naming): the library's word
    bool operator()(EdgeView a, EdgeView b) const { return a == b; }
  };

  uint32_t child(uint32_t node, const Component& component);

  std::deque<Node> nodes_;  // which stay where they are as more come
  std::unordered_map<Edge, uint32_t, EdgeHash, EdgeEqual> literals_;
};

}  // namespace callgate
