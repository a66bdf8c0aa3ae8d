#include "monitor/bench_runner.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "monitor/bench_inputs.h"
#include "monitor/bench_process.h"
#include "monitor/bench_server.h"
#include "monitor/policy_world.h"
#include "monitor/proc_files.h"
#include "monitor/record_writer.h"

namespace callgate {
namespace {

constexpr int kLoopMs = 100;
constexpr int kQuickLoopMs = 20;
constexpr int kServerMs = 250;
constexpr int kQuickServerMs = 50;

constexpr std::array kPolicies = {BenchPolicy::Usual, BenchPolicy::Stat,   BenchPolicy::Hundred,
                                  BenchPolicy::Many,  BenchPolicy::Server, BenchPolicy::Trees};

bool is_there(const std::string& what) {
  return what.starts_with('/') ? ::access(what.c_str(), R_OK) == 0 : find_program(what).ok();
}

std::string skip_reason(const BenchWork& work) {
  std::string missing;
  for (const std::string& what : work.needs) {
    if (!is_there(what)) missing += (missing.empty() ? "" : ", ") + what;
  }
  return missing.empty() ? "" : "not there: " + missing;
}

std::string said(Error error) {
  return error.code == ETIME ? "it did not end and was killed" : std::strerror(error.code);
}

// Megabytes that a process has resident, what it shares with others counted in full.
double resident_megabytes(const std::string& status) {
  constexpr std::string_view kField = "\nVmRSS:";
  const size_t at = status.find(kField);
  if (at == std::string::npos) return 0;
  return std::strtod(status.c_str() + at + kField.size(), nullptr) * 1024 / 1e6;
}

// Of callgate's own processes together: the front, its monitor and that one's keepers.
Result<double> own_megabytes(pid_t front) {
  std::map<pid_t, std::vector<std::pair<pid_t, std::string>>> callgates;  // by parent, with status
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", failed)) {
    const std::string name = entry.path().filename();
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error != std::errc() || end != name.data() + name.size()) continue;
    auto text = read_whole_file(entry.path().string() + "/status");
    if (!text.ok() || !text->starts_with("Name:\tcallgate-")) continue;
    auto status = read_task_status(pid);
    if (status.ok()) callgates[status->parent].emplace_back(pid, *std::move(text));
  }
  if (callgates[front].empty()) return Error{ESRCH};
  CALLGATE_TRY(const std::string own,
               read_whole_file("/proc/" + std::to_string(front) + "/status"));
  double megabytes = resident_megabytes(own);
  for (const auto& [monitor, monitor_status] : callgates[front]) {
    megabytes += resident_megabytes(monitor_status);
    for (const auto& [keeper, keeper_status] : callgates[monitor]) {
      megabytes += resident_megabytes(keeper_status);
    }
  }
  return megabytes;
}

}  // namespace

const std::vector<double>* WorkResult::values(Contestant contestant) const {
  const auto found = samples.find(contestant);
  return found == samples.end() || found->second.values.empty() ? nullptr : &found->second.values;
}

Result<BenchRunner> BenchRunner::create(Settings settings, const std::string& directory) {
  CALLGATE_TRY(std::string callgate, read_link("/proc/self/exe"));
  BenchRunner runner(std::move(settings), directory, std::move(callgate));
  const std::string work = directory + "/work";
  if (::mkdir(work.c_str(), 0755) != 0) return last_error();
  CALLGATE_TRY([[maybe_unused]] Unit policies, runner.write_policies());
  CALLGATE_TRY([[maybe_unused]] Unit sources, write_bench_sources(work));
  // What the works would otherwise take from the user's surroundings.
  setenv("TMPDIR", work.c_str(), 1);
  setenv("LC_ALL", "C", 1);
  setenv("CCACHE_DISABLE", "1", 1);
  return runner;
}

std::string BenchRunner::policy_file(BenchPolicy policy) const {
  return directory_ + "/" + std::to_string(static_cast<int>(policy)) + ".policy";
}

Status BenchRunner::write_policies() const {
  for (const BenchPolicy policy : kPolicies) {
    UniqueFd file(::open(policy_file(policy).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    if (!file.valid()) return last_error();
    CALLGATE_TRY([[maybe_unused]] Unit written,
                 write_all(file.get(), bench_policy_text(policy, directory_ + "/work"),
                           std::chrono::seconds(10)));
  }
  return Unit{};
}

Setting BenchRunner::setting_for(const BenchWork& work) const {
  Setting setting;
  setting.callgate = callgate_;
  setting.policy = policy_file(work.policy);
  setting.trees = policy_file(BenchPolicy::Trees);
  // A question mark: not every machine has every one of them.
  setting.strace_calls =
      "?open,?openat,?openat2,?creat,?execve,?execveat,?mkdir,?mkdirat,?unlink,?unlinkat,?rmdir,"
      "?rename,?renameat,?renameat2,?link,?linkat,?symlink,?symlinkat,?truncate,?chmod,?fchmodat,"
      "?bind,?listen,?connect,?accept,?accept4";
  if (work.policy == BenchPolicy::Stat) {
    setting.strace_calls += ",?stat,?lstat,?newfstatat,?statx,?access,?faccessat,?faccessat2";
  }
  setting.one_cpu = !work.parallel;
  setting.step = work.step;
  return setting;
}

BenchRunner::Measured BenchRunner::run_program(BenchProcess& process, const Job& job,
                                               const During& during) const {
  if (auto started =
          process.start(contestant_command(job.who, job.setting, job.argv), directory_ + "/work");
      !started.ok()) {
    return Failed{said(started.error())};
  }
  const Result<double> value = during(process);
  auto status = process.finish();
  if (!status.ok()) return Failed{said(status.error())};
  if (!WIFEXITED(*status) || WEXITSTATUS(*status) != job.good_status) {
    return Failed{process.explain(*status)};
  }
  if (!value.ok()) return Failed{said(value.error())};
  return *value;
}

BenchRunner::Measured BenchRunner::run_loop_work(const LoopWork& work, Job job) const {
  LoopRequest request = work.loop;
  request.milliseconds = settings_.quick ? kQuickLoopMs : kLoopMs;
  if (settings_.quick) request.past /= 10;
  job.argv = {callgate_, "bench", "loop"};
  for (std::string& word : loop_words(request)) job.argv.push_back(std::move(word));
  BenchProcess process;
  return run_program(process, job, [](BenchProcess& loop) -> Result<double> {
    CALLGATE_TRY(const std::string nanoseconds, loop.read_line());
    constexpr double kNsInUs = 1000;
    return std::strtod(nanoseconds.c_str(), nullptr) / kNsInUs;
  });
}

BenchRunner::Measured BenchRunner::run_command(const CommandWork& work, Job job) const {
  job.argv = settings_.quick && !work.quick_argv.empty() ? work.quick_argv : work.argv;
  job.good_status = work.good_status;
  BenchProcess process;
  const Measured done =
      run_program(process, job, [](BenchProcess&) -> Result<double> { return 0; });
  return std::holds_alternative<Failed>(done) ? done : process.seconds();
}

BenchRunner::Measured BenchRunner::run_start(Job job) const {
  Measured measured = run_command({.argv = {"/bin/true"}}, std::move(job));
  constexpr double kMsInSecond = 1000;
  if (auto* seconds = std::get_if<double>(&measured)) *seconds *= kMsInSecond;
  return measured;
}

BenchRunner::Measured BenchRunner::run_server(const ServerWork& work, Job job) const {
  job.argv = {callgate_, "bench", "serve"};
  BenchProcess process;
  return run_program(process, job, [&](BenchProcess& server) -> Result<double> {
    CALLGATE_TRY(const std::string port, server.read_line());
    return ask_http(static_cast<int>(std::strtol(port.c_str(), nullptr, 10)), work.request,
                    settings_.quick ? kQuickServerMs : kServerMs);
  });
}

BenchRunner::Measured BenchRunner::run_memory(const MemoryWork& work, Job job) const {
  job.argv = {callgate_, "bench", "hold", std::to_string(work.processes),
              std::to_string(work.threads)};
  BenchProcess process;
  return run_program(process, job, [](BenchProcess& crowd) -> Result<double> {
    CALLGATE_TRY([[maybe_unused]] const std::string there, crowd.read_line());
    return own_megabytes(crowd.pid());
  });
}

BenchRunner::Measured BenchRunner::measure(const BenchWork& work, Contestant who) const {
  Job job{who, setting_for(work), {}, 0};
  if (const auto* loop = std::get_if<LoopWork>(&work.measure)) {
    return run_loop_work(*loop, std::move(job));
  }
  if (const auto* command = std::get_if<CommandWork>(&work.measure)) {
    return run_command(*command, std::move(job));
  }
  if (const auto* server = std::get_if<ServerWork>(&work.measure)) {
    return run_server(*server, std::move(job));
  }
  if (const auto* memory = std::get_if<MemoryWork>(&work.measure)) {
    return run_memory(*memory, std::move(job));
  }
  return run_start(std::move(job));
}

std::vector<WorkResult> BenchRunner::run(const std::vector<const BenchWork*>& works) {
  std::vector<WorkResult> results;
  for (const BenchWork* work : works) {
    WorkResult result{work, skip_reason(*work), {}};
    for (const Contestant who : work->contestants) {
      const bool wanted = std::find(settings_.contestants.begin(), settings_.contestants.end(),
                                    who) != settings_.contestants.end();
      if (wanted && result.skipped.empty()) result.samples[who];
    }
    results.push_back(std::move(result));
  }
  // Round 0 warms what the first would have to: caches, the page cache above all. Not counted.
  for (int round = 0; round <= settings_.rounds; ++round) {
    for (WorkResult& result : results) {
      for (auto& [who, samples] : result.samples) {
        if (!samples.failure.empty()) continue;
        if (round == 0 && who != Contestant::Bare) continue;
        if (!settings_.on_run(*result.work, who, round)) return results;
        auto measured = measure(*result.work, who);
        if (const auto* failed = std::get_if<Failed>(&measured)) samples.failure = failed->why;
        if (const auto* value = std::get_if<double>(&measured); value != nullptr && round > 0) {
          samples.values.push_back(*value);
        }
      }
    }
  }
  return results;
}

}  // namespace callgate
