#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "monitor/bench_runner.h"
#include "monitor/cli/bench_programs.h"
#include "monitor/cli/bench_report.h"
#include "monitor/cli/command.h"
#include "monitor/cli/options.h"
#include "monitor/cli/say.h"
#include "monitor/escape.h"
#include "monitor/record_writer.h"

namespace callgate::cli {
namespace {

constexpr int kFailed = 1;
constexpr int kMostRounds = 1000;

volatile sig_atomic_t interrupted = 0;
void on_interrupt(int) { interrupted = 1; }

std::vector<std::string> split_words(const std::string& text) {
  std::vector<std::string> words;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    if (end > begin) words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

// Works by their names or their groups', in the table's order; nullopt after saying what is wrong.
std::optional<std::vector<const BenchWork*>> choose_works(const std::string& only) {
  const std::vector<std::string> words = split_words(only);
  std::vector<std::string> known;
  known.reserve(std::size(kBenchGroups) + bench_works().size());
  for (const BenchGroup group : kBenchGroups) known.emplace_back(group_name(group));
  for (const BenchWork& work : bench_works()) known.emplace_back(work.name);
  for (const std::string& word : words) {
    if (std::find(known.begin(), known.end(), word) != known.end()) continue;
    say("--only " + escape(word, 100) + ": no such work" + did_you_mean(word, known) +
        "; `callgate bench --list` names them");
    return std::nullopt;
  }
  std::vector<const BenchWork*> works;
  for (const BenchWork& work : bench_works()) {
    const bool chosen =
        words.empty() || std::any_of(words.begin(), words.end(), [&](const auto& w) {
          return w == work.name || w == group_name(work.group);
        });
    if (chosen) works.push_back(&work);
  }
  return works;
}

std::optional<std::vector<Contestant>> choose_contestants(const std::string& with) {
  const std::vector<std::string> words = split_words(with);
  std::vector<std::string> known;
  known.reserve(std::size(kContestants));
  for (const Contestant who : kContestants) known.emplace_back(contestant_name(who));
  std::vector<Contestant> chosen;
  for (const Contestant who : kContestants) {
    if (words.empty() || who == Contestant::Bare || who == Contestant::Sealed ||
        std::find(words.begin(), words.end(), contestant_name(who)) != words.end()) {
      chosen.push_back(who);
    }
  }
  for (const std::string& word : words) {
    if (std::find(known.begin(), known.end(), word) != known.end()) continue;
    say("--with " + escape(word, 100) + ": no such contestant" + did_you_mean(word, known));
    return std::nullopt;
  }
  return chosen;
}

std::string list_text(const std::vector<const BenchWork*>& works) {
  std::string out;
  for (const BenchGroup group : kBenchGroups) {
    std::string listed;
    for (const BenchWork* work : works) {
      if (work->group != group) continue;
      std::string name(work->name);
      name.resize(std::max<size_t>(name.size(), 22), ' ');
      listed += "  " + name + " " + work->what + "\n";
      for (const Target& target : work->targets) {
        listed += "      target: " + target_text(target, work->unit) + "\n";
      }
    }
    if (listed.empty()) continue;
    out += std::string(out.empty() ? "" : "\n") + group_name(group) + ": " + group_title(group) +
           "\n" + listed;
  }
  out += "\ncontestants:\n";
  for (const Contestant who : kContestants) {
    std::string name = contestant_name(who);
    name.resize(10, ' ');
    out += "  " + name + " " + contestant_text(who) + "\n";
  }
  return out;
}

// A directory that goes when this does.
class Scratch {
 public:
  Scratch() {
    std::error_code failed;
    std::string name = (std::filesystem::temp_directory_path(failed) / "callgate-bench-XXXXXX");
    if (!failed && mkdtemp(name.data()) != nullptr) {
      // gVisor's sandbox is another user, and goes through here; there is nothing to hide.
      std::filesystem::permissions(name, std::filesystem::perms(0755), failed);
      name_ = std::filesystem::canonical(name, failed);
    }
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code failed;
    if (!name_.empty()) std::filesystem::remove_all(name_, failed);
  }
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  std::string name_;
};

void show_progress(const BenchWork& work, Contestant who, int round, int rounds) {
  static const bool terminal = isatty(STDERR_FILENO) == 1;
  static const BenchWork* last = nullptr;
  const std::string name(work.name);
  if (terminal) {
    const std::string line =
        "\r\033[K" + name + ": " +
        (round == 0 ? std::string("warming up")
                    : "round " + std::to_string(round) + " of " + std::to_string(rounds)) +
        ", " + contestant_name(who);
    static_cast<void>(write_all(STDERR_FILENO, line, std::chrono::seconds(1)).ok());
  } else if (last == nullptr || last->group != work.group) {
    say(std::string("measuring ") + group_name(work.group));
  }
  last = &work;
}

void end_progress() {
  if (isatty(STDERR_FILENO) != 1) return;
  static_cast<void>(write_all(STDERR_FILENO, "\r\033[K", std::chrono::seconds(1)).ok());
}

void warn_if_busy() {
  constexpr double kQuiet = 0.5;  // runnable tasks beside us, on average over the last minute
  double load = 0;
  if (getloadavg(&load, 1) != 1 || load < kQuiet) return;
  char text[16];
  std::snprintf(text, sizeof text, "%.1f", load);
  say(std::string("warning: the load average is ") + text +
      "; what else runs here is in the figures");
}

bool write_json(const std::string& path, const std::string& text) {
  UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  const Status written =
      file.valid() ? write_all(file.get(), text, std::chrono::seconds(10)) : Status(last_error());
  if (!written.ok()) say("cannot write " + escape(path) + ": " + error_text(written.error().code));
  return written.ok();
}

int measure(const std::vector<const BenchWork*>& works, BenchRunner::Settings settings,
            const std::string& json_path) {
  Scratch scratch;
  if (scratch.name().empty()) {
    say("no temporary directory: " + error_text(errno));
    return kFailed;
  }
  warn_if_busy();
  BenchReport report;
  report.rounds = settings.rounds;
  report.quick = settings.quick;
  report.absent = absent_contestants(scratch.name());
  for (const Absent& absent : report.absent) {
    std::erase(settings.contestants, absent.contestant);
  }
  settings.on_run = [&](const BenchWork& work, Contestant who, int round) {
    if (interrupted == 0) show_progress(work, who, round, report.rounds);
    report.complete = interrupted == 0;
    return report.complete;
  };
  auto runner = BenchRunner::create(settings, scratch.name());
  if (!runner.ok()) {
    say("cannot set the works up: " + error_text(runner.error().code));
    return kFailed;
  }
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);

  bool printed =
      print(machine_text() + "; callgate " CALLGATE_VERSION ", " + std::to_string(report.rounds) +
            " rounds" + (report.quick ? ", quick: short loops, smaller works\n" : "\n"));
  for (const BenchGroup group : kBenchGroups) {
    std::vector<const BenchWork*> members;
    std::copy_if(works.begin(), works.end(), std::back_inserter(members),
                 [&](const BenchWork* work) { return work->group == group; });
    if (members.empty() || !report.complete) continue;
    for (WorkResult& result : runner->run(members)) report.results.push_back(std::move(result));
    end_progress();
    printed = printed && print(group_text(group, report.results));
  }
  printed = printed && print(summary_text(report));
  if (!json_path.empty() && !write_json(json_path, report_json(report))) return kFailed;
  return printed && report.complete ? 0 : kFailed;
}

}  // namespace

int bench_command(const Options& options) {
  const std::vector<std::string>& words = options.words();
  if (!words.empty()) {
    if (const auto status = bench_program(words)) return *status;
    say("bench takes no '" + escape(words[0], 100) + "'; works are chosen with --only, `callgate " +
        "bench --list` names them");
    return kQuestionUsage;
  }
  const auto works = choose_works(options.value("only"));
  const auto contestants = choose_contestants(options.value("with"));
  if (!works || !contestants) return kQuestionUsage;
  if (options.has("list")) return print(list_text(*works)) ? 0 : kFailed;
  BenchRunner::Settings settings;
  settings.quick = options.has("quick");
  settings.rounds = settings.quick ? 3 : 7;
  if (options.has("rounds")) {
    const auto rounds = read_count(options.value("rounds"));
    if (!rounds || *rounds < 1 || *rounds > kMostRounds) {
      say("--rounds " + escape(options.value("rounds"), 100) + ": expected a number from 1 to " +
          std::to_string(kMostRounds));
      return kQuestionUsage;
    }
    settings.rounds = *rounds;
  }
  settings.contestants = *contestants;
  return measure(*works, std::move(settings), options.value("json"));
}

}  // namespace callgate::cli
