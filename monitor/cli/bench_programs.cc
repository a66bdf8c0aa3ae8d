#include "monitor/cli/bench_programs.h"

#include <sys/wait.h>

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "monitor/bench_hold.h"
#include "monitor/bench_loop.h"
#include "monitor/bench_server.h"
#include "monitor/cli/command.h"
#include "monitor/cli/say.h"
#include "monitor/null_monitor.h"

namespace callgate::cli {
namespace {

constexpr int kFailed = 1;

int usage(const char* form) {
  say(std::string("usage: callgate bench ") + form);
  return kQuestionUsage;
}

int ended(const Status& status, const char* what) {
  if (status.ok()) return 0;
  say(std::string("bench ") + what + ": " + error_text(status.error().code));
  return kFailed;
}

int loop_command(std::span<const std::string> words) {
  auto request = parse_loop(words);
  if (!request.ok()) {
    return usage("loop NAME [MILLISECONDS] [tasks=N] [descriptors=N] [past=N]");
  }
  auto nanoseconds = run_loop(*request);
  if (!nanoseconds.ok()) return ended(nanoseconds.error(), "loop");
  char text[32];
  std::snprintf(text, sizeof text, "%.1f\n", *nanoseconds);
  return print(text) ? 0 : kFailed;
}

int null_command(std::span<const std::string> words) {
  constexpr const char* kForm = "null -- POLICY STEP one-cpu|all-cpus PROGRAM [ARGUMENT...]";
  if (words.size() < 4) return usage(kForm);
  const auto step = std::find_if(kNullSteps.begin(), kNullSteps.end(),
                                 [&](NullStep each) { return words[1] == null_step_name(each); });
  if (step == kNullSteps.end()) return usage(kForm);
  NullMonitor monitor;
  monitor.argv.assign(words.begin() + 3, words.end());
  monitor.last = *step;
  monitor.co_schedule = words[2] == "one-cpu";
  const std::optional<Policy> policy = load_or_say({words[0]}, monitor.argv.front());
  if (!policy) return kOwnFailure;
  FilterInputs inputs;
  inputs.needs = policy->needs();
  auto filter = compile_filter(inputs);
  if (!filter.ok()) return ended(filter.error(), "null");
  monitor.filter = *std::move(filter);
  auto status = monitor.run();
  if (!status.ok()) return ended(status.error(), "null");
  return WIFEXITED(*status) ? WEXITSTATUS(*status) : 128 + WTERMSIG(*status);
}

int hold_command(std::span<const std::string> words) {
  const auto processes = words.size() == 2 ? read_count(words[0]) : std::nullopt;
  const auto threads = words.size() == 2 ? read_count(words[1]) : std::nullopt;
  if (!processes || !threads) return usage("hold PROCESSES THREADS");
  return ended(hold_tasks(*processes, *threads), "hold");
}

}  // namespace

std::optional<int> bench_program(std::span<const std::string> words) {
  const std::span<const std::string> rest = words.subspan(1);
  if (words[0] == "loop") return loop_command(rest);
  if (words[0] == "null") return null_command(rest);
  if (words[0] == "serve") return ended(serve_http(), "serve");
  if (words[0] == "hold") return hold_command(rest);
  return std::nullopt;
}

std::optional<int> read_count(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

}  // namespace callgate::cli
