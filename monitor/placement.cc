#include "monitor/placement.h"

#include <signal.h>
#include <sys/time.h>
#include <time.h>

#include "monitor/proc_files.h"

namespace callgate {
namespace {

constexpr int64_t kComputesAfterNs = 4'000'000;  // without a call: it computes, or it sleeps
constexpr int64_t kEagerNs = 200'000;            // from one call to the next, waking included
constexpr int64_t kCrowdedNs = 1'000'000;        // between two looks at who else runs here

int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * int64_t{1'000'000'000} + now.tv_nsec;
}

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
  enabled_ = sigaction(SIGALRM, &action, nullptr) == 0 && sched_setaffinity(0, sizeof one, &one) == 0;
}

void Placement::arm(bool on) {
  if (armed_ == on) return;
  armed_ = on;
  itimerval timer{};
  if (on) timer.it_interval.tv_usec = timer.it_value.tv_usec = kComputesAfterNs / 1000;
  setitimer(ITIMER_REAL, &timer, nullptr);
}

// Two tasks that both run would take turns on one CPU while another idles: the second stays away
// as long as the first really runs.
bool Placement::make_room(pid_t for_tid, int64_t now) {
  if (current_ == 0 || current_ == for_tid) return true;
  auto found = tasks_.find(current_);
  if (found == tasks_.end() || !found->second.placed) return true;
  if (now - found->second.last_call_ns < kComputesAfterNs) {
    auto status = read_task_status(current_);
    if (status.ok() && status->state == 'R') return false;
  }
  give_back(current_, found->second);
  return true;
}

void Placement::on_call(pid_t tid) {
  if (!enabled_) return;
  Placed& task = tasks_[tid];
  if (task.never) return;
  const int64_t now = now_ns();
  const bool eager = now - task.last_call_ns < kEagerNs;
  task.last_call_ns = now;
  if (task.placed) {
    current_ = tid;
    return;
  }
  // Who calls this often would spend more time being woken elsewhere than it computes: it shares.
  if (!eager && now < task.not_before_ns) return;
  if (!eager && !make_room(tid, now)) {
    task.not_before_ns = now + kCrowdedNs;
    return;
  }
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<size_t>(cpu_), &one);
  if (sched_getaffinity(tid, sizeof task.own, &task.own) != 0 ||
      !CPU_ISSET(static_cast<size_t>(cpu_), &task.own) ||
      sched_setaffinity(tid, sizeof one, &one) != 0) {
    task.never = true;
    return;
  }
  task.placed = true;
  current_ = tid;
  arm(true);
}

void Placement::on_child(pid_t parent, pid_t child) {
  auto found = tasks_.find(parent);
  if (found == tasks_.end()) return;
  Placed born = found->second;
  born.not_before_ns = 0;
  // It will want the other CPU as soon as it runs beside its parent; until it calls, it has it.
  if (born.placed) give_back(child, born);
  tasks_[child] = born;
}

void Placement::give_back(pid_t tid, Placed& task) {
  if (task.placed) sched_setaffinity(tid, sizeof task.own, &task.own);
  task.placed = false;
  if (current_ == tid) current_ = 0;
}

void Placement::on_own_affinity(pid_t tid, bool sets) {
  if (!enabled_) return;
  Placed& task = tasks_[tid];
  give_back(tid, task);
  if (sets) task.never = true;
}

void Placement::tick() {
  if (!enabled_) return;
  const int64_t now = now_ns();
  bool any = false;
  for (auto& [tid, task] : tasks_) {
    if (!task.placed) continue;
    if (now - task.last_call_ns >= kComputesAfterNs) {
      give_back(tid, task);
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
