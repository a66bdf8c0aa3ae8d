// All network statements, indexed: by address prefix, by unix name, by netlink protocol. The
// last statement that matches a question is found without reading the others.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "policy/glob_set.h"
#include "policy/path_index.h"
#include "policy/rules.h"

namespace callgate {

// The plain reading of one rule, which explains an answer and checks the index in tests.
bool rule_matches(const NetRule& rule, const NetQuestion& question);
// The question that is judged in its place: the unspecified address as a destination is loopback,
// because that is where the kernel sends it (ip_route_output_key_hash_rcu, tcp_v6_connect).
std::optional<NetQuestion> judged_instead(const NetQuestion& question);

class NetworkIndex {
 public:
  NetworkIndex();
  void add(const NetRule& rule, int32_t statement);
  void freeze();

  // The last statement that matches the question; -1: none.
  [[nodiscard]] int32_t find(const NetQuestion& question) const;
  // Statements on the names of unix sockets; slots are NetOp.
  [[nodiscard]] const PathIndex& unix_paths() const { return unix_paths_; }
  // The last statement that speaks of every such name, by slot.
  [[nodiscard]] Slots every_unix_name() const;
  // The lowest, over all questions that this rule can answer, of the last statement to match.
  // Above the rule's own number, the rule can never decide.
  [[nodiscard]] int32_t covering(const NetRule& rule) const;

 private:
  using Ops = std::array<int32_t, kNetOpCount>;
  using Families = std::array<Ops, kNetFamilyCount>;
  // By the first port of a stretch; later statements are painted over earlier ones.
  using Ports = std::map<uint32_t, Families>;
  struct Prefix {
    bool v6;
    uint8_t length;
    std::array<uint8_t, 16> address;
    friend bool operator==(const Prefix&, const Prefix&) = default;
  };
  struct PrefixHash {
    size_t operator()(const Prefix& prefix) const;
  };

  void paint(const NetRule& rule, int32_t statement, Families* families) const;
  void paint(const NetRule& rule, int32_t statement, const IpRange& range);
  [[nodiscard]] int32_t find_ip(const NetQuestion& question) const;
  [[nodiscard]] int32_t find_create(const NetQuestion& question) const;
  [[nodiscard]] int32_t covering(const EndpointPattern& endpoint, size_t family, size_t op) const;

  Families everywhere_;                                // rules without an endpoint
  std::array<int32_t, kNetFamilyCount> create_;        // every rule that speaks of creating
  std::array<int32_t, kNetFamilyCount> create_plain_;  // those without an endpoint
  std::unordered_map<Prefix, Ports, PrefixHash> prefixes_;
  std::array<std::vector<uint8_t>, 2> lengths_;             // that occur, for IPv4 and IPv6
  PathIndex unix_paths_;                                    // slots are NetOp
  std::unordered_map<std::string, uint32_t> abstract_ids_;  // by pattern text
  std::vector<Ops> abstract_;
  GlobSet abstract_globs_;
  std::map<int, Ops> netlink_;
  std::map<int, int32_t> netlink_create_;
};

}  // namespace callgate
