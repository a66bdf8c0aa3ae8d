// The statements of a policy after parsing, before they are indexed: plain values.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "policy/pattern.h"
#include "policy/policy.h"

namespace callgate {

// What a statement answers when it decides.
struct Ruling {
  const Statement* statement = nullptr;
  Verdict verdict = Verdict::Deny;
  int error = EACCES;
  bool log = false;

  // Allowed without a word: the monitor need not see the call at all.
  [[nodiscard]] bool silent_allow() const { return verdict == Verdict::Allow && !log; }
};

struct PathRule {
  Ruling ruling;
  PathOps ops;
  std::vector<Pattern> patterns;
};

// Addresses that share a prefix, and a range of ports.
struct IpRange {
  bool v6 = false;
  std::array<uint8_t, 16> address{};  // masked
  int prefix = 0;
  uint16_t first_port = 0;
  uint16_t last_port = 65535;
};
struct AbstractName {
  Glob glob;
  std::string text;  // as written, the key for "the same pattern"
};
struct NetlinkProtocol {
  int protocol = 0;
};
using EndpointPattern = std::variant<IpRange, Pattern, AbstractName, NetlinkProtocol>;

struct NetRule {
  Ruling ruling;
  unsigned families = 0;                   // bit by NetFamily
  unsigned ops = 0;                        // bit by NetOp; 0: none named, so all
  std::vector<EndpointPattern> endpoints;  // empty: every endpoint

  [[nodiscard]] bool speaks_of(NetFamily family) const {
    return (families >> static_cast<unsigned>(family) & 1u) != 0;
  }
  [[nodiscard]] bool names(NetOp op) const { return (ops >> static_cast<unsigned>(op) & 1u) != 0; }
  [[nodiscard]] bool speaks_of(NetOp op) const { return ops == 0 || names(op); }
  // Whether the rule has a say in socket(2) for a family it speaks of. A socket that some rule
  // lets be used must be creatable, so an allow counts whatever it names; a refusal of certain
  // calls or endpoints is not a refusal of the socket. An unnamed unix socket goes nowhere.
  [[nodiscard]] bool speaks_of_creating(NetFamily family) const {
    if (family == NetFamily::Unix) return names(NetOp::Create);
    if (ruling.verdict == Verdict::Allow) return true;
    return endpoints.empty() && speaks_of(NetOp::Create);
  }
};

struct SignalRule {
  Ruling ruling;
  bool outside = false;  // `all`: targets outside the sandbox too
};

}  // namespace callgate
