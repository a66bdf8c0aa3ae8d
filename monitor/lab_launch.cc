#include "monitor/lab_launch.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "monitor/audit_table.h"
#include "monitor/denial_report.h"
#include "monitor/escape.h"
#include "monitor/lab_witness.h"
#include "monitor/policy_world.h"
#include "monitor/session.h"

namespace callgate {
namespace {

using Pipe = LabScene::Pipe;

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return last_error();
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// A terminal of the attack's own. It does not echo: what is typed into it is the prey.
Result<Pipe> make_terminal() {
  Pipe terminal;
  terminal.read.reset(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  std::array<char, 64> name{};
  if (!terminal.read.valid() || grantpt(terminal.read.get()) != 0 ||
      unlockpt(terminal.read.get()) != 0 ||
      ptsname_r(terminal.read.get(), name.data(), name.size()) != 0) {
    return last_error();
  }
  terminal.write.reset(open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC));
  termios modes{};
  if (!terminal.write.valid() || tcgetattr(terminal.write.get(), &modes) != 0) return last_error();
  modes.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  if (tcsetattr(terminal.write.get(), TCSANOW, &modes) != 0) return last_error();
  return terminal;
}

[[noreturn]] void fail_to_start(const std::string& why) {
  const std::string text = "callgate: " + escape_line(why) + "\n";
  static_cast<void>(!::write(STDERR_FILENO, text.data(), text.size()));
  _exit(kLabNotStarted);
}

Model session_model(LabModel model) {
  switch (model) {
    case LabModel::Naive:
      return Model::Naive;
    case LabModel::Canonical:
      return Model::Canonical;
    case LabModel::Bare:
    case LabModel::Sealed:
      break;
  }
  return Model::Sealed;
}

[[noreturn]] void run_gated(const LabScene& scene) {
  SessionOptions options;
  options.argv = {scene.program, "attack"};
  options.model = session_model(scene.model);
  options.observe_all = true;
  options.inherit_descriptors = scene.lesson.launch_word("inherit-dirfd");
  const auto make_sink = [&]() -> std::unique_ptr<EventSink> {
    auto sinks = std::make_unique<MultiSink>();
    sinks->add(std::make_unique<DenialReport>(options.report_fd));
    sinks->add(
        std::make_unique<LabWitness>(*scene.record, *scene.prey, *scene.policy, scene.reports()));
    return sinks;
  };
  const SessionResult result = run_session(options, *scene.policy, make_sink);
  if (!result.started) {
    fail_to_start(result.exec_errno != 0 ? scene.program + ": " + std::strerror(result.exec_errno)
                                         : result.message);
  }
  _exit(WIFSIGNALED(result.wait_status) ? 128 + WTERMSIG(result.wait_status)
                                        : WEXITSTATUS(result.wait_status));
}

// In the child: becomes the attack, or callgate with the attack under it.
[[noreturn]] void run_attack(const LabScene& scene, const sigset_t& mask) {
  setsid();
  umask(022);
  const int input = scene.terminal.write.valid() ? scene.terminal.write.get()
                                                 : open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (scene.terminal.write.valid()) ioctl(input, TIOCSCTTY, 0);
  if (dup2(input, 0) < 0 || dup2(scene.out.write.get(), 1) < 0 ||
      dup2(scene.err.write.get(), 2) < 0 || chdir(scene.prey->work().c_str()) != 0) {
    _exit(kLabNotStarted);
  }
  syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
  std::vector<std::string> environment = scene.prey->environment(scene.time);
  if (scene.lesson.launch_word("marker")) {
    environment.push_back("CALLGATE_E2E_MARKER=" + scene.prey->token());
  }
  if (scene.lesson.launch_word("inherit-dirfd")) {
    const int fd = open("/", O_RDONLY | O_DIRECTORY);  // NOLINT: it is to be inherited
    environment.push_back("ATTACK_DIRFD=" + std::to_string(fd));
  }
  clearenv();
  for (std::string& entry : environment) putenv(entry.data());
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  if (scene.model != LabModel::Bare) run_gated(scene);
  std::string program = scene.program;
  std::string mode = "attack";
  std::array<char*, 3> argv = {program.data(), mode.data(), nullptr};
  execv(program.c_str(), argv.data());
  fail_to_start(program + ": " + std::strerror(errno));
}

// Sets `what` to what is being made, for the message.
Status make_parts(LabScene* scene, std::string* what) {
  CALLGATE_TRY(scene->prey, LabPrey::lay_out(scene->lesson, what));
  *what = "pipes";
  CALLGATE_TRY(scene->out, make_pipe());
  CALLGATE_TRY(scene->err, make_pipe());
  *what = "a terminal";
  if (scene->lesson.launch_word("tty")) {
    CALLGATE_TRY(scene->terminal, make_terminal());
  }
  *what = "shared memory";
  CALLGATE_TRY(LabRecord record, LabRecord::create());
  scene->record = std::make_unique<LabRecord>(std::move(record));
  return Unit{};
}

}  // namespace

std::string_view lab_model_name(LabModel model) {
  switch (model) {
    case LabModel::Bare:
      return "bare";
    case LabModel::Naive:
      return "naive";
    case LabModel::Canonical:
      return "canonical";
    case LabModel::Sealed:
      break;
  }
  return "sealed";
}

std::optional<std::string> LabScene::prepare() {
  std::string what;
  const Status made = make_parts(this, &what);
  if (!made.ok()) return "cannot make " + what + ": " + std::strerror(made.error().code);
  std::string text;
  for (const std::string& line : lesson.policy) text += prey->expand(line) + "\n";
  RealWorld world(program);
  auto parsed = parse_policy(text, kLabPolicy, world);
  if (const auto* error = std::get_if<PolicyError>(&parsed)) {
    return "its policy cannot be read: " + error->message;
  }
  policy.emplace(std::move(std::get<Policy>(parsed)));
  return std::nullopt;
}

std::vector<std::string> LabScene::reports() const {
  std::vector<std::string> expanded;
  for (const std::string& report : lesson.reports) expanded.push_back(prey->expand(report));
  return expanded;
}

pid_t LabScene::launch(const sigset_t& mask) const {
  const pid_t parent = getpid();
  const pid_t process = fork();
  if (process != 0) return process;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(kLabNotStarted);
  run_attack(*this, mask);
}

}  // namespace callgate
