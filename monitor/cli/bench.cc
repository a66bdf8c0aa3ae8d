#include <sys/wait.h>

#include <cstdio>

#include "monitor/argument_area.h"
#include "monitor/bench_loop.h"
#include "monitor/cli/command.h"
#include "monitor/cli/options.h"
#include "monitor/cli/say.h"
#include "monitor/null_monitor.h"

namespace callgate::cli {
namespace {

int loop_command(std::span<const std::string> words) {
  auto request = parse_loop(words);
  if (!request.ok()) {
    say("bench loop NAME [MILLISECONDS] [tasks=N] [descriptors=N] [past=N]");
    return kQuestionUsage;
  }
  auto nanoseconds = run_loop(*request);
  if (!nanoseconds.ok()) {
    say("bench loop " + request->name + ": " + error_text(nanoseconds.error().code));
    return 1;
  }
  char text[64];
  std::snprintf(text, sizeof text, "%.1f\n", *nanoseconds);
  return print(text) ? 0 : 1;
}

int null_command(const Options& options, std::span<const std::string> words) {
  NullMonitor monitor;
  monitor.argv.assign(words.begin(), words.end());
  const auto policy = load_or_say(options.values("policy"), monitor.argv.front());
  if (!policy) return kOwnFailure;
  FilterInputs inputs;
  inputs.needs = policy->needs();
  auto filter = compile_filter(inputs);
  if (!filter.ok()) return kOwnFailure;
  monitor.filter = *std::move(filter);
  monitor.co_schedule = !options.has("no-coschedule");
  const std::string step = options.value("steps");
  for (const NullStep each : kNullSteps) {
    if (step == null_step_name(each)) monitor.last = each;
  }
  auto status = monitor.run();
  if (!status.ok()) return kOwnFailure;
  return WIFEXITED(*status) ? WEXITSTATUS(*status) : 128 + WTERMSIG(*status);
}

}  // namespace

int bench_command(const Options& options) {
  const std::vector<std::string>& words = options.words();
  const std::span<const std::string> rest = std::span(words).subspan(words.empty() ? 0 : 1);
  if (!words.empty() && words[0] == "loop") return loop_command(rest);
  if (!words.empty() && words[0] == "null") return null_command(options, rest);
  return 1;
}

}  // namespace callgate::cli
