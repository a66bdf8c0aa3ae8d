#include "monitor/placement.h"

#include <signal.h>
#include <sys/time.h>
#include <time.h>

#include <algorithm>
#include <string>

#include "monitor/clock.h"
#include "monitor/proc_files.h"

namespace callgate {
namespace {

constexpr int64_t kLeavesAfterNs = 4'000'000;  // without a call: it computes, or it sleeps
constexpr int64_t kComputesAfterNs = 300'000;  // without a call: the place is another's if it calls
constexpr int64_t kSharesNs = 50'000;          // between calls; about what waking elsewhere costs
constexpr int64_t kLongGapNs = 1'000'000;      // longer ones tell no more
constexpr int64_t kCrowdedNs = 1'000'000;      // between two looks at who else runs here
constexpr int64_t kLongCrowdNs = 64'000'000;  // the longest time that tasks in turns are left alone
constexpr int kAllTurns = 1024;               // each call is another's than the one before
constexpr int kInTurns = kAllTurns * 3 / 8;   // more than a shell and its children

void on_alarm(int) {}  // interrupts waitpid, no more

}  // namespace

Placement::Placement(bool enabled) {
  cpu_set_t own;
  if (!enabled || sched_getaffinity(0, sizeof own, &own) != 0 || CPU_COUNT(&own) < 2) return;
  cpu_ = sched_getcpu();
  if (cpu_ < 0) return;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<size_t>(cpu_), &one);
  struct sigaction action {};
  action.sa_handler = on_alarm;  // no SA_RESTART
  enabled_ =
      sigaction(SIGALRM, &action, nullptr) == 0 && sched_setaffinity(0, sizeof one, &one) == 0;
}

void Placement::arm(bool on) {
  if (armed_ == on) return;
  armed_ = on;
  itimerval timer{};
  if (on) timer.it_interval.tv_usec = timer.it_value.tv_usec = kLeavesAfterNs / 1000;
  setitimer(ITIMER_REAL, &timer, nullptr);
}

// Whether the one that called here last, if it is another, runs or waits for the CPU.
bool Placement::other_runs_here(pid_t tid) const {
  if (current_ == 0 || current_ == tid) return false;
  auto found = tasks_.find(current_);
  if (found == tasks_.end() || found->second.where != Where::Here) return false;
  auto text = read_whole_file("/proc/" + std::to_string(current_) + "/syscall");
  return text.ok() && text->starts_with("running");
}

bool Placement::move(pid_t tid, Placed& task, Where where) {
  if (task.where == where) return true;
  if (task.where == Where::Own && sched_getaffinity(tid, sizeof task.own, &task.own) != 0) {
    return false;
  }
  const auto here = static_cast<size_t>(cpu_);
  cpu_set_t mask = task.own;
  if (where == Where::Here) {
    if (!CPU_ISSET(here, &task.own)) return false;
    CPU_ZERO(&mask);
    CPU_SET(here, &mask);
  } else if (where == Where::Away) {
    CPU_CLR(here, &mask);
  }
  if (CPU_COUNT(&mask) == 0 || sched_setaffinity(tid, sizeof mask, &mask) != 0) return false;
  task.where = where;
  if (where == Where::Here) {
    current_ = tid;
  } else if (current_ == tid) {
    current_ = 0;
  }
  if (where != Where::Own) arm(true);
  return true;
}

void Placement::leave_alone(int64_t now) {
  const bool again = now - alone_until_ns_ < alone_ns_;
  alone_ns_ = again ? std::min(2 * alone_ns_, kLongCrowdNs) : kCrowdedNs;
  alone_until_ns_ = now + alone_ns_;
}

void Placement::on_call(pid_t tid) {
  if (!enabled_) return;
  Placed& task = tasks_[tid];
  if (task.never) return;
  const int64_t now = clock_ns(CLOCK_MONOTONIC);
  const int64_t gap = std::min(now - task.last_call_ns, kLongGapNs);
  task.usual_gap_ns += (gap - task.usual_gap_ns) / 4;
  task.last_call_ns = now;
  turns_ += ((last_caller_ == tid ? 0 : kAllTurns) - turns_) / 16;
  last_caller_ = tid;
  if (now < alone_until_ns_) {
    move(tid, task, Where::Own);
    return;
  }
  if (task.where == Where::Here && (current_ == tid || now < task.not_before_ns)) {
    current_ = tid;
    return;
  }
  if (now < task.not_before_ns) return;
  if (other_runs_here(tid)) {
    task.not_before_ns = now + kCrowdedNs;
    Placed& other = tasks_[current_];
    const bool shares = task.usual_gap_ns < kSharesNs;
    const bool other_computes = now - other.last_call_ns > kComputesAfterNs;
    if (other_computes || !shares || other.usual_gap_ns >= kSharesNs) {
      // Both would take turns on one CPU while another idles.
      if (!shares || !other_computes || !move(current_, other, Where::Away)) {
        if (turns_ > kInTurns) {  // no CPU will idle, if the other does not stay here
          leave_alone(now);
          move(current_, other, Where::Own);
        }
        move(tid, task, Where::Own);
        return;
      }
    }
  }
  if (task.where == Where::Here) {
    current_ = tid;
  } else if (!move(tid, task, Where::Here)) {
    task.never = true;
  }
}

void Placement::on_child(pid_t parent, pid_t child) {
  auto found = tasks_.find(parent);
  if (found == tasks_.end()) return;
  // The kernel gave it its parent's mask, and most parents wait for their child: it takes the
  // place.
  Placed born = found->second;
  born.not_before_ns = clock_ns(CLOCK_MONOTONIC) + kCrowdedNs;
  tasks_[child] = born;
}

void Placement::on_own_affinity(pid_t tid, bool sets) {
  if (!enabled_) return;
  Placed& task = tasks_[tid];
  move(tid, task, Where::Own);
  if (sets) task.never = true;
}

void Placement::tick() {
  if (!enabled_) return;
  const int64_t now = clock_ns(CLOCK_MONOTONIC);
  bool any = false;
  for (auto& [tid, task] : tasks_) {
    if (task.where == Where::Own) continue;
    if (task.where == Where::Away || now - task.last_call_ns >= kLeavesAfterNs) {
      move(tid, task, Where::Own);
    } else {
      any = true;
    }
  }
  arm(any);
}

void Placement::forget(pid_t tid) {
  tasks_.erase(tid);
  if (current_ == tid) current_ = 0;
}

}  // namespace callgate
