// Runs works under contestants, round by round over all of them, so that what disturbs the machine
// for a while disturbs each of them alike.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "arch/result.h"
#include "monitor/bench_process.h"
#include "monitor/bench_work.h"

namespace callgate {

struct Samples {
  std::vector<double> values;  // one a round, in the work's unit
  std::string failure;         // why there are no more; empty: there was none
};

struct WorkResult {
  const BenchWork* work = nullptr;
  std::string skipped;  // why nothing was run; empty: it was
  std::map<Contestant, Samples> samples;
  [[nodiscard]] const std::vector<double>* values(Contestant contestant) const;
};

class BenchRunner {
 public:
  struct Settings {
    int rounds = 7;
    bool quick = false;
    std::vector<Contestant> contestants;  // all others are left out
    // Before each run; false ends the benchmark.
    std::function<bool(const BenchWork&, Contestant, int round)> on_run;
  };
  // `directory` is empty and its own; policies and the works' files are written there.
  static Result<BenchRunner> create(Settings settings, const std::string& directory);

  // What was measured until the end, or until on_run said no.
  std::vector<WorkResult> run(const std::vector<const BenchWork*>& works);

 private:
  BenchRunner(Settings settings, std::string directory, std::string callgate)
      : settings_(std::move(settings)),
        directory_(std::move(directory)),
        callgate_(std::move(callgate)) {}
  struct Failed {
    std::string why;
  };
  using Measured = std::variant<double, Failed>;
  [[nodiscard]] Setting setting_for(const BenchWork& work) const;
  [[nodiscard]] std::string policy_file(BenchPolicy policy) const;
  Status write_policies() const;
  struct Job {
    Contestant who;
    Setting setting;
    std::vector<std::string> argv;
    int good_status = 0;
  };
  // What is done while the program runs; the figure, unless that is the time it took.
  using During = std::function<Result<double>(BenchProcess&)>;
  [[nodiscard]] Measured measure(const BenchWork& work, Contestant who) const;
  Measured run_program(BenchProcess& process, const Job& job, const During& during) const;
  [[nodiscard]] Measured run_loop_work(const LoopWork& work, Job job) const;
  [[nodiscard]] Measured run_command(const CommandWork& work, Job job) const;
  [[nodiscard]] Measured run_start(Job job) const;
  [[nodiscard]] Measured run_server(const ServerWork& work, Job job) const;
  [[nodiscard]] Measured run_memory(const MemoryWork& work, Job job) const;

  Settings settings_;
  std::string directory_;  // holds the policies, and "work"
  std::string callgate_;
};

}  // namespace callgate
