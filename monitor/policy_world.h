// The file system, the resolver and the user as loading a policy sees them. Used before anything
// runs; nothing here is asked while the program runs.
#pragma once

#include <string>
#include <vector>

#include "policy/policy.h"

namespace callgate {

class RealWorld : public PolicyWorld {
 public:
  // `program`: the word after the options, looked up in PATH for ${PROGRAM}; empty in check.
  explicit RealWorld(std::string program = {}) : program_(std::move(program)) {}

  // EFBIG above 16 MiB; a pipe is read to its end, so `--policy <(generate)` works.
  Result<std::string> read_file(const std::string& path) override;
  Result<std::string> read_profile(const std::string& name) override;
  std::vector<std::string> profile_names() override;
  Result<std::string> canonical(const std::string& path) override;
  bool is_directory(const std::string& path) override;
  bool ignores_case(const std::string& directory) override;
  Result<std::vector<Endpoint>> resolve_host(const std::string& host) override;
  std::string variable(const std::string& name) override;

 private:
  std::string program_;
};

// $CALLGATE_PROFILES; for what runs in the build tree the source's; else those installed with the
// program, wherever that was moved to.
std::string profile_directory();
// Where the shipped profile of this name would be.
std::string profile_file(const std::string& name);

// The file that execvp would run for this word; ENOENT, or EACCES when only unusable ones exist.
Result<std::string> find_program(const std::string& word);

}  // namespace callgate
