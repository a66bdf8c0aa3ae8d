#include "monitor/lab_stage.h"

#include <dirent.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "monitor/proc_files.h"

namespace callgate {
namespace {

constexpr int kEnding[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> children;
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(opendir("/proc"), &closedir);
  if (!proc) return children;
  while (const dirent* entry = readdir(proc.get())) {
    const char* name = &entry->d_name[0];
    pid_t pid = 0;
    if (std::from_chars(name, name + std::strlen(name), pid).ec != std::errc()) continue;
    const auto status = read_task_status(pid);
    if (status.ok() && status->parent == parent) children.push_back(pid);
  }
  return children;
}

// The status of this process becomes the stage's, also when it died of a signal.
int die_as(int status) {
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  const int number = WTERMSIG(status);
  signal(number, SIG_DFL);
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, number);
  raise(number);
  sigprocmask(SIG_UNBLOCK, &only, nullptr);
  return 128 + number;
}

}  // namespace

sigset_t lab_ending_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : kEnding) sigaddset(&set, number);
  return set;
}

int pending_ending_signal() {
  sigset_t pending;
  if (sigpending(&pending) != 0) return 0;
  for (const int number : kEnding) {
    if (sigismember(&pending, number) == 1) return number;
  }
  return 0;
}

int on_lab_stage(const std::function<int()>& body) {
  sigset_t watched = lab_ending_signals();
  sigset_t before;
  sigaddset(&watched, SIGCHLD);
  // Blocked before the fork: a signal that comes at once still finds somebody who tidies up.
  sigprocmask(SIG_BLOCK, &watched, &before);
  const pid_t lab = getpid();
  const pid_t stage = fork();
  if (stage < 0) {
    sigprocmask(SIG_SETMASK, &before, nullptr);
    return -1;
  }
  if (stage == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != lab) _exit(1);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (const int number : kEnding) signal(number, SIG_DFL);
    signal(SIGCHLD, SIG_DFL);
    const int status = body();
    const int number = pending_ending_signal();
    if (number == 0) _exit(status);
    sigprocmask(SIG_UNBLOCK, &watched, nullptr);
    _exit(128 + number);
  }
  for (;;) {
    int status = 0;
    const pid_t ended = waitpid(stage, &status, WNOHANG);
    if (ended == stage) {
      sigprocmask(SIG_SETMASK, &before, nullptr);
      return die_as(status);
    }
    siginfo_t info{};
    const int got = sigwaitinfo(&watched, &info);
    // The terminal tells both of us; a kill of this process alone is handed on.
    if (got > 0 && got != SIGCHLD && info.si_code != SI_KERNEL) ::kill(stage, got);
  }
}

bool end_children(pid_t spared) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  for (;;) {
    bool left = false;
    for (const pid_t child : children_of(getpid())) {
      if (child == spared) continue;
      left = true;
      ::kill(child, SIGKILL);
      static_cast<void>(waitpid(child, nullptr, WNOHANG));
    }
    if (!left) return true;
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace callgate
