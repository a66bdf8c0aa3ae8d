#include "monitor/cli/bench_report.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "monitor/bench_statistics.h"
#include "monitor/escape.h"
#include "monitor/proc_files.h"

namespace callgate::cli {
namespace {

constexpr size_t kBarWidth = 36;
constexpr size_t kNameWidth = 23;
constexpr size_t kStepWidth = 54;

// Three digits that count.
std::string figure(double value) {
  char text[32];
  const int decimals = value >= 100 ? 0 : value >= 10 ? 1 : value >= 0.1 ? 2 : 3;
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

std::string times(std::optional<double> value) { return value ? figure(*value) + "x" : "-"; }

std::string left(std::string text, size_t width) {
  text.resize(std::max(width, text.size()), ' ');
  return text;
}

std::string right(const std::string& text, size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + text;
}

double largest_median(const WorkResult& result) {
  double most = 0;
  for (const auto& [who, samples] : result.samples) {
    most = std::max(most, median_of(samples.values));
  }
  return most;
}

std::string contestant_line(const WorkResult& result, Contestant who, double most) {
  std::string line = "  " + left(contestant_name(who), 10);
  const std::vector<double>* values = result.values(who);
  if (values == nullptr) return line + "  failed: " + result.samples.at(who).failure + "\n";
  const Spread spread = spread_of(*values);
  line += right(figure(spread.median), 8) + "  " +
          left(figure(spread.low) + "-" + figure(spread.high), 15);
  line += right(times(ratio(result, who, Contestant::Bare)), 7);
  const bool over_null = who != Contestant::Bare && who != Contestant::Null;
  line += right(over_null ? times(ratio(result, who, Contestant::Null)) : "", 7) + "  ";
  const double part = most > 0 ? spread.median / most : 0;
  line.append(static_cast<size_t>(std::lround(part * kBarWidth)), '#');
  while (line.ends_with(' ')) line.pop_back();
  return line + "\n";
}

std::string outcome_text(const Outcome& outcome) {
  if (!outcome.measured) return outcome.text + ": not measured";
  return outcome.text + ": " + figure(*outcome.measured) + (outcome.met ? ", met" : ", MISSED");
}

std::string block(const WorkResult& result, std::span<const WorkResult> all) {
  std::string out = "\n" + std::string(result.work->name) + ": " + result.work->what + "\n";
  if (!result.skipped.empty()) return out + "  skipped: " + result.skipped + "\n";
  const double most = largest_median(result);
  for (const auto& [who, samples] : result.samples) out += contestant_line(result, who, most);
  for (const Outcome& outcome : judge_targets(result, all)) {
    out += "  target: " + outcome_text(outcome) + "\n";
  }
  return out;
}

// The one figure of a step; nullopt when it was not measured.
std::optional<double> step_median(std::span<const WorkResult> results, std::string_view name) {
  for (const WorkResult& result : results) {
    if (result.work->name != name || result.samples.empty()) continue;
    const Samples& samples = result.samples.begin()->second;
    if (!samples.values.empty()) return median_of(samples.values);
  }
  return std::nullopt;
}

// What each step adds to the one it builds upon. Up to callgate's own row the sum is kept, and what
// that row is more than the sum is callgate's own.
std::string steps_text(std::span<const WorkResult> results) {
  std::string out = "\n  " + left("", kStepWidth) + right("adds", 9) + right("in all", 9) + "\n";
  double sum = 0;
  bool summed = true;
  for (const WorkResult& result : results) {
    const BenchWork& work = *result.work;
    if (work.group != BenchGroup::Steps) continue;
    const auto median = step_median(results, work.name);
    const auto base = step_median(results, work.base);
    out += "  " + left(work.what, kStepWidth);
    if (!median || (!base && !work.base.empty())) {
      out += "  not measured\n";
      continue;
    }
    const double added = median.value_or(0) - base.value_or(sum);
    sum += added;
    out += right(figure(added), 9) + (summed ? right(figure(sum), 9) : "") + "\n";
    if (work.name == "step-sealed") summed = false;
  }
  return out;
}

std::string head(std::span<const Contestant> shown) {
  std::string line = left("", kNameWidth) + right("bare", 14);
  for (const Contestant who : shown) line += right(contestant_name(who), 10);
  return line + "  targets\n";
}

std::string verdict_word(const std::vector<Outcome>& outcomes) {
  if (outcomes.empty()) return "";
  const auto met = std::count_if(outcomes.begin(), outcomes.end(),
                                 [](const Outcome& outcome) { return outcome.met; });
  const auto measured = std::count_if(outcomes.begin(), outcomes.end(), [](const Outcome& outcome) {
    return outcome.measured.has_value();
  });
  if (measured == 0) return "not measured";
  if (met == measured) return measured == std::ssize(outcomes) ? "met" : "met as far as measured";
  return "MISSED";
}

std::string summary_line(const WorkResult& result, std::span<const Contestant> shown,
                         std::span<const WorkResult> all) {
  std::string line = left(std::string(result.work->name), kNameWidth);
  if (!result.skipped.empty()) return line + "  skipped: " + result.skipped + "\n";
  const std::vector<double>* bare = result.values(Contestant::Bare);
  line += right(bare != nullptr ? figure(median_of(*bare)) + " " + result.work->unit : "-", 14);
  for (const Contestant who : shown) {
    const std::vector<double>* values = result.values(who);
    const auto over = ratio(result, who, Contestant::Bare);
    line += right(over ? times(over) : values != nullptr ? figure(median_of(*values)) : "-", 10);
  }
  line += "  " + verdict_word(judge_targets(result, all));
  while (line.ends_with(' ')) line.pop_back();
  return line + "\n";
}

}  // namespace

std::string machine_text() {
  std::string processor;
  if (auto text = read_whole_file("/proc/cpuinfo"); text.ok()) {
    const size_t key = text->find("model name");
    const size_t colon = key == std::string::npos ? key : text->find(": ", key);
    if (colon != std::string::npos) {
      processor = text->substr(colon + 2, text->find('\n', colon) - colon - 2);
    }
  }
  utsname name{};
  uname(&name);
  if (processor.empty()) processor = &name.machine[0];
  return escape_line(processor) + ", " + std::to_string(sysconf(_SC_NPROCESSORS_ONLN)) +
         " CPUs, Linux " + escape_line(&name.release[0]);
}

std::string group_text(BenchGroup group, std::span<const WorkResult> results) {
  std::string out = std::string("\n== ") + group_title(group) + "\n";
  if (group == BenchGroup::Steps) return out + steps_text(results);
  const bool rates = group == BenchGroup::Server;
  out += "  " + left("", 10) + right("median", 8) + "  " + left("quartiles", 15) +
         right("/bare", 7) + right("/null", 7) + (rates ? "  more is better\n" : "\n");
  for (const WorkResult& result : results) {
    if (result.work->group == group) out += block(result, results);
  }
  return out;
}

std::string summary_text(const BenchReport& report) {
  std::vector<Contestant> shown;
  for (const Contestant who : kContestants) {
    const bool measured =
        std::any_of(report.results.begin(), report.results.end(), [&](const WorkResult& result) {
          return result.work->group != BenchGroup::Steps && result.values(who) != nullptr;
        });
    if (measured && who != Contestant::Bare) shown.push_back(who);
  }
  std::string out = "\n== All, times bare\n\n" + head(shown);
  size_t targets = 0;
  std::string missed;
  for (const WorkResult& result : report.results) {
    if (result.work->group == BenchGroup::Steps) continue;
    out += summary_line(result, shown, report.results);
    for (const Outcome& outcome : judge_targets(result, report.results)) {
      if (!outcome.measured) continue;
      ++targets;
      if (!outcome.met)
        missed += "  " + std::string(result.work->name) + ": " + outcome_text(outcome) + "\n";
    }
  }
  if (const auto mean = whole_mean(report.results, Contestant::Sealed)) {
    out += left("mean of the works", kNameWidth) + right("", 14);
    for (const Contestant who : shown) {
      out += right(times(whole_mean(report.results, who)), 10);
    }
    const Outcome outcome{"sealed at most 1.5x bare in the geometric mean", kWholeMeanTarget, mean,
                          *mean <= kWholeMeanTarget};
    out += outcome.met ? "  met\n" : "  MISSED\n";
    ++targets;
    if (!outcome.met) missed += "  works: " + outcome_text(outcome) + "\n";
  }
  const auto misses = static_cast<size_t>(std::count(missed.begin(), missed.end(), '\n'));
  out += "\n" + std::to_string(targets - misses) + " of " + std::to_string(targets) +
         " targets met" + (missed.empty() ? "\n" : "; missed:\n" + missed);
  for (const Absent& absent : report.absent) {
    out += std::string("not measured: ") + contestant_name(absent.contestant) + " (" + absent.why +
           ")\n";
  }
  if (!report.complete) out += "interrupted: the figures are those of the rounds until then\n";
  return out;
}

}  // namespace callgate::cli
