#include "monitor/front.h"

#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "monitor/proc_files.h"

namespace callgate {
namespace {

constexpr std::array<__itimer_which, 3> kTimers = {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF};

bool from_inside(pid_t sender, pid_t monitor) {
  auto status = read_task_status(sender);
  return status.ok() && status->tracer == monitor;
}

// Takes one that waits to be delivered, if there is one.
bool take_pending(int number, const sigset_t& within) {
  constexpr timespec kNow{0, 0};
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, number);
  return sigismember(&within, number) == 1 && sigtimedwait(&one, nullptr, &kNow) == number;
}

// Stops as the program stopped, and goes on when the shell says so.
void stop_like(int signal_number) {
  signal(signal_number, SIG_DFL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal_number);
  raise(signal_number);
  sigprocmask(SIG_UNBLOCK, &set, nullptr);  // stops here
  sigprocmask(SIG_BLOCK, &set, nullptr);
}

// A shell continues the whole job, and mostly the program with it: not one that has gone into a
// group of its own. Whoever continues the one process that was started means the program.
void go_on(pid_t program) {
  constexpr int kPatience = 20;
  constexpr timespec kPause{0, 500'000};
  for (int i = 0; i < kPatience; ++i) {
    siginfo_t seen{};
    if (waitid(P_PID, static_cast<id_t>(program), &seen,
               WCONTINUED | WEXITED | WNOHANG | WNOWAIT) != 0) {
      return;
    }
    if (seen.si_pid == program) {
      waitid(P_PID, static_cast<id_t>(program), &seen, WCONTINUED | WNOHANG);
      return;
    }
    nanosleep(&kPause, nullptr);
  }
  const pid_t group = getpgid(program);
  if (group > 0 && group != getpgrp()) {
    ::killpg(group, SIGCONT);
  } else {
    ::kill(program, SIGCONT);
  }
}

}  // namespace

void Inherited::restore() const {
  if (ignores_children) signal(SIGCHLD, SIG_IGN);
  for (size_t i = 0; i < kTimers.size(); ++i) {
    const timeval& left = timers[i].it_value;
    if (left.tv_sec != 0 || left.tv_usec != 0) setitimer(kTimers[i], &timers[i], nullptr);
  }
  sigprocmask(SIG_SETMASK, &signal_mask, nullptr);
}

Front::Front() {
  // Whatever reaches this process may be meant for the program. What the kernel sends for a fault
  // of this process's own comes through.
  sigfillset(&watched_);
  sigprocmask(SIG_BLOCK, &watched_, &inherited_.signal_mask);
  struct sigaction children {};
  children.sa_handler = SIG_DFL;
  sigaction(SIGCHLD, &children, &child_before_);
  inherited_.ignores_children = child_before_.sa_handler == SIG_IGN;
  constexpr itimerval kNone{};
  for (size_t i = 0; i < kTimers.size(); ++i) {
    setitimer(kTimers[i], &kNone, &inherited_.timers[i]);
  }
}

Front::~Front() {
  sigaction(SIGCHLD, &child_before_, nullptr);
  sigprocmask(SIG_SETMASK, &inherited_.signal_mask, nullptr);
}

int Front::wait_for(pid_t program, pid_t monitor) const {
  for (;;) {
    int status = 0;
    const pid_t pid = waitpid(program, &status, WNOHANG | WUNTRACED);
    if (pid == program && WIFSTOPPED(status)) {
      stop_like(WSTOPSIG(status));
      take_pending(SIGCONT, watched_);  // was for both, or is passed on by what follows
      go_on(program);
      continue;
    }
    if (pid != 0) {  // what came too late for the program is nobody's
      for (int number = 1; number < NSIG; ++number) {
        while (take_pending(number, watched_)) {
        }
      }
      return status;
    }
    siginfo_t info{};
    if (sigwaitinfo(&watched_, &info) > 0 && info.si_signo != SIGCHLD) {
      pass_on(program, monitor, info);
    }
  }
}

void Front::pass_on(pid_t program, pid_t monitor, const siginfo_t& info) const {
  // The terminal's signals, and those of the program to its own group, have reached it already.
  // A hang-up reaches the leader of the session alone, and that may be us in the program's place.
  const bool for_leader = info.si_signo == SIGHUP && getsid(0) == getpid();
  if (info.si_code == SI_KERNEL && !for_leader) return;
  const bool has_sender = info.si_code <= 0;  // descriptors (SIGIO) have none
  if (has_sender && (info.si_pid == getpid() || from_inside(info.si_pid, monitor))) return;
  if (info.si_code == SI_QUEUE) {  // with its value
    siginfo_t same = info;
    if (syscall(SYS_rt_sigqueueinfo, program, info.si_signo, &same) == 0) return;
  }
  ::kill(program, info.si_signo);
}

}  // namespace callgate
