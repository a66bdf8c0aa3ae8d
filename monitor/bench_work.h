// What is measured: each work with the program it runs, the policy it runs under and what callgate
// wants to reach. A table, in bench_work.cc.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "monitor/bench_contestant.h"
#include "monitor/bench_loop.h"

namespace callgate {

// A loop that tells its own time.
struct LoopWork {
  LoopRequest loop;
};
// A command, timed whole.
struct CommandWork {
  std::vector<std::string> argv;
  std::vector<std::string> quick_argv = {};  // with --quick; empty: the same
  int good_status = 0;
};
// The start of a program that does nothing.
struct StartWork {};
// The built-in server, asked by the built-in client outside.
struct ServerWork {
  const char* request;  // "kept", "new", "file"
};
// What callgate occupies while so many tasks exist.
struct MemoryWork {
  int processes = 0;
  int threads = 0;
};
using Measure = std::variant<LoopWork, CommandWork, StartWork, ServerWork, MemoryWork>;

enum class BenchPolicy : uint8_t {
  Usual,    // read and run everything, write in the work's directory alone: every open is judged
  Stat,     // and what may be looked at
  Hundred,  // and 100 statements more
  Many,     // and kManyRules
  Server,   // as Usual, and a server may listen on 127.0.0.1
  Trees,    // as Usual but for /proc, in plain trees, which Landlock can judge
};
inline constexpr int kManyRules = 10'000;

struct Target {
  enum class Kind : uint8_t {
    OverBare,   // sealed / bare, at most
    Offloaded,  // landlock / bare, at most
    OverNull,   // sealed / null, at most
    PeerAdds,   // (peer - bare) / (sealed - bare), at least
    AboveBare,  // sealed - bare, at most
    OfBare,     // sealed / bare, at least (rates)
    AtMost,     // sealed, at most
    OverWork,   // sealed / another work's sealed, at most
  };
  Kind kind;
  double limit;
  Contestant peer = Contestant::Bare;  // PeerAdds
  std::string_view work = {};          // OverWork
};

enum class BenchGroup : uint8_t { Micro, Steps, Whole, Server, Start, Memory, Scale };
inline constexpr std::array kBenchGroups = {
    BenchGroup::Micro, BenchGroup::Steps,  BenchGroup::Whole, BenchGroup::Server,
    BenchGroup::Start, BenchGroup::Memory, BenchGroup::Scale};
const char* group_name(BenchGroup group);
const char* group_title(BenchGroup group);

struct BenchWork {
  std::string_view name;
  BenchGroup group;
  const char* what;
  const char* unit;  // "us", "ms", "s", "requests/s", "MB"
  Measure measure;
  BenchPolicy policy = BenchPolicy::Usual;
  std::vector<Contestant> contestants;  // those that make sense
  std::vector<Target> targets = {};
  std::vector<std::string> needs = {};  // programs, and whole names of what else must exist
  bool parallel = false;                // uses more than one CPU
  NullStep step = NullStep::Continue;
  std::string_view base = {};           // BenchGroup::Steps: the step that this one adds to
  [[nodiscard]] bool is_rate() const { return std::string_view(unit) == "requests/s"; }
};
const std::vector<BenchWork>& bench_works();
// The geometric mean of sealed over bare for BenchGroup::Whole.
inline constexpr double kWholeMeanTarget = 1.5;

// "sealed at most 2.6x the null monitor"
std::string target_text(const Target& target, std::string_view unit);

}  // namespace callgate
