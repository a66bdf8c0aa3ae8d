#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <string_view>

#include "monitor/cli/command.h"
#include "monitor/cli/doctor_probe.h"
#include "monitor/cli/options.h"
#include "monitor/cli/say.h"
#include "monitor/escape.h"
#include "monitor/policy_world.h"

namespace callgate::cli {
namespace {

using State = Finding::State;

constexpr int kCannotRun = 1;

std::string file_text(const std::string& path) {
  auto text = RealWorld().read_file(path);
  if (!text.ok()) return {};
  while (!text->empty() && text->back() == '\n') text->pop_back();
  return *text;
}

// The value of "Key:\tvalue" in /proc/self/status.
std::string status_field(std::string_view key) {
  const std::string status = "\n" + file_text("/proc/self/status");
  const std::string start = "\n" + std::string(key) + ":\t";
  const size_t at = status.find(start);
  if (at == std::string::npos) return {};
  const size_t begin = at + start.size();
  return status.substr(begin, status.find('\n', begin) - begin);
}

Finding check_kernel() {
  utsname name{};
  uname(&name);
  int major = 0;
  int minor = 0;
  if (std::sscanf(&name.release[0], "%d.%d", &major, &minor) != 2) {  // NOLINT: two small numbers
    return {State::Note, "the kernel's version cannot be read", {}};
  }
  const std::string text =
      std::string("kernel ") + escape(&name.release[0]) + " on " + escape(&name.machine[0]);
  // 5.6: openat2; 5.3: PTRACE_GET_SYSCALL_INFO; 4.8: the filter runs before the tracer's changes
  // are checked again.
  if (major < 5 || (major == 5 && minor < 6)) {
    return {State::Broken, text + " is too old", "callgate needs Linux 5.6 or later"};
  }
  return {State::Fine, text, {}};
}

Finding check_yama() {
  const std::string scope = file_text("/proc/sys/kernel/yama/ptrace_scope");
  if (scope.empty()) return {State::Fine, "Yama does not restrict ptrace here", {}};
  if (scope == "0" || scope == "1") {
    return {State::Fine, "Yama: ptrace_scope " + scope + " lets a process trace its children", {}};
  }
  if (scope == "2" && geteuid() == 0) {
    return {State::Note, "Yama: ptrace_scope 2, which CAP_SYS_PTRACE passes", {}};
  }
  if (scope == "2") {
    return {State::Broken, "Yama: ptrace_scope 2 keeps ptrace to administrators",
            "sysctl kernel.yama.ptrace_scope=1, or run callgate with CAP_SYS_PTRACE"};
  }
  return {State::Broken, "Yama: ptrace_scope " + escape(scope) + " forbids ptrace",
          "set kernel.yama.ptrace_scope=1 in /etc/sysctl.d and boot again: 3 cannot be undone"};
}

Finding check_surroundings() {
  std::string hints;
  const auto add = [&](const std::string& hint) { hints += (hints.empty() ? "" : "; ") + hint; };
  if (access("/.dockerenv", F_OK) == 0) add("this looks like a Docker container");
  if (access("/run/.containerenv", F_OK) == 0) add("this looks like a Podman container");
  if (file_text("/proc/version").find("icrosoft") != std::string::npos) add("this is WSL");
  if (status_field("Seccomp") == "2") add("a seccomp filter is upon us already");
  if (const std::string tracer = status_field("TracerPid"); !tracer.empty() && tracer != "0") {
    add("process " + escape(tracer) + " traces us");
  }
  if (hints.empty()) return {State::Fine, "no container, no filter and no tracer around us", {}};
  return {State::Note, hints, {}};
}

Finding check_capability() {
  constexpr unsigned kSysPtrace = 19;  // linux/capability.h
  unsigned long long effective = 0;
  const std::string text = status_field("CapEff");
  if (std::sscanf(text.c_str(), "%llx", &effective) != 1) effective = 0;  // NOLINT: our kernel's
  if (geteuid() != 0 || (effective >> kSysPtrace & 1) != 0) {
    return {State::Fine, "no privilege is needed", {}};
  }
  return {State::Note,
          "root without CAP_SYS_PTRACE: a program that changes its user (su, setpriv) becomes "
          "unreadable to callgate, and its calls are refused",
          {}};
}

Finding check_cpus() {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  if (sched_getaffinity(0, sizeof cpus, &cpus) != 0) {
    return {State::Note, "CPU affinity cannot be read: calls will cost more", {}};
  }
  if (sched_setaffinity(0, sizeof cpus, &cpus) != 0) {
    return {State::Note, "CPU affinity cannot be set: calls will cost five times as much", {}};
  }
  const int count = CPU_COUNT(&cpus);
  return {
      State::Fine,
      std::to_string(count) + (count == 1 ? " CPU" : " CPUs") + ", and tasks can be placed on them",
      {}};
}

std::string line(const Finding& finding) {
  switch (finding.state) {
    case State::Fine:
      return "  ok      " + finding.what + "\n";
    case State::Note:
      return "  note    " + finding.what + "\n";
    case State::Broken:
      break;
  }
  std::string out = "  BROKEN  " + finding.what + "\n";
  if (!finding.cure.empty()) out += "          cure: " + finding.cure + "\n";
  return out;
}

}  // namespace

int doctor_command(const Options& options) {
  if (!options.words().empty()) {
    say("doctor: takes no words");
    return kQuestionUsage;
  }
  std::vector<Finding> findings = {check_kernel(), probe_proc(), check_yama()};
  for (Finding& finding : probe_tracing()) findings.push_back(std::move(finding));
  findings.push_back(probe_openat2());
  findings.push_back(probe_argument_area());
  findings.push_back(check_capability());
  findings.push_back(check_cpus());
  findings.push_back(check_surroundings());
  findings.push_back(probe_32bit());
  findings.push_back(probe_landlock());
  std::string out;
  int broken = 0;
  for (const Finding& finding : findings) {
    out += line(finding);
    if (finding.state == State::Broken) ++broken;
  }
  if (broken == 0) {
    out += "callgate can run here.\n";
  } else {
    out += "callgate cannot run here: " + std::to_string(broken) +
           (broken == 1 ? " thing is" : " things are") + " to be mended first.\n";
  }
  return print(out) && broken == 0 ? 0 : kCannotRun;
}

}  // namespace callgate::cli
