// The programs that the benchmark runs under each contestant are callgate's own: `callgate bench
// loop`, `null`, `serve` and `hold`, which may also be run by hand, under a monitor of one's own.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace callgate::cli {

// Runs the one that the first word names: its exit status. nullopt when it names none.
std::optional<int> bench_program(std::span<const std::string> words);

// A number without sign, all of the text; nullopt when it is none or does not fit.
std::optional<int> read_count(std::string_view text);

}  // namespace callgate::cli
