#include "monitor/own_files.h"

#include <filesystem>
#include <set>
#include <system_error>

#include "monitor/policy_world.h"

namespace callgate {

std::vector<std::string> own_files(const std::string& log, const std::vector<std::string>& policies,
                                   const Policy& policy) {
  std::vector<std::string> files;
  std::set<std::string> words(policies.begin(), policies.end());
  for (const auto& statement : policy.statements()) words.insert(statement->position.file);
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
