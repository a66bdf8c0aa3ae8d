#include "policy/network_index.h"

#include <algorithm>

namespace callgate {
namespace {

using Kind = Endpoint::Kind;

std::array<uint8_t, 16> masked(std::array<uint8_t, 16> address, int prefix) {
  for (int i = 0; i < 16; ++i) {
    const int bits = std::clamp(prefix - i * 8, 0, 8);
    address[static_cast<size_t>(i)] &= static_cast<uint8_t>(0xff00 >> bits);
  }
  return address;
}

bool contains(const IpRange& range, const Endpoint& endpoint) {
  return endpoint.kind == (range.v6 ? Kind::V6 : Kind::V4) &&
         masked(endpoint.address, range.prefix) == range.address &&
         endpoint.port >= range.first_port && endpoint.port <= range.last_port;
}

struct EndpointMatches {
  const Endpoint& endpoint;
  bool operator()(const IpRange& range) const { return contains(range, endpoint); }
  bool operator()(const Pattern& pattern) const {
    return endpoint.kind == Kind::UnixPath && pattern_matches(pattern, endpoint.name);
  }
  bool operator()(const AbstractName& name) const {
    return endpoint.kind == Kind::UnixAbstract && name.glob.matches(endpoint.name);
  }
  bool operator()(const NetlinkProtocol& netlink) const {
    return endpoint.kind == Kind::Netlink && endpoint.netlink_protocol == netlink.protocol;
  }
};

}  // namespace

std::optional<NetQuestion> judged_instead(const NetQuestion& question) {
  const bool destination = question.op == NetOp::Connect || question.op == NetOp::Send;
  const bool v4 = question.endpoint.kind == Kind::V4;
  const bool v6 = question.endpoint.kind == Kind::V6;
  if (!destination || (!v4 && !v6)) return std::nullopt;
  if (question.endpoint.address != std::array<uint8_t, 16>{}) return std::nullopt;
  NetQuestion loopback = question;
  if (v4) loopback.endpoint.address[0] = 127;
  loopback.endpoint.address[v4 ? 3 : 15] = 1;
  return loopback;
}

bool rule_matches(const NetRule& rule, const NetQuestion& question) {
  if (!rule.speaks_of(question.family)) return false;
  const auto matches = [&](const EndpointPattern& endpoint) {
    return std::visit(EndpointMatches{question.endpoint}, endpoint);
  };
  const bool endpoint_matches =
      rule.endpoints.empty() || std::any_of(rule.endpoints.begin(), rule.endpoints.end(), matches);
  if (question.op != NetOp::Create) return rule.speaks_of(question.op) && endpoint_matches;
  if (question.endpoint.kind == Kind::Netlink) {
    return endpoint_matches &&
           (rule.ruling.verdict == Verdict::Allow || rule.speaks_of(NetOp::Create));
  }
  return rule.speaks_of_creating(question.family);
}

size_t NetworkIndex::PrefixHash::operator()(const Prefix& prefix) const {
  const std::string_view bytes(reinterpret_cast<const char*>(prefix.address.data()), 16);
  return std::hash<std::string_view>()(bytes) * 31 + size_t{prefix.length} * 2 +
         (prefix.v6 ? 1 : 0);
}

NetworkIndex::NetworkIndex() {
  for (Ops& ops : everywhere_) ops.fill(-1);
  create_.fill(-1);
  create_plain_.fill(-1);
}

void NetworkIndex::paint(const NetRule& rule, int32_t statement, Families* families) const {
  for (size_t family = 0; family < kNetFamilyCount; ++family) {
    if (!rule.speaks_of(static_cast<NetFamily>(family))) continue;
    for (size_t op = 0; op < kNetOpCount; ++op) {
      if (rule.speaks_of(static_cast<NetOp>(op))) (*families)[family][op] = statement;
    }
  }
}

void NetworkIndex::paint(const NetRule& rule, int32_t statement, const IpRange& range) {
  const auto length = static_cast<uint8_t>(range.prefix);
  auto [entry, fresh] = prefixes_.try_emplace(Prefix{range.v6, length, range.address});
  Ports& ports = entry->second;
  if (fresh) {
    Families& nothing = ports[0];
    for (Ops& ops : nothing) ops.fill(-1);
    std::vector<uint8_t>& lengths = lengths_[range.v6 ? 1 : 0];
    if (std::find(lengths.begin(), lengths.end(), length) == lengths.end()) {
      lengths.push_back(length);
    }
  }
  // Cut the stretches at both ends of the range, then paint those inside.
  const auto cut = [&](uint32_t port) {
    if (port <= 65535) ports.try_emplace(port, std::prev(ports.upper_bound(port))->second);
  };
  cut(range.first_port);
  cut(range.last_port + uint32_t{1});
  for (auto it = ports.find(range.first_port); it != ports.end() && it->first <= range.last_port;
       ++it) {
    paint(rule, statement, &it->second);
  }
}

void NetworkIndex::add(const NetRule& rule, int32_t statement) {
  for (size_t family = 0; family < kNetFamilyCount; ++family) {
    if (!rule.speaks_of(static_cast<NetFamily>(family)) ||
        !rule.speaks_of_creating(static_cast<NetFamily>(family))) {
      continue;
    }
    create_[family] = statement;
    if (rule.endpoints.empty()) create_plain_[family] = statement;
  }
  if (rule.endpoints.empty()) paint(rule, statement, &everywhere_);
  Ops none;
  none.fill(-1);
  const auto paint_ops = [&](Ops* ops) {
    for (size_t op = 0; op < kNetOpCount; ++op) {
      if (rule.speaks_of(static_cast<NetOp>(op))) (*ops)[op] = statement;
    }
  };
  for (const EndpointPattern& endpoint : rule.endpoints) {
    if (const auto* range = std::get_if<IpRange>(&endpoint)) {
      paint(rule, statement, *range);
    } else if (const auto* pattern = std::get_if<Pattern>(&endpoint)) {
      const unsigned all = (1u << kNetOpCount) - 1;
      unix_paths_.add(*pattern, rule.ops == 0 ? all : rule.ops, statement);
    } else if (const auto* abstract = std::get_if<AbstractName>(&endpoint)) {
      const auto fresh = static_cast<uint32_t>(abstract_.size());
      const auto [entry, added] = abstract_ids_.try_emplace(abstract->text, fresh);
      if (added) {
        abstract_.push_back(none);
        abstract_globs_.add(abstract->glob, fresh);
      }
      paint_ops(&abstract_[entry->second]);
    } else if (const auto* netlink = std::get_if<NetlinkProtocol>(&endpoint)) {
      paint_ops(&netlink_.try_emplace(netlink->protocol, none).first->second);
      if (rule.ruling.verdict == Verdict::Allow || rule.speaks_of(NetOp::Create)) {
        netlink_create_[netlink->protocol] = statement;
      }
    }
  }
}

void NetworkIndex::freeze() {
  unix_paths_.freeze();
  abstract_globs_.freeze();
}

Slots NetworkIndex::every_unix_name() const {
  Slots slots = no_slots();
  const Ops& ops = everywhere_[static_cast<size_t>(NetFamily::Unix)];
  std::copy(ops.begin(), ops.end(), slots.begin());
  return slots;
}

int32_t NetworkIndex::find_ip(const NetQuestion& question) const {
  const bool v6 = question.endpoint.kind == Kind::V6;
  int32_t found = -1;
  for (const uint8_t length : lengths_[v6 ? 1 : 0]) {
    const auto entry = prefixes_.find({v6, length, masked(question.endpoint.address, length)});
    if (entry == prefixes_.end()) continue;
    const Families& families = std::prev(entry->second.upper_bound(question.endpoint.port))->second;
    found = std::max(
        found, families[static_cast<size_t>(question.family)][static_cast<size_t>(question.op)]);
  }
  return found;
}

int32_t NetworkIndex::find_create(const NetQuestion& question) const {
  const auto family = static_cast<size_t>(question.family);
  if (question.endpoint.kind != Kind::Netlink) return create_[family];
  const auto exact = netlink_create_.find(question.endpoint.netlink_protocol);
  const bool speaks = question.family == NetFamily::Netlink && exact != netlink_create_.end();
  return std::max(create_plain_[family], speaks ? exact->second : -1);
}

int32_t NetworkIndex::find(const NetQuestion& question) const {
  if (question.op == NetOp::Create) return find_create(question);
  const auto op = static_cast<size_t>(question.op);
  int32_t found = everywhere_[static_cast<size_t>(question.family)][op];
  switch (question.endpoint.kind) {
    case Kind::V4:
    case Kind::V6:
      found = std::max(found, find_ip(question));
      break;
    case Kind::UnixPath:
      if (question.family == NetFamily::Unix) {
        found = std::max(found, unix_paths_.find(question.endpoint.name)[op]);
      }
      break;
    case Kind::UnixAbstract:
      if (question.family == NetFamily::Unix) {
        abstract_globs_.match(question.endpoint.name,
                              [&](uint32_t id) { found = std::max(found, abstract_[id][op]); });
      }
      break;
    case Kind::Netlink:
      if (const auto exact = netlink_.find(question.endpoint.netlink_protocol);
          question.family == NetFamily::Netlink && exact != netlink_.end()) {
        found = std::max(found, exact->second[op]);
      }
      break;
    case Kind::None:
    case Kind::UnixUnnamed:
    case Kind::Other:
      break;
  }
  return found;
}

int32_t NetworkIndex::covering(const EndpointPattern& endpoint, size_t family, size_t op) const {
  const int32_t everywhere = everywhere_[family][op];
  const auto* range = std::get_if<IpRange>(&endpoint);
  if (range == nullptr) return everywhere;
  int32_t covered = everywhere;
  for (const uint8_t length : lengths_[range->v6 ? 1 : 0]) {
    if (length > range->prefix) continue;
    const auto entry = prefixes_.find({range->v6, length, masked(range->address, length)});
    if (entry == prefixes_.end()) continue;
    int32_t lowest = INT32_MAX;
    for (auto it = std::prev(entry->second.upper_bound(range->first_port));
         it != entry->second.end() && it->first <= range->last_port; ++it) {
      lowest = std::min(lowest, it->second[family][op]);
    }
    covered = std::max(covered, lowest);
  }
  return covered;
}

int32_t NetworkIndex::covering(const NetRule& rule) const {
  int32_t lowest = INT32_MAX;
  for (size_t family = 0; family < kNetFamilyCount; ++family) {
    if (!rule.speaks_of(static_cast<NetFamily>(family))) continue;
    if (rule.speaks_of_creating(static_cast<NetFamily>(family))) {
      lowest = std::min(lowest, rule.endpoints.empty() ? create_[family] : create_plain_[family]);
    }
    const bool exact_create = static_cast<NetFamily>(family) == NetFamily::Netlink &&
                              !rule.endpoints.empty() && rule.speaks_of(NetOp::Create);
    if (exact_create) lowest = std::min(lowest, create_plain_[family]);
    for (size_t op = 0; op < kNetOpCount; ++op) {
      if (static_cast<NetOp>(op) == NetOp::Create || !rule.speaks_of(static_cast<NetOp>(op))) {
        continue;
      }
      if (rule.endpoints.empty()) lowest = std::min(lowest, everywhere_[family][op]);
      for (const EndpointPattern& endpoint : rule.endpoints) {
        lowest = std::min(lowest, covering(endpoint, family, op));
      }
    }
  }
  return lowest;
}

}  // namespace callgate
