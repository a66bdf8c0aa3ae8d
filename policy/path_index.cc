#include "policy/path_index.h"

#include <algorithm>
#include <utility>

namespace callgate {
namespace {

// Node numbers of one step; on the stack for all but unusual policies.
class NodeList {
 public:
  void push(uint32_t node) {
    if (size_ < inline_.size()) {
      inline_[size_] = node;
    } else {
      more_.push_back(node);
    }
    ++size_;
  }
  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] uint32_t operator[](size_t i) const {
    return i < inline_.size() ? inline_[i] : more_[i - inline_.size()];
  }
  [[nodiscard]] bool contains(uint32_t node) const {
    for (size_t i = 0; i < size_; ++i) {
      if ((*this)[i] == node) return true;
    }
    return false;
  }
  void clear() {
    size_ = 0;
    more_.clear();
  }

 private:
  std::array<uint32_t, 24> inline_;
  std::vector<uint32_t> more_;
  size_t size_ = 0;
};

}  // namespace

// The nodes that the components so far lead to. A ** node, once reached, stays: it takes any
// further component. What ends in /** is credited when a further component is seen, so it needs
// no node of its own.
class PathIndex::Walk {
 public:
  explicit Walk(const PathIndex& index) : index_(index) { enter(0, &current_); }

  void step(std::string_view component) {
    next_.clear();
    const size_t depths = depths_.size();  // those found now begin at the next component
    for (size_t i = 0; i < current_.size(); ++i) {
      raise(&base_, index_.nodes_[current_[i]].below);
    }
    for (size_t i = 0; i < current_.size(); ++i) follow(current_[i], component);
    for (size_t i = 0; i < depths; ++i) follow(depths_[i], component);
    std::swap(current_, next_);
  }

  // The same for a component of a pattern: goes only where every matching name would go.
  void step(const Component& component) {
    switch (component.kind) {
      case Component::Kind::Literal:
        step(component.text);
        return;
      case Component::Kind::Glob:
      case Component::Kind::AnyDepth:
        break;
    }
    next_.clear();
    const size_t depths = depths_.size();
    for (size_t i = 0; i < current_.size(); ++i) {
      raise(&base_, index_.nodes_[current_[i]].below);
    }
    if (component.kind == Component::Kind::Glob) {
      for (size_t i = 0; i < current_.size(); ++i) follow_same(current_[i], component);
      for (size_t i = 0; i < depths; ++i) follow_same(depths_[i], component);
    }
    std::swap(current_, next_);
  }

  [[nodiscard]] Slots itself() const {
    Slots found = base_;
    for (size_t i = 0; i < current_.size(); ++i) {
      raise(&found, index_.nodes_[current_[i]].itself);
    }
    return found;
  }
  [[nodiscard]] Slots below() const {
    Slots found = base_;
    for (size_t i = 0; i < current_.size(); ++i) {
      raise(&found, index_.nodes_[current_[i]].below);
    }
    return found;
  }
  [[nodiscard]] std::vector<uint32_t> active() const {
    std::vector<uint32_t> nodes;
    for (size_t i = 0; i < current_.size(); ++i) nodes.push_back(current_[i]);
    for (size_t i = 0; i < depths_.size(); ++i) nodes.push_back(depths_[i]);
    std::sort(nodes.begin(), nodes.end());
    return nodes;
  }

 private:
  // Each node has one parent, so only a ** node can be reached twice.
  void enter(uint32_t node, NodeList* list) {
    list->push(node);
    const uint32_t depth = index_.nodes_[node].any_depth;
    if (depth != kNone && !depths_.contains(depth)) depths_.push(depth);
  }
  void follow(uint32_t from, std::string_view component) {
    const Node& node = index_.nodes_[from];
    if (node.has_literals) {
      const auto it = index_.literals_.find(EdgeView{from, component});
      if (it != index_.literals_.end()) enter(it->second, &next_);
    }
    if (node.star != kNone) enter(node.star, &next_);
    if (node.globs) node.globs->set.match(component, [&](uint32_t id) { enter(id, &next_); });
  }
  void follow_same(uint32_t from, const Component& component) {
    const Node& node = index_.nodes_[from];
    if (node.star != kNone) enter(node.star, &next_);
    if (!node.globs) return;
    const auto it = node.globs->ids.find(component.text);
    if (it != node.globs->ids.end()) enter(it->second, &next_);
  }

  const PathIndex& index_;
  NodeList current_;
  NodeList next_;
  NodeList depths_;
  Slots base_ = no_slots();
};

PathIndex::PathIndex() : nodes_(1) {}

uint32_t PathIndex::child(uint32_t node, const Component& component) {
  const auto fresh = static_cast<uint32_t>(nodes_.size());
  uint32_t found = fresh;
  Node& parent = nodes_[node];
  switch (component.kind) {
    case Component::Kind::Literal:
      found = literals_.try_emplace(Edge{node, component.text}, fresh).first->second;
      parent.has_literals = true;
      break;
    case Component::Kind::AnyDepth:
      if (parent.any_depth == kNone) parent.any_depth = fresh;
      found = parent.any_depth;
      break;
    case Component::Kind::Glob:
      if (component.glob.is_star()) {
        if (parent.star == kNone) parent.star = fresh;
        found = parent.star;
      } else {
        if (!parent.globs) parent.globs = std::make_unique<Globs>();
        const auto [it, added] = parent.globs->ids.try_emplace(component.text, fresh);
        if (added) parent.globs->set.add(component.glob, fresh);
        found = it->second;
      }
      break;
  }
  if (found != fresh) return found;
  const uint32_t sibling = std::exchange(parent.first_child, fresh);
  nodes_.emplace_back().next_sibling = sibling;
  return found;
}

void PathIndex::add(const Pattern& pattern, unsigned slots, int32_t statement) {
  uint32_t node = 0;
  for (const Component& component : pattern.components) node = child(node, component);
  for (size_t slot = 0; slot < kSlotCount; ++slot) {
    if ((slots >> slot & 1u) == 0) continue;
    if (pattern.itself) nodes_[node].itself[slot] = std::max(nodes_[node].itself[slot], statement);
    if (pattern.below) nodes_[node].below[slot] = std::max(nodes_[node].below[slot], statement);
  }
}

void PathIndex::freeze() {
  for (Node& node : nodes_) {
    if (node.globs) node.globs->set.freeze();
  }
}

Slots PathIndex::find(std::string_view name) const {
  if (!name.starts_with('/')) return no_slots();
  Walk walk(*this);
  NameComponents components(name);
  std::string_view component;
  while (components.next(&component)) walk.step(component);
  return walk.itself();
}

Slots PathIndex::covering(const Pattern& pattern) const {
  Walk walk(*this);
  for (const Component& component : pattern.components) walk.step(component);
  Slots slots = pattern.itself ? walk.itself() : walk.below();
  if (pattern.itself && pattern.below) {
    const Slots below = walk.below();
    for (size_t i = 0; i < slots.size(); ++i) slots[i] = std::min(slots[i], below[i]);
  }
  return slots;
}

PathIndex::Position PathIndex::position(std::string_view name) const {
  Walk walk(*this);
  NameComponents components(name);
  std::string_view component;
  while (components.next(&component)) walk.step(component);
  return {walk.below(), walk.itself(), walk.active()};
}

void PathIndex::visit_below(std::span<const uint32_t> nodes,
                            const std::function<void(int, int32_t)>& found) const {
  std::vector<uint32_t> pending;
  std::vector<bool> seen(nodes_.size());
  const auto descend = [&](uint32_t from) {
    for (uint32_t to = nodes_[from].first_child; to != kNone; to = nodes_[to].next_sibling) {
      if (seen[to]) continue;
      seen[to] = true;
      pending.push_back(to);
    }
  };
  for (const uint32_t node : nodes) descend(node);
  while (!pending.empty()) {
    const uint32_t id = pending.back();
    pending.pop_back();
    for (size_t slot = 0; slot < kSlotCount; ++slot) {
      const int32_t here = nodes_[id].itself[slot];
      const int32_t below = nodes_[id].below[slot];
      if (here >= 0) found(static_cast<int>(slot), here);
      if (below >= 0) found(static_cast<int>(slot), below);
    }
    descend(id);
  }
}

}  // namespace callgate
