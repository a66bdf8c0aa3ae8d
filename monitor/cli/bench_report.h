// What `callgate bench` says: a block of figures and bars for each work, a table of all, JSON.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "monitor/bench_verdict.h"

namespace callgate::cli {

struct BenchReport {
  int rounds = 0;
  bool quick = false;
  bool complete = true;  // false: interrupted
  std::vector<Absent> absent;
  std::vector<WorkResult> results;
};

std::string machine_text();  // processor, number of CPUs, kernel
// The works of one group, as soon as they are done. `results`: theirs and all before.
std::string group_text(BenchGroup group, std::span<const WorkResult> results);
// Every work in a line, the whole works' mean, the targets that were missed.
std::string summary_text(const BenchReport& report);
// docs/performance.md describes it.
std::string report_json(const BenchReport& report);

}  // namespace callgate::cli
