// A world of maps for loading policies: no file system, no resolver.
#pragma once

#include <map>
#include <set>
#include <string>
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
  std::set<std::string> directories;
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
  bool is_directory(const std::string& path) override { return directories.contains(path); }
  bool ignores_case(const std::string& directory) override { return loose.contains(directory); }
  Result<std::vector<Endpoint>> resolve_host(const std::string& host) override {
    if (auto it = hosts.find(host); it != hosts.end()) return it->second;
    return Error{ENOENT};
  }
  std::string variable(const std::string& name) override { return variables[name]; }
};

}  // namespace callgate
