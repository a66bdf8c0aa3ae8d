// What parsing yields: every statement as a value, in the order in which they take effect, and
// what loading had to say about them. Policy::Impl indexes it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "policy/rules.h"

namespace callgate {

struct Program {
  std::vector<std::unique_ptr<Statement>> statements;
  std::vector<PathRule> paths;
  std::vector<NetRule> networks;
  std::vector<SignalRule> signals;
  std::vector<SyscallRule> syscalls;
  std::vector<LimitRule> limits;
  std::vector<EnvironmentRule> environment;
  std::vector<std::string> warnings;
  bool runtime = true;  // the built-in list stands first
};

// "file:line:column: warning: ..." as every finding of `check` is written.
std::string warning_at(const SourcePosition& position, const std::string& text);

}  // namespace callgate
