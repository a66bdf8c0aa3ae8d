// A world of maps for loading policies: no file system, no resolver.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "policy/policy.h"

namespace callgate {

class FakeWorld : public PolicyWorld {
 public:
  std::map<std::string, std::string> files;
  std::map<std::string, int> unreadable;
  std::map<std::string, std::string> profiles;
  std::map<std::string, std::string> links;  // link to target, both canonical but for the link
  std::set<std::string> missing;
  std::set<std::string> loose;  // directories that ignore case
  std::map<std::string, std::vector<Endpoint>> hosts;
  std::map<std::string, std::string> variables = {
      {"HOME", "/home/u"}, {"USER", "u"},   {"UID", "1000"},
      {"CWD", "/work"},    {"TMP", "/tmp"}, {"PROGRAM", "/usr/bin/prog"}};

  Result<std::string> read_file(const std::string& path) override {
    if (auto it = unreadable.find(path); it != unreadable.end()) return Error{it->second};
    if (auto it = files.find(path); it != files.end()) return it->second;
    return Error{ENOENT};
  }
  Result<std::string> read_profile(const std::string& name) override {
    if (auto it = profiles.find(name); it != profiles.end()) return it->second;
    return Error{ENOENT};
  }
  std::vector<std::string> profile_names() override {
    std::vector<std::string> names;
    for (const auto& [name, text] : profiles) names.push_back(name);
    return names;
  }
  Result<std::string> canonical(const std::string& path) override {
    if (missing.contains(path)) return Error{ENOENT};
    for (const auto& [link, target] : links) {
      if (path == link) return target;
      if (path.starts_with(link + '/')) return canonical(target + path.substr(link.size()));
    }
    return path;
  }
  bool ignores_case(const std::string& directory) override { return loose.contains(directory); }
  Result<std::vector<Endpoint>> resolve_host(const std::string& host) override {
    if (auto it = hosts.find(host); it != hosts.end()) return it->second;
    return Error{ENOENT};
  }
  std::string variable(const std::string& name) override { return variables[name]; }
};

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
