#include "monitor/own_files.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>

#include "monitor/policy_world.h"

namespace callgate {
namespace {

std::set<std::string> policy_words(const std::vector<std::string>& policies, const Policy& policy) {
  constexpr std::string_view kProfile = "profile:";
  std::set<std::string_view> files;
  for (const auto& statement : policy.statements()) files.insert(statement->position.file);
  std::set<std::string> words(policies.begin(), policies.end());
  for (const std::string_view file : files) {
    const bool shipped = file.starts_with(kProfile);
    words.insert(shipped ? profile_file(std::string(file.substr(kProfile.size())))
                         : std::string(file));
  }
  return words;
}

}  // namespace

bool is_policy_file(const std::string& file, const std::vector<std::string>& policies,
                    const Policy& policy) {
  if (file.empty()) return false;
  const std::set<std::string> words = policy_words(policies, policy);
  return std::any_of(words.begin(), words.end(), [&](const std::string& word) {
    std::error_code ignored;
    return std::filesystem::is_regular_file(word, ignored) &&
           std::filesystem::equivalent(word, file, ignored);
  });
}

std::vector<std::string> own_files(const std::string& log, const std::vector<std::string>& policies,
                                   const Policy& policy) {
  std::vector<std::string> files;
  std::set<std::string> words = policy_words(policies, policy);
  words.insert(log);
  for (const std::string& word : words) {
    if (std::error_code ignored; !std::filesystem::is_regular_file(word, ignored)) continue;
    auto real = RealWorld().canonical(word);
    if (real.ok()) files.push_back(*real);
    // The name by which it was given may be a link, which must go on leading there.
    const std::filesystem::path path(word);
    auto directory = RealWorld().canonical(path.has_parent_path() ? path.parent_path() : ".");
    if (directory.ok()) {
      files.push_back((std::filesystem::path(*directory) / path.filename()).string());
    }
  }
  return files;
}

}  // namespace callgate
