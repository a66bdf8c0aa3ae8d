#include "monitor/lab_play.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "monitor/escape.h"
#include "monitor/lab_namespace.h"
#include "monitor/lab_stage.h"

namespace callgate {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kKeptOutput = size_t{1} << 20;
constexpr std::chrono::seconds kLateWait(2);   // for survivors to show themselves
constexpr std::chrono::seconds kAfterLoss(1);  // for who has won to say so

// Reads what is there, keeps the beginning; false at the end.
bool drain(int fd, std::string* kept) {
  std::array<char, 65536> buffer;  // NOLINT: read fills it
  const ssize_t n = ::read(fd, buffer.data(), buffer.size());
  if (n < 0) return errno == EINTR || errno == EAGAIN;
  const size_t room = kKeptOutput - std::min(kKeptOutput, kept->size());
  kept->append(buffer.data(), std::min(room, static_cast<size_t>(n)));
  return n > 0;
}

// The parent's side while the attack runs: serves the listeners, gathers output, reaps.
class Watch {
 public:
  Watch(const LabScene& scene, pid_t runner, LabRun* run)
      : prey_(*scene.prey),
        out_(scene.out.read.get()),
        err_(scene.err.read.get()),
        runner_(runner),
        run_(run) {
    sigset_t children;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    signals_.reset(signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK));
  }

  [[nodiscard]] bool ended() const { return out_ < 0 && err_ < 0 && reaped_; }

  // One round of at most `patience`.
  void step(std::chrono::milliseconds patience) {
    std::vector<pollfd> polled = prey_.listeners();
    const size_t listeners = polled.size();
    polled.push_back({out_, POLLIN, 0});
    polled.push_back({err_, POLLIN, 0});
    polled.push_back({signals_.get(), POLLIN, 0});
    if (poll(polled.data(), polled.size(), static_cast<int>(patience.count())) < 0) return;
    for (size_t i = 0; i < listeners; ++i) {
      if (polled[i].revents != 0) prey_.answer(i);
    }
    if (polled[listeners].revents != 0 && !drain(out_, &run_->printed)) out_ = -1;
    if (polled[listeners + 1].revents != 0 && !drain(err_, &run_->said)) err_ = -1;
    if (polled[listeners + 2].revents != 0) {
      signalfd_siginfo info{};
      while (::read(signals_.get(), &info, sizeof info) > 0) {
      }
    }
    reap();
  }

  // What has arrived by now and nobody has looked at yet.
  void finish() {
    for (int i = 0; i < 64; ++i) step(std::chrono::milliseconds(0));
  }

 private:
  void reap() {
    int status = 0;
    for (pid_t pid = 0; (pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0;) {
      if (pid == prey_.victim()) prey_.victim_died();
      if (pid != runner_) continue;
      reaped_ = true;
      run_->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
  }

  LabPrey& prey_;
  int out_;
  int err_;
  pid_t runner_;
  LabRun* run_;
  UniqueFd signals_;
  bool reaped_ = false;
};

// Until all have ended or have been ended; false when that took too long.
bool watch_run(const LabScene& scene, pid_t runner, std::chrono::seconds patience, LabRun* run) {
  constexpr std::chrono::milliseconds kRound(100);
  auto until = Clock::now() + scene.time + patience;
  Watch watch(scene, runner, run);
  const auto rounds = [&](const auto& goes_on) {
    auto look = Clock::now();
    while (Clock::now() < until && pending_ending_signal() == 0 && goes_on()) {
      watch.step(kRound);
      if (Clock::now() < look) continue;
      look = Clock::now() + kRound;
      if (scene.prey->lost(run->printed)) until = std::min(until, Clock::now() + kAfterLoss);
    }
  };
  rounds([&] { return !watch.ended(); });
  const bool ended = watch.ended();
  if (ended && scene.lesson.launch_word("late")) {
    until = Clock::now() + kLateWait;
    rounds([&] { return !scene.prey->lost(run->printed); });
  }
  run->left_behind = !end_children(scene.prey->victim());
  watch.finish();
  return ended;
}

std::string last_line(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  return escape_line(text.substr(text.rfind('\n') + 1));
}

// Sets `end` and `note` of a run that came to its own end or was killed.
void judge(const LabScene& scene, bool timed_out, LabRun* run) {
  const auto lost = scene.prey->lost(run->printed);
  const bool killed_is_fine = scene.model == LabModel::Sealed && scene.lesson.may_be_killed;
  if (run->status == kLabSkipped && !lost) {
    run->end = LabRun::End::Skipped;
    run->note = last_line(run->printed);
    if (run->note.starts_with("SKIP ")) run->note.erase(0, 5);
  } else if (lost) {
    run->end = LabRun::End::Taken;
    run->lost = *lost;
  } else if (timed_out) {
    run->end = LabRun::End::TimedOut;
    run->note = "still running, so it was killed";
  } else if (killed_is_fine ||
             (run->status == 1 && run->printed.find("HELD") != std::string::npos)) {
    run->end = LabRun::End::Held;
  } else if (run->status == kLabNotStarted) {
    run->end = LabRun::End::Failed;
    run->note = last_line(run->said);
  } else {
    run->end = LabRun::End::Odd;
    run->note = "status " + std::to_string(run->status) + ", " +
                (run->printed.empty() ? "nothing printed" : last_line(run->printed));
  }
}

// What the lesson's head says.
bool takes_prey(const LabLesson& lesson, LabModel model) {
  return model == LabModel::Bare ? !lesson.bare_held : lesson.beats(lab_model_name(model));
}

// Against the lesson's head.
void compare(const LabScene& scene, LabRun* run) {
  const bool should_take = takes_prey(scene.lesson, scene.model);
  const bool told = scene.model == LabModel::Bare || scene.model == LabModel::Sealed || should_take;
  if (run->end == LabRun::End::Skipped || !told) return;
  run->as_told = run->end == (should_take ? LabRun::End::Taken : LabRun::End::Held);
  if (scene.model != LabModel::Sealed || !run->as_told) return;
  for (const std::string& report : scene.reports()) {
    if (run->said.find(report) != std::string::npos) continue;
    run->as_told = false;
    run->note = "callgate did not report " + escape(report, 200);
  }
}

}  // namespace

std::optional<std::string> lab_obstacle(const LabLesson& lesson, const std::string& program) {
  constexpr std::array<std::string_view, 8> kLaunchWords = {
      "inherit-dirfd", "victim",    "tty",           "marker",
      "late",          "own-files", "pid-namespace", "mount-namespace"};
  utsname host{};
  uname(&host);
  const bool arm = std::string_view(host.machine) == "aarch64";
  if (lesson.needs_word("x86") && arm) return "needs an x86 machine";
  if (lesson.needs_word("aarch64") && !arm) return "needs an aarch64 machine";
  if (lesson.needs_word("root") && geteuid() != 0) return "needs root to set up";
  if (lesson.needs_word("user") && geteuid() == 0) return "shown only to an ordinary user";
  if (lesson.needs_word("ipv6") && access("/proc/net/if_inet6", F_OK) != 0) return "needs IPv6";
  if (lesson.needs_word("user-namespace") && !user_namespaces_are_to_be_had()) {
    return "needs a user namespace, and none is to be had";
  }
  for (const std::string& word : lesson.launch) {
    if (std::find(kLaunchWords.begin(), kLaunchWords.end(), word) == kLaunchWords.end()) {
      return "the lab cannot launch it: " + escape(word, 40);
    }
  }
  if (access(program.c_str(), X_OK) != 0) return "its program is not installed";
  return std::nullopt;
}

LabRun play_attack(const LabLesson& lesson, const std::string& program, LabModel model,
                   const LabSettings& settings) {
  LabRun run;
  run.model = model;
  LabScene scene{
      .lesson = lesson,
      .program = program,
      .model = model,
      // A race that is to be won ends when it is, so it may take its time where others
      // are busy.
      .time = takes_prey(lesson, model) ? lesson.time * 10 : settings.time.value_or(lesson.time)};
  if (auto obstacle = scene.prepare()) {
    run.note = *std::move(obstacle);
    run.as_told = false;
    return run;
  }
  // Taken by signalfd and by looking; the attack gets them as anybody would.
  sigset_t watched = lab_ending_signals();
  sigset_t before;
  sigaddset(&watched, SIGCHLD);
  sigprocmask(SIG_BLOCK, &watched, &before);
  sigset_t plain = before;
  for (int number = 1; number < NSIG; ++number) {
    if (sigismember(&watched, number) == 1) sigdelset(&plain, number);
  }
  const pid_t runner = scene.launch(plain);
  if (runner < 0) {
    run.note = std::string("cannot start a process: ") + std::strerror(errno);
    run.as_told = false;
  } else {
    scene.out.write.reset();
    scene.err.write.reset();
    scene.terminal.write.reset();
    const bool timed_out = !watch_run(scene, runner, settings.limit, &run);
    run.story = scene.record->story();
    if (pending_ending_signal() != 0) {
      run.end = LabRun::End::Interrupted;
    } else {
      judge(scene, timed_out, &run);
      compare(scene, &run);
    }
  }
  run.left_behind = !scene.prey->clear() || run.left_behind;
  sigprocmask(SIG_SETMASK, &before, nullptr);
  return run;
}

}  // namespace callgate
