#include "monitor/session.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <optional>

#include "monitor/fence.h"
#include "monitor/filter.h"
#include "monitor/front.h"
#include "monitor/launch.h"
#include "monitor/tracer.h"

namespace callgate {
namespace {

// What the monitor tells the front, a byte each: the program may be seized; its first process has
// ended and the monitor no longer depends on the front.
constexpr char kReady = 'r';
constexpr char kRootEnded = 'e';

struct Channel {
  UniqueFd a;
  UniqueFd b;
};

Result<Channel> make_channel() {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) return last_error();
  return Channel{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

void raise_limit(__rlimit_resource resource) {
  rlimit most{};
  if (getrlimit(resource, &most) != 0) return;
  most.rlim_cur = most.rlim_max;
  setrlimit(resource, &most);
}

// The monitor process. Its exit status is of no interest: what matters went over the channel.
[[noreturn]] void monitor_main(const SessionOptions& options, const Policy& policy,
                               ArgumentArea& area, pid_t front, UniqueFd to_front, UniqueFd to_root,
                               UniqueFd report, bool fenced, std::vector<bool> plain_stops,
                               const std::function<std::unique_ptr<EventSink>()>& make_sink) {
  // Out of reach of the terminal's signals and of the program's group; gone with the front, until
  // the program has ended.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != front) _exit(1);
  setsid();
  prctl(PR_SET_NAME, "callgate-mon");
  prctl(PR_SET_DUMPABLE, 0);
  // Each call under way may pin a descriptor or two, and one process's time is spent for all.
  raise_limit(RLIMIT_NOFILE);
  for (const auto resource : {RLIMIT_CPU, RLIMIT_RTTIME}) {
    constexpr rlimit kNone{RLIM_INFINITY, RLIM_INFINITY};
    if (setrlimit(resource, &kNone) != 0) raise_limit(resource);
  }
  signal(SIGXCPU, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);  // a log that grows too large is a log that cannot be written
  pid_t root = 0;            // nobody: nothing is started after all
  if (::read(to_front.get(), &root, sizeof root) != sizeof root) _exit(1);
  std::unique_ptr<EventSink> sink = make_sink();
  Tracer tracer(options, policy, area, *sink, {front, getpid()}, std::move(plain_stops));
  char byte = 0;
  if (::read(to_root.get(), &byte, 1) != 1) _exit(1);
  if (const auto seized = tracer.seize_root(root, fenced); !seized.ok()) {
    const LaunchReport told{LaunchReport::Step::Trace, seized.error().code};
    static_cast<void>(!::write(report.get(), &told, sizeof told));
    _exit(2);
  }
  report.reset();  // from here on the program's process alone tells
  if (::write(to_root.get(), &kReady, 1) != 1) _exit(1);
  to_root.reset();
  const bool complete = tracer.run([&](bool last) {
    prctl(PR_SET_PDEATHSIG, 0);
    // An audit wants the whole tree, and where nobody is left the summary comes first: then the
    // front waits for the channel to close.
    if (options.enforce && !last) static_cast<void>(!::write(to_front.get(), &kRootEnded, 1));
  });
  sink->on_finish();
  sink.reset();
  _exit(complete ? 0 : 3);
}

std::string launch_failure(const LaunchReport& report) {
  const std::string reason = std::strerror(report.error);
  switch (report.step) {
    case LaunchReport::Step::Trace: {
      const auto self = read_task_status(getpid());
      const pid_t other = self.ok() ? self->tracer : 0;
      return "the program cannot be traced: " + reason +
             (other == 0
                  ? " (callgate doctor says why)"
                  : "; process " + std::to_string(other) +
                        " traces callgate itself (another callgate, a debugger), and nothing "
                        "that is traced so has a second tracer: start callgate outside of it");
    }
    case LaunchReport::Step::Fence:
      return "Landlock does not take the policy: " + reason + " (--no-offload does without it)";
    case LaunchReport::Step::Filter:
      return "the filter cannot be loaded: " + reason;
    case LaunchReport::Step::Handshake:
      return "the filter is not live: " + reason;
    case LaunchReport::Step::Failed:
    case LaunchReport::Step::Ready:
    case LaunchReport::Step::Exec:
      break;
  }
  return "the program's process cannot be set up: " + reason;
}

SessionResult failure(std::string message) {
  SessionResult result;
  result.message = std::move(message);
  return result;
}

SessionResult failure(const std::string& what, int error) {
  return failure(what + ": " + std::strerror(error));
}

// nullopt: `refusal` says why nothing can be started.
std::optional<Launch> prepare_launch(const SessionOptions& options, const Policy& policy,
                                     const FilterInputs& inputs, const Fence& fence,
                                     SessionResult* refusal) {
  auto filter = compile_filter(inputs);
  if (!filter.ok()) {
    *refusal = failure("the filter cannot be compiled", filter.error().code);
    return std::nullopt;
  }
  std::string message;
  auto launch = Launch::prepare(options, policy, *std::move(filter), fence.ruleset.get(), &message);
  if (launch.ok()) return *std::move(launch);
  *refusal = failure(message);
  if (message.empty()) refusal->exec_errno = launch.error().code;
  return std::nullopt;
}

}  // namespace

SessionResult run_session(const SessionOptions& options, const Policy& policy,
                          const std::function<std::unique_ptr<EventSink>()>& make_sink) {
  if (::access("/proc/self/maps", R_OK) != 0) {
    return failure(
        "/proc is not there, and callgate reads in it what programs do: "
        "mount -t proc proc /proc");
  }
  auto area = ArgumentArea::create();
  if (!area.ok()) return failure("the argument area cannot be made", area.error().code);
  const Fence fence = make_fence(options, policy);
  const FilterInputs inputs = filter_inputs(options, policy, area->segment(), &fence);
  // Done while the monitor comes to life, on another CPU where there is one; but a long policy
  // leaves the heap full of holes, and who fills them after a fork copies a page for each.
  constexpr size_t kLongPolicy = 500;
  const bool early = policy.statements().size() > kLongPolicy;
  SessionResult result;
  std::optional<Launch> launch;
  std::vector<bool> plain;
  if (early) {
    launch = prepare_launch(options, policy, inputs, fence, &result);
    if (!launch) return result;
    plain = plain_stops(inputs);
  }
  auto program = make_channel();  // a: the program's process, b: the monitor
  auto control = make_channel();  // a: the monitor, b: the front
  auto report = make_channel();   // a: the program's process, b: the front
  if (!program.ok() || !control.ok() || !report.ok()) return failure("no descriptors", errno);
  const Front front;
  const pid_t self = getpid();
  const pid_t monitor = fork();
  if (monitor == 0) {
    report->b.reset();
    control->b.reset();
    program->a.reset();
    sigprocmask(SIG_SETMASK, &front.inherited().signal_mask, nullptr);
    if (!early) plain = plain_stops(inputs);
    monitor_main(options, policy, *area, self, std::move(control->a), std::move(program->b),
                 std::move(report->a), fence.stands(), std::move(plain), make_sink);
  }
  if (monitor < 0) {
    result = failure("no processes", errno);
  } else if (!early) {
    launch = prepare_launch(options, policy, inputs, fence, &result);
  }
  program->b.reset();
  pid_t root = -1;
  if (monitor > 0 && launch) {
    root = launch->start({program->a.get(), report->a.get(), control->b.get()}, monitor,
                         front.inherited());
    if (root < 0) result = failure("no processes", errno);
  }
  program->a.reset();
  control->a.reset();
  report->a.reset();
  if (root < 0) {
    control->b.reset();  // which is how the monitor learns
    if (monitor > 0) waitpid(monitor, nullptr, 0);
    return result;
  }

  LaunchReport told;
  while (::read(report->b.get(), &told, sizeof told) == sizeof told) {  // execve closes it
    result.started = told.step == LaunchReport::Step::Ready;
    if (told.step == LaunchReport::Step::Exec) {
      result.exec_errno = told.error;
    } else if (!result.started) {
      result.message = launch_failure(told);
    }
  }
  result.wait_status = front.wait_for(root, monitor);
  char byte = 0;
  if (::read(control->b.get(), &byte, 1) != 1) {  // else descendants keep the monitor busy
    int status = 0;
    waitpid(monitor, &status, 0);
    const bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!clean && result.started) {
      result.message = "the monitor ended before the program; the program was killed";
    } else if (!clean && result.message.empty() && result.exec_errno == 0) {
      result.message = "the program could not be traced (callgate doctor says why)";
    }
  }
  return result;
}

}  // namespace callgate
