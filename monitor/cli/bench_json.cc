#include <nlohmann/json.hpp>

#include "monitor/bench_statistics.h"
#include "monitor/cli/bench_report.h"

namespace callgate::cli {
namespace {

using nlohmann::ordered_json;

constexpr const char* kSchema = "callgate-bench/1";

ordered_json or_null(std::optional<double> value) {
  return value ? ordered_json(*value) : ordered_json(nullptr);
}
ordered_json or_null(const std::string& text) {
  return text.empty() ? ordered_json(nullptr) : ordered_json(text);
}

ordered_json contestant_json(const WorkResult& result, Contestant who, const Samples& samples) {
  ordered_json json = {{"name", contestant_name(who)},
                       {"samples", samples.values},
                       {"failure", or_null(samples.failure)}};
  if (samples.values.empty()) return json;
  const Spread spread = spread_of(samples.values);
  json["median"] = spread.median;
  json["first_quartile"] = spread.low;
  json["third_quartile"] = spread.high;
  json["over_bare"] = or_null(ratio(result, who, Contestant::Bare));
  json["over_null"] = or_null(ratio(result, who, Contestant::Null));
  return json;
}

ordered_json work_json(const WorkResult& result, std::span<const WorkResult> all) {
  ordered_json contestants = ordered_json::array();
  for (const auto& [who, samples] : result.samples) {
    contestants.push_back(contestant_json(result, who, samples));
  }
  ordered_json targets = ordered_json::array();
  for (const Outcome& outcome : judge_targets(result, all)) {
    targets.push_back({{"text", outcome.text},
                       {"limit", outcome.limit},
                       {"measured", or_null(outcome.measured)},
                       {"met", outcome.met}});
  }
  return {{"name", result.work->name},
          {"group", group_name(result.work->group)},
          {"what", result.work->what},
          {"unit", result.work->unit},
          {"better", result.work->is_rate() ? "more" : "less"},
          {"skipped", or_null(result.skipped)},
          {"contestants", contestants},
          {"targets", targets}};
}

}  // namespace

std::string report_json(const BenchReport& report) {
  ordered_json absent = ordered_json::array();
  for (const Absent& each : report.absent) {
    absent.push_back({{"name", contestant_name(each.contestant)}, {"why", each.why}});
  }
  ordered_json works = ordered_json::array();
  ordered_json means = ordered_json::object();
  for (const WorkResult& result : report.results)
    works.push_back(work_json(result, report.results));
  for (const Contestant who : kContestants) {
    if (const auto mean = whole_mean(report.results, who)) means[contestant_name(who)] = *mean;
  }
  const ordered_json json = {{"schema", kSchema},
                             {"callgate", CALLGATE_VERSION},
                             {"machine", machine_text()},
                             {"rounds", report.rounds},
                             {"quick", report.quick},
                             {"complete", report.complete},
                             {"absent", absent},
                             {"works", works},
                             {"whole_works_over_bare", means}};
  constexpr int kIndent = 2;
  return json.dump(kIndent, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace callgate::cli
