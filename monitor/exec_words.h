// How the argument list of a new image tells what was executed. For a script the kernel runs what
// its first line names, and puts the line's words and the script's name before the caller's
// arguments; which file it took them from it does not say. So the list itself is judged: it must be
// the one that the judged file leads to, or one that the caller could have asked for in so many
// words, and then it matters to nobody which file it was.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "arch/abi.h"
#include "monitor/tracee_memory.h"

namespace callgate {

// The words of a "#!" line as the kernel reads it (fs/binfmt_script.c): the interpreter, and its
// argument if there is one. Empty: no script. `header` is the file's beginning, 256 bytes where it
// has them.
inline constexpr size_t kScriptHeader = 256;
std::vector<std::string> script_words(std::string_view header);

struct ExecWords {
  // A script whose interpreter is a script, and so on: the kernel follows five, of two words and a
  // name each. What the caller gave is kept as far as that could reach.
  static constexpr size_t kMostLevels = 5;
  static constexpr size_t kMost = 3 * kMostLevels;
  static constexpr size_t kMostBytes = 4096;  // of each

  std::vector<std::string> lines;  // what stands before the script's name, the innermost line first
  std::string name;                // of the judged file, as an interpreter is told it
  std::vector<std::string> given;  // the caller's own list, or its beginning

  // `seen` is the image's list, or its beginning (kMost words, kMostBytes of each).
  [[nodiscard]] bool lead_to(const std::vector<std::string>& seen) const;
};

// The name by which an interpreter finds what execveat(directory, path) executes.
std::string interpreted_name(int directory, const std::string& path);
// The list that the caller's argv points to, as far as it can be read.
std::vector<std::string> read_given_words(const TraceeMemory& memory, TraceeAddr argv, Abi abi);
// The list of the image that a process runs now.
std::vector<std::string> read_image_words(pid_t pid);

}  // namespace callgate
