// Policies of text for tests, loaded in the world of tests/support/fake_world.h.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <variant>

#include "tests/support/fake_world.h"
#include "policy/policy.h"

namespace callgate {

// The policy that the text is; a mistake in it fails the test.
inline Policy policy_of(const std::string& text, FakeWorld& world) {
  auto loaded = parse_policy(text, "p.policy", world);
  if (auto* error = std::get_if<PolicyError>(&loaded)) {
    ADD_FAILURE() << error->message;
    loaded = parse_policy("", "p.policy", world);
  }
  return std::move(std::get<Policy>(loaded));
}
inline Policy policy_of(const std::string& text) {
  FakeWorld world;
  return policy_of(text, world);
}

// What loading says is wrong with the text; empty when nothing is.
inline std::string mistake_in(const std::string& text, FakeWorld& world) {
  auto loaded = parse_policy(text, "p.policy", world);
  const auto* error = std::get_if<PolicyError>(&loaded);
  return error == nullptr ? std::string() : error->message;
}
inline std::string mistake_in(const std::string& text) {
  FakeWorld world;
  return mistake_in(text, world);
}

inline bool allows(const Policy& policy, PathOp op, std::string_view name) {
  return policy.path(op, name).allowed();
}

}  // namespace callgate
