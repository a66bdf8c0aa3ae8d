#include "monitor/bench_contestant.h"

#include <unistd.h>

#include "monitor/bench_inputs.h"
#include "monitor/bench_process.h"
#include "monitor/fence.h"
#include "monitor/policy_world.h"

namespace callgate {
namespace {

using Words = std::vector<std::string>;

Words callgate_run(const Setting& setting, const char* model) {
  return {setting.callgate, "run", "--model", model, "--policy", setting.policy, "--"};
}

Words prefix(Contestant contestant, const Setting& setting) {
  switch (contestant) {
    case Contestant::Bare:
      return {};
    case Contestant::Null:
      return {setting.callgate,
              "bench",
              "null",
              "--",
              setting.policy,
              null_step_name(setting.step),
              setting.one_cpu ? "one-cpu" : "all-cpus"};
    case Contestant::Naive:
      return callgate_run(setting, "naive");
    case Contestant::Canonical:
      return callgate_run(setting, "canonical");
    case Contestant::Sealed:
      return callgate_run(setting, "sealed");
    case Contestant::Landlock:
      return {setting.callgate, "run", "--quiet", "--policy", setting.trees, "--"};
    case Contestant::Strace:
      return {"strace", "-f",       "--seccomp-bpf", "-e", "trace=" + setting.strace_calls,
              "-o",     "/dev/null"};
    case Contestant::Proot:
      return {"proot"};
    case Contestant::Gvisor: {
      Words words = {"runsc", "--platform=ptrace", "--network=none", "--ignore-cgroups"};
      if (geteuid() != 0) words.emplace_back("--rootless");
      words.emplace_back("do");
      return words;
    }
  }
  return {};
}

std::string why_no_landlock(const std::string& directory) {
  RealWorld world;
  auto policy = parse_policy(bench_policy_text(BenchPolicy::Trees, directory), "bench", world);
  if (const auto* error = std::get_if<PolicyError>(&policy)) return error->message;
  SessionOptions options;
  options.unheard = true;
  return make_fence(options, std::get<Policy>(policy)).why_not;
}

}  // namespace

const char* contestant_name(Contestant contestant) {
  switch (contestant) {
    case Contestant::Bare:
      return "bare";
    case Contestant::Null:
      return "null";
    case Contestant::Naive:
      return "naive";
    case Contestant::Canonical:
      return "canonical";
    case Contestant::Sealed:
      return "sealed";
    case Contestant::Landlock:
      return "landlock";
    case Contestant::Strace:
      return "strace";
    case Contestant::Proot:
      return "proot";
    case Contestant::Gvisor:
      return "gvisor";
  }
  return "";
}

const char* contestant_text(Contestant contestant) {
  switch (contestant) {
    case Contestant::Bare:
      return "no monitor";
    case Contestant::Null:
      return "a tracer that lets each stop of the same filter go on at once, on one CPU with the "
             "program: the floor";
    case Contestant::Naive:
      return "callgate run --model naive: compares strings, does not hold";
    case Contestant::Canonical:
      return "callgate run --model canonical: resolves, then lets go, does not hold";
    case Contestant::Sealed:
      return "callgate run: the call acts on what was judged";
    case Contestant::Landlock:
      return "callgate run --quiet under a policy of plain trees: opens are left to the kernel";
    case Contestant::Strace:
      return "strace -f --seccomp-bpf of the same calls, written to /dev/null";
    case Contestant::Proot:
      return "proot, which rewrites names by ptrace and seccomp";
    case Contestant::Gvisor:
      return "gVisor's runsc do --platform=ptrace";
  }
  return "";
}

std::vector<std::string> contestant_command(Contestant contestant, const Setting& setting,
                                            const std::vector<std::string>& argv) {
  Words words = prefix(contestant, setting);
  words.insert(words.end(), argv.begin(), argv.end());
  return words;
}

std::vector<Absent> absent_contestants(const std::string& directory) {
  std::vector<Absent> absent;
  if (std::string why = why_no_landlock(directory); !why.empty()) {
    absent.push_back({Contestant::Landlock, std::move(why)});
  }
  for (const Contestant peer : {Contestant::Strace, Contestant::Proot, Contestant::Gvisor}) {
    Setting setting;
    setting.strace_calls = "openat";
    const Words command = contestant_command(peer, setting, {"/bin/true"});
    if (!find_program(command[0]).ok()) {
      absent.push_back({peer, command[0] + " is not installed"});
      continue;
    }
    BenchProcess process;
    if (!process.start(command, directory).ok()) continue;
    auto status = process.finish();
    if (!status.ok() || *status != 0) {
      absent.push_back({peer, command[0] + " does not work here: " +
                                  (status.ok() ? process.explain(*status) : "it did not end")});
    }
  }
  return absent;
}

}  // namespace callgate
