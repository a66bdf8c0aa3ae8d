// Whether a new name would grant what the old one does not, for an object and, if it is a
// directory, for everything below it.
#include <algorithm>
#include <iterator>

#include "policy/policy_impl.h"

namespace callgate {
namespace {

using Position = PathIndex::Position;

// What a further part of the name can lead to, from a set of nodes: statements by operation.
struct Reach {
  std::array<std::vector<int32_t>, kSlotCount> allows;
  std::array<std::vector<int32_t>, kSlotCount> refusals;
};

Reach reach_of(const Policy::Impl& policy, const std::vector<uint32_t>& nodes) {
  Reach reach;
  policy.paths.visit_below(nodes, [&](int slot, int32_t rule) {
    const bool allowed = policy.path_allowed(static_cast<PathOp>(slot), rule);
    (allowed ? reach.allows : reach.refusals)[static_cast<size_t>(slot)].push_back(rule);
  });
  return reach;
}

std::optional<Widening> between(const Policy::Impl& policy, const Slots& from, const Slots& to) {
  for (size_t slot = 0; slot < kPathOpCount; ++slot) {
    const auto op = static_cast<PathOp>(slot);
    if (policy.path_allowed(op, to[slot]) && !policy.path_allowed(op, from[slot])) {
      return Widening{op, to[slot]};
    }
  }
  return std::nullopt;
}

// A name below is decided by the highest of: the base of its side, what is common to both sides,
// and what only its side can reach. Common statements answer alike on both sides, so `to` can
// widen only where an allow decides there while a refusal decides on the `from` side.
class BelowComparison {
 public:
  BelowComparison(const Policy::Impl& policy, const Position& from, const Position& to)
      : policy_(policy), from_(from), to_(to) {
    std::vector<uint32_t> common;
    std::vector<uint32_t> only_from;
    std::vector<uint32_t> only_to;
    const auto& f = from.active;
    const auto& t = to.active;
    std::set_intersection(f.begin(), f.end(), t.begin(), t.end(), std::back_inserter(common));
    std::set_difference(f.begin(), f.end(), t.begin(), t.end(), std::back_inserter(only_from));
    std::set_difference(t.begin(), t.end(), f.begin(), f.end(), std::back_inserter(only_to));
    common_ = reach_of(policy, common);
    only_from_ = reach_of(policy, only_from);
    only_to_ = reach_of(policy, only_to);
  }

  [[nodiscard]] std::optional<Widening> find() const {
    for (size_t slot = 0; slot < kPathOpCount; ++slot) {
      if (auto rule = find(slot)) return Widening{static_cast<PathOp>(slot), *rule};
    }
    return std::nullopt;
  }

 private:
  static bool any_between(const std::vector<int32_t>& rules, int32_t above, int32_t below) {
    return std::any_of(rules.begin(), rules.end(),
                       [&](int32_t rule) { return rule > above && rule < below; });
  }

  [[nodiscard]] std::optional<int32_t> find(size_t slot) const {
    const auto op = static_cast<PathOp>(slot);
    const int32_t from = from_.base[slot];
    const int32_t to = to_.base[slot];
    const bool from_allows = policy_.path_allowed(op, from);

    // An allow of `to`'s own: its base, or what only it can reach.
    const auto own_widens = [&](int32_t allow) {
      return !from_allows || any_between(only_from_.refusals[slot], from, INT32_MAX) ||
             any_between(common_.refusals[slot], from, allow);
    };
    if (policy_.path_allowed(op, to) && own_widens(to)) return to;
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

  const Policy::Impl& policy_;
  const Position& from_;
  const Position& to_;
  Reach common_;
  Reach only_from_;
  Reach only_to_;
};

}  // namespace

std::optional<Widening> find_widening(const Policy::Impl& policy, std::string_view from,
                                      std::string_view to, bool directory) {
  if (!directory) return between(policy, policy.paths.find(from), policy.paths.find(to));
  const Position source = policy.paths.position(from);
  const Position target = policy.paths.position(to);
  if (auto widening = between(policy, source.here, target.here)) return widening;
  return BelowComparison(policy, source, target).find();
}

}  // namespace callgate
