// What stands behind Policy: the program and its indexes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "policy/network_index.h"
#include "policy/path_index.h"
#include "policy/policy.h"
#include "policy/program.h"

namespace callgate {

struct Policy::Impl {
  explicit Impl(Program the_program);

  [[nodiscard]] const Ruling& path_ruling(PathOp op, int32_t rule) const;
  [[nodiscard]] bool path_allowed(PathOp op, int32_t rule) const;
  [[nodiscard]] PathOps granted(const Slots& slots) const;
  [[nodiscard]] Decision network_decision(const NetQuestion& question) const;

  Program program;
  PathIndex paths;
  NetworkIndex networks;
  PolicyNeeds needs;
};

Decision decision_of(const Ruling& ruling);

// The operation and statement by which `to` would grant what `from` does not; see Policy::widens.
struct Widening {
  PathOp op;
  int32_t rule;  // -1: nothing matches, and stat is allowed where nothing forbids it
};
std::optional<Widening> find_widening(const Policy::Impl& policy, std::string_view from,
                                      std::string_view to, bool directory);

// See Policy::can_plant and Policy::socket_change.
bool can_plant(const Policy::Impl& policy, std::string_view from, std::string_view to);
std::optional<NetOp> find_socket_change(const Policy::Impl& policy, std::string_view from,
                                        std::string_view to, bool directory);

PolicyNeeds needs_of(const Policy::Impl& policy);
// Adds a warning for each statement that can never decide; says nothing where it cannot tell.
void warn_of_idle_statements(const Policy::Impl& policy, std::vector<std::string>* warnings);
// See Policy::warnings_of_directories.
std::vector<std::string> warnings_of_directories(const Policy::Impl& policy, PolicyWorld& world);
std::string describe(const Policy::Impl& policy);

}  // namespace callgate
