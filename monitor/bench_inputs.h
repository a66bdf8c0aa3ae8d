// The files that the works of the benchmark read: policies to run under, sources to compile.
#pragma once

#include <string>

#include "arch/result.h"
#include "monitor/bench_work.h"

namespace callgate {

// `directory` is where the works run: the only one that may be written.
std::string bench_policy_text(BenchPolicy policy, const std::string& directory);

// A C++ file, and a directory of C files with a Makefile: targets `all` and `some`.
Status write_bench_sources(const std::string& directory);

}  // namespace callgate
