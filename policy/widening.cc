// What a move changes for an object and, if it is a directory, for everything below it: whether the
// new name would grant what the old one does not, or takes it where it may not be made.
#include <algorithm>
#include <iterator>

#include "policy/policy_impl.h"

namespace callgate {
namespace {

using Position = PathIndex::Position;

constexpr size_t slot_of(PathOp op) { return static_cast<size_t>(op); }
constexpr size_t slot_of(NetOp op) { return static_cast<size_t>(op); }

// One kind of statement that speaks of names.
class PathStatements {
 public:
  explicit PathStatements(const Policy::Impl& policy) : policy_(policy) {}
  [[nodiscard]] const PathIndex& index() const { return policy_.paths; }
  [[nodiscard]] bool allows(size_t slot, int32_t rule) const {
    return policy_.path_allowed(static_cast<PathOp>(slot), rule);
  }
  [[nodiscard]] Position position(std::string_view name) const { return index().position(name); }

 private:
  const Policy::Impl& policy_;
};

class SocketStatements {
 public:
  explicit SocketStatements(const Policy::Impl& policy) : policy_(policy) {}
  [[nodiscard]] const PathIndex& index() const { return policy_.networks.unix_paths(); }
  [[nodiscard]] bool allows(size_t /*slot*/, int32_t rule) const {
    return rule >= 0 &&
           policy_.program.networks[static_cast<size_t>(rule)].ruling.verdict == Verdict::Allow;
  }
  // Statements without an endpoint speak of every name.
  [[nodiscard]] Position position(std::string_view name) const {
    Position position = index().position(name);
    const Slots everywhere = policy_.networks.every_unix_name();
    raise(&position.base, everywhere);
    raise(&position.here, everywhere);
    return position;
  }

 private:
  const Policy::Impl& policy_;
};

// What a further part of the name can lead to, from a set of nodes: statements by operation.
struct Reach {
  std::array<std::vector<int32_t>, kSlotCount> allows;
  std::array<std::vector<int32_t>, kSlotCount> refusals;
};

template <typename Statements>
Reach reach_of(const Statements& statements, const std::vector<uint32_t>& nodes) {
  Reach reach;
  statements.index().visit_below(nodes, [&](int slot, int32_t rule) {
    const auto at = static_cast<size_t>(slot);
    (statements.allows(at, rule) ? reach.allows : reach.refusals)[at].push_back(rule);
  });
  return reach;
}

// A name below is decided by the highest of: the base of its side, what is common to both sides,
// and what only its side can reach. Common statements answer alike on both sides, so `to` can
// widen only where an allow decides there while a refusal decides on the `from` side.
template <typename Statements>
class BelowComparison {
 public:
  BelowComparison(const Statements& statements, const Position& from, const Position& to)
      : statements_(statements), from_(from), to_(to) {
    std::vector<uint32_t> common;
    std::vector<uint32_t> only_from;
    std::vector<uint32_t> only_to;
    const auto& f = from.active;
    const auto& t = to.active;
    std::set_intersection(f.begin(), f.end(), t.begin(), t.end(), std::back_inserter(common));
    std::set_difference(f.begin(), f.end(), t.begin(), t.end(), std::back_inserter(only_from));
    std::set_difference(t.begin(), t.end(), f.begin(), f.end(), std::back_inserter(only_to));
    common_ = reach_of(statements, common);
    only_from_ = reach_of(statements, only_from);
    only_to_ = reach_of(statements, only_to);
  }

  // The statement by which `to` widens; nullopt: it does not.
  [[nodiscard]] std::optional<int32_t> find(size_t slot) const {
    const int32_t from = from_.base[slot];
    const int32_t to = to_.base[slot];
    const bool from_allows = statements_.allows(slot, from);

    // An allow of `to`'s own: its base, or what only it can reach.
    const auto own_widens = [&](int32_t allow) {
      return !from_allows || any_between(only_from_.refusals[slot], from, INT32_MAX) ||
             any_between(common_.refusals[slot], from, allow);
    };
    if (statements_.allows(slot, to) && own_widens(to)) return to;
    for (const int32_t allow : only_to_.allows[slot]) {
      if (allow > to && own_widens(allow)) return allow;
    }
    // A common allow decides for `to`: then it does for `from`, unless a later refusal of
    // `from`'s own stands in front of it.
    for (const int32_t allow : common_.allows[slot]) {
      if (allow <= to) continue;
      const bool base_refuses = !from_allows && from > allow;
      if (base_refuses ||
          any_between(only_from_.refusals[slot], std::max(from, allow), INT32_MAX)) {
        return allow;
      }
    }
    return std::nullopt;
  }

 private:
  static bool any_between(const std::vector<int32_t>& rules, int32_t above, int32_t below) {
    return std::any_of(rules.begin(), rules.end(),
                       [&](int32_t rule) { return rule > above && rule < below; });
  }

  const Statements& statements_;
  const Position& from_;
  const Position& to_;
  Reach common_;
  Reach only_from_;
  Reach only_to_;
};

template <typename Statements>
std::optional<int32_t> widening_at(const Statements& statements, size_t slot, const Slots& from,
                                   const Slots& to) {
  if (!statements.allows(slot, to[slot]) || statements.allows(slot, from[slot]))
    return std::nullopt;
  return to[slot];
}

}  // namespace

std::optional<Widening> find_widening(const Policy::Impl& policy, std::string_view from,
                                      std::string_view to, bool directory) {
  const PathStatements statements(policy);
  const auto find = [](const auto& at) -> std::optional<Widening> {
    for (size_t slot = 0; slot < kPathOpCount; ++slot) {
      if (auto rule = at(slot)) return Widening{static_cast<PathOp>(slot), *rule};
    }
    return std::nullopt;
  };
  if (!directory) {
    const Slots source = policy.paths.find(from);
    const Slots target = policy.paths.find(to);
    return find([&](size_t slot) { return widening_at(statements, slot, source, target); });
  }
  const Position source = statements.position(from);
  const Position target = statements.position(to);
  const auto here =
      find([&](size_t slot) { return widening_at(statements, slot, source.here, target.here); });
  if (here) return here;
  const BelowComparison below(statements, source, target);
  return find([&](size_t slot) { return below.find(slot); });
}

bool can_plant(const Policy::Impl& policy, std::string_view from, std::string_view to) {
  const PathStatements statements(policy);
  const Position source = statements.position(from);
  const Position target = statements.position(to);
  return BelowComparison(statements, target, source).find(slot_of(PathOp::Create)).has_value();
}

std::optional<NetOp> find_socket_change(const Policy::Impl& policy, std::string_view from,
                                        std::string_view to, bool directory) {
  const SocketStatements statements(policy);
  const Position source = statements.position(from);
  const Position target = statements.position(to);
  const auto widens = [&](const Position& one, const Position& other, NetOp op) {
    const size_t slot = slot_of(op);
    if (widening_at(statements, slot, one.here, other.here)) return true;
    return directory && BelowComparison(statements, one, other).find(slot).has_value();
  };
  for (const NetOp op : {NetOp::Connect, NetOp::Send}) {
    if (widens(source, target, op)) return op;
  }
  if (widens(target, source, NetOp::Bind)) return NetOp::Bind;
  return std::nullopt;
}

}  // namespace callgate
