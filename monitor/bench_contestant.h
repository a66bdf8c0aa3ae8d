// Who is measured: the bare machine, the floor of every monitor, callgate in its models, and the
// peers that are installed; and how each of them is made to run a program.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "monitor/null_monitor.h"

namespace callgate {

enum class Contestant : uint8_t {
  Bare,
  Null,
  Naive,
  Canonical,
  Sealed,
  Landlock,
  Strace,
  Proot,
  Gvisor
};
inline constexpr std::array kContestants = {
    Contestant::Bare,      Contestant::Null,   Contestant::Naive,
    Contestant::Canonical, Contestant::Sealed, Contestant::Landlock,
    Contestant::Strace,    Contestant::Proot,  Contestant::Gvisor};
const char* contestant_name(Contestant contestant);  // "bare" ... "proot", "gvisor"
const char* contestant_text(Contestant contestant);  // what it is, in one line

// What a contestant must know of the work that it runs.
struct Setting {
  std::string callgate;      // this program
  std::string policy;        // the file
  std::string trees;         // the same in plain trees (BenchPolicy::Trees), for Landlock
  std::string strace_calls;  // what strace is asked to see: the calls that the policy judges
  bool one_cpu = true;       // the null monitor keeps all on one CPU
  NullStep step = NullStep::Continue;
};
std::vector<std::string> contestant_command(Contestant contestant, const Setting& setting,
                                            const std::vector<std::string>& argv);

struct Absent {
  Contestant contestant;
  std::string why;
};
// Peers that are not installed, or that cannot run /bin/true here, and Landlock where it takes
// nothing over. `directory` may be written.
std::vector<Absent> absent_contestants(const std::string& directory);

}  // namespace callgate
