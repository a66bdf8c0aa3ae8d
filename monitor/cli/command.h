// The commands of callgate: one row each, with what `callgate help` teaches about it. A new
// command is a row in commands() and a function; main and help know no command by name.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace callgate::cli {

// Statuses of callgate's own; a program's own status passes through unchanged.
inline constexpr int kOwnFailure = 125;     // run, audit: nothing was started (as env(1))
inline constexpr int kNotExecutable = 126;  // the program was found and could not be run
inline constexpr int kNotFound = 127;
inline constexpr int kQuestionUsage = 2;  // check, explain, filter, doctor, help: wrong usage

struct OptionSpec {
  const char* name;   // "policy"
  char letter;        // 'p', or 0
  const char* value;  // "FILE|PROFILE"; nullptr: the option takes none
  bool repeatable;
  const char* help;
};

class Options;

struct Command {
  const char* name;
  const char* summary;   // one line in `callgate help`
  const char* usage;     // "run --policy FILE|PROFILE [OPTION...] [--] PROGRAM [ARGUMENT...]"
  const char* teaching;  // what it does, and when to use it; before the options
  const char* examples;  // after the options
  std::span<const OptionSpec> options;
  bool takes_program;  // the first word that is no option begins the program's own words
  int usage_status;
  int (*function)(const Options& options);
};

std::span<const Command> commands();
const Command* find_command(std::string_view name);

int run_command(const Options& options);
int audit_command(const Options& options);
int check_command(const Options& options);
int explain_command(const Options& options);
int filter_command(const Options& options);
int doctor_command(const Options& options);
int lab_command(const Options& options);
int bench_command(const Options& options);

// The whole of callgate; `words` without argv[0].
int command_main(const std::vector<std::string>& words);

}  // namespace callgate::cli
