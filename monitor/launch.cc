#include "monitor/launch.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <linux/close_range.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include "monitor/fence.h"
#include "monitor/policy_world.h"
#include "monitor/tracer.h"

namespace callgate {
namespace {

struct NamedLimit {
  const char* name;
  int resource;
};
constexpr std::array<NamedLimit, 16> kLimits = {{{"as", RLIMIT_AS},
                                                 {"core", RLIMIT_CORE},
                                                 {"cpu", RLIMIT_CPU},
                                                 {"data", RLIMIT_DATA},
                                                 {"fsize", RLIMIT_FSIZE},
                                                 {"locks", RLIMIT_LOCKS},
                                                 {"memlock", RLIMIT_MEMLOCK},
                                                 {"msgqueue", RLIMIT_MSGQUEUE},
                                                 {"nice", RLIMIT_NICE},
                                                 {"nofile", RLIMIT_NOFILE},
                                                 {"nproc", RLIMIT_NPROC},
                                                 {"rss", RLIMIT_RSS},
                                                 {"rtprio", RLIMIT_RTPRIO},
                                                 {"rttime", RLIMIT_RTTIME},
                                                 {"sigpending", RLIMIT_SIGPENDING},
                                                 {"stack", RLIMIT_STACK}}};

std::vector<std::string> program_environment(std::span<const EnvironmentRule> rules) {
  const auto matches = [](const EnvironmentRule& rule, const std::string& entry) {
    return ::fnmatch(rule.name.c_str(), entry.substr(0, entry.find('=')).c_str(), 0) == 0;
  };
  // Once something is to be kept, only that is: the last rule that speaks of a name decides.
  const bool keeps = std::any_of(rules.begin(), rules.end(), [](const EnvironmentRule& rule) {
    return rule.action == EnvironmentRule::Action::Keep;
  });
  std::vector<std::string> out;
  for (char** at = environ; *at != nullptr; ++at) {
    const std::string entry = *at;
    bool keep = !keeps;
    for (const EnvironmentRule& rule : rules) {
      if (matches(rule, entry)) keep = rule.action == EnvironmentRule::Action::Keep;
    }
    if (keep) out.push_back(entry);
  }
  for (const EnvironmentRule& rule : rules) {
    if (rule.action == EnvironmentRule::Action::Set) out.push_back(rule.name + "=" + rule.value);
  }
  return out;
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (const std::string& text : strings) out.push_back(const_cast<char*>(text.c_str()));  // NOLINT
  out.push_back(nullptr);
  return out;
}

}  // namespace

int limit_resource(std::string_view name) {
  const auto* found = std::find_if(kLimits.begin(), kLimits.end(),
                                   [&](const NamedLimit& limit) { return name == limit.name; });
  return found == kLimits.end() ? -1 : found->resource;
}

Result<Launch> Launch::prepare(const SessionOptions& options, const Policy& policy, Filter filter,
                               int fence, std::string* message) {
  Launch launch;
  CALLGATE_TRY(launch.path_, find_program(options.argv.at(0)));
  launch.argv_ = options.argv;
  launch.environment_ = program_environment(policy.environment());
  for (const LimitRule& rule : policy.limits()) {
    const int resource = limit_resource(rule.resource);
    if (resource < 0) {
      *message = rule.rule->where() + ": unknown limit " + rule.resource;
      return Error{EINVAL};
    }
    if (options.enforce) launch.limits_.emplace_back(resource, rule.value);
  }
  launch.filter_ = std::move(filter);
  launch.fence_ = fence;
  launch.inherit_descriptors_ = options.inherit_descriptors;
  // The kernel writes a core file where the policy might not: who may write everywhere has one.
  launch.keep_core_dumps_ =
      !options.enforce || options.model == Model::Naive || !policy.needs().paths;
  return launch;
}

// The status of a process that could not become the program.
constexpr int kNoProgram = 127;

// What the new process is given; only system calls are made in it.
struct Launch::Call {
  const Launch* launch = nullptr;
  Ends ends;
  pid_t monitor = 0;
  const Inherited* inherited = nullptr;
  std::vector<char*> argv;
  std::vector<char*> environment;
  std::vector<char*> shell;  // for a script without a first line
};

pid_t Launch::start(const Ends& ends, pid_t monitor, const Inherited& inherited) const {
  Call call{this, ends, monitor, &inherited, pointers(argv_), pointers(environment_), {}};
  call.shell = {const_cast<char*>("sh"), const_cast<char*>(path_.c_str())};  // NOLINT
  call.shell.insert(call.shell.end(), call.argv.begin() + 1, call.argv.end());
  constexpr size_t kStack = size_t{64} << 10;
  std::vector<std::byte> stack(kStack);
  const auto body = [](void* given) {
    const auto* its = static_cast<const Call*>(given);
    return its->launch->run(*its);
  };
  return clone(body, stack.data() + stack.size(), CLONE_VM | CLONE_VFORK | SIGCHLD, &call);
}

int Launch::run(const Call& call) const {
  const auto tell = [&](LaunchReport::Step step, int error) {
    const LaunchReport told{step, error};
    static_cast<void>(!::write(call.ends.report, &told, sizeof told));
  };
  const auto fail = [&](LaunchReport::Step step, int error) {
    tell(step, error);
    return kNoProgram;
  };

  const pid_t self = getpid();
  char byte = 'r';
  prctl(PR_SET_PTRACER, call.monitor);  // Yama; an error only says that there is none
  // Should the monitor be gone by now, its end says so, not a signal.
  ::send(call.ends.pid, &self, sizeof self, MSG_NOSIGNAL);
  ::send(call.ends.monitor, &byte, 1, MSG_NOSIGNAL);
  if (::read(call.ends.monitor, &byte, 1) != 1) return kNoProgram;

  for (const auto& [resource, value] : limits_) {
    const rlim_t most = value == UINT64_MAX ? RLIM_INFINITY : value;
    const rlimit limit{most, most};
    if (setrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0) {
      return fail(LaunchReport::Step::Failed, errno);
    }
  }
  if (!keep_core_dumps_) {
    const rlimit none{0, 0};
    if (setrlimit(RLIMIT_CORE, &none) != 0) return fail(LaunchReport::Step::Failed, errno);
  }
  if (!inherit_descriptors_) {
    if (syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC) != 0) {  // before 5.11: one by one
      rlimit most{};
      if (getrlimit(RLIMIT_NOFILE, &most) != 0) return fail(LaunchReport::Step::Failed, errno);
      for (int fd = 3; static_cast<rlim_t>(fd) < most.rlim_max && fd < 1 << 20; ++fd) {
        fcntl(fd, F_SETFD, FD_CLOEXEC);
      }
    }
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail(LaunchReport::Step::Filter, errno);
  if (fence_ >= 0) {
    if (const Status entered = enter_fence(fence_); !entered.ok()) {
      return fail(LaunchReport::Step::Fence, entered.error().code);
    }
  }
  const sock_fprog program{static_cast<unsigned short>(filter_.program.size()),
                           const_cast<sock_filter*>(filter_.program.data())};  // NOLINT
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) {
    return fail(LaunchReport::Step::Filter, errno);
  }
  // Only a live filter with a live tracer behind it answers this; a bare kernel says EFAULT, and a
  // filter without tracer ENOSYS.
  const long answer = syscall(SYS_execve, nullptr, kHandshakeQuestion, 0);
  if (answer != kHandshakeAnswer) return fail(LaunchReport::Step::Handshake, errno);

  call.inherited->restore();
  tell(LaunchReport::Step::Ready, 0);
  execve(path_.c_str(), call.argv.data(), call.environment.data());
  if (errno == ENOEXEC) execve("/bin/sh", call.shell.data(), call.environment.data());
  return fail(LaunchReport::Step::Exec, errno);
}

}  // namespace callgate
