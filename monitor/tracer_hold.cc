// Holding others still: for the few calls whose meaning could be changed from outside their
// arguments between the decision and the kernel's look (a descriptor's number, a mapping, the
// directory a socket is bound in). A task that has been interrupted runs no further instruction of
// its own before it stops, so once all have stopped nothing can change.
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>

#include <cstdlib>

#include "monitor/tracer.h"

namespace callgate {
namespace {

// Asleep in the very vfork that made its child: it runs nothing until the child lets go, and then
// stops first, because it has been interrupted. Only the kernel knows whether that is still so.
bool sleeps_in_vfork(pid_t tid) {
  auto text = read_whole_file("/proc/" + std::to_string(tid) + "/syscall");
  if (!text.ok()) return false;
  const int number = std::atoi(text->c_str());  // "running" reads as 0, which is none of these
  for (const char* name : {"vfork", "clone"}) {
    const SyscallRow* row = find_syscall(name);
    for (const int known : row->number) {
      if (number > 0 && number == known) return true;
    }
  }
  return false;
}

}  // namespace

bool Tracer::in_hold(const Task& task) const {
  if (!hold_ || task.tid == hold_->owner) return false;
  Task* owner = const_cast<Mirror&>(mirror_).find(hold_->owner);  // NOLINT: look-up only
  if (owner == nullptr) return false;
  switch (hold_->scope) {
    case HoldOthers::Scope::DescriptorTable:
      return task.files == owner->files;
    case HoldOthers::Scope::AddressSpace:
      return task.memory == owner->memory;
    case HoldOthers::Scope::Sandbox:
      return true;
  }
  return true;
}

void Tracer::begin_hold(Task& task, const Stop& stop, HoldOthers::Scope scope) {
  if (hold_) {  // one at a time; it is considered anew when its turn comes
    wants_hold_.push_back(task.tid);
    return;
  }
  hold_ = Hold{};
  hold_->owner = task.tid;
  hold_->scope = scope;
  hold_->stop = stop;
  hold_->serial = ++holds_;
  mirror_.each([&](Task& other) {
    if (!in_hold(other) || other.state != Task::State::Running) return;
    other.interrupted = true;
    const bool alive = ptrace(PTRACE_INTERRUPT, other.tid, nullptr, nullptr) == 0;
    if (alive && !(other.vforking && sleeps_in_vfork(other.tid))) hold_->waiting.insert(other.tid);
  });
  hold_progress();
}

// True: the stop is kept for later.
bool Tracer::held_back(Task& task, WaitStatus status) {
  if (!in_hold(task)) return false;
  task.state = Task::State::Held;
  task.held_status = status.raw();
  hold_->waiting.erase(task.tid);
  return true;
}

void Tracer::hold_progress() {
  if (!hold_ || hold_->acting || !hold_->waiting.empty()) return;
  Task* owner = mirror_.find(hold_->owner);
  if (owner == nullptr) {
    release_hold();
    return;
  }
  if (owner->process->executing != 0) return;  // the end of that execve brings us back
  hold_->acting = true;
  const pid_t stop_owner = hold_->owner;
  Stop stop = hold_->stop;
  stop.alone = true;
  Answer said = guard_.consider(*owner, stop);
  if (std::holds_alternative<Proceed>(said)) {  // the others must not run before it is done
    Track track;
    track.flight.abi = stop.abi;
    track.flight.row = stop.row;
    said = std::move(track);
  }
  answer(*owner, stop, std::move(said));
  if (hold_ && hold_->acting && hold_->owner == stop_owner) await_owner();
}

// Some never stop: a leader that is a zombie while its threads live, a parent that sleeps in vfork.
void Tracer::recheck_waiting() {
  std::vector<pid_t> never;
  for (const pid_t tid : hold_->waiting) {
    auto status = read_task_status(tid);
    const Task* task = mirror_.find(tid);
    if (!status.ok() || status->state == 'Z' || status->state == 'X' ||
        (task != nullptr && task->vforking && sleeps_in_vfork(tid))) {
      never.push_back(tid);
    }
  }
  for (const pid_t tid : never) hold_->waiting.erase(tid);
  if (never.empty()) {
    constexpr timespec kPause{0, 20'000};
    nanosleep(&kPause, nullptr);
  } else {
    hold_progress();
  }
}

// Until the owner's call is done, or sleeps in the kernel: it has looked at its arguments by then
// (connect and sendmsg take the descriptor and the address before they wait for anything).
void Tracer::await_owner() {
  constexpr int kSpins = 200;
  constexpr timespec kPause{0, 50'000};
  const uint64_t serial = hold_->serial;
  for (int i = 0;; ++i) {
    if (!hold_ || hold_->serial != serial) return;
    Task* owner = mirror_.find(hold_->owner);
    if (owner == nullptr || !owner->in_flight) {
      release_hold();
      return;
    }
    int raw = 0;
    const pid_t tid = waitpid(hold_->owner, &raw, __WALL | WNOHANG);
    if (tid > 0) {
      handle(tid, WaitStatus(raw));
      continue;
    }
    auto status = read_task_status(owner->tid);
    // Where the whole sandbox is held, a name is walked: that may sleep (FUSE) before it is done.
    const bool waits_last = hold_->scope != HoldOthers::Scope::Sandbox;
    if (!status.ok() || (waits_last && status->state == 'S')) {
      release_hold();
      return;
    }
    if (i < kSpins) {
      sched_yield();
    } else {
      nanosleep(&kPause, nullptr);
    }
  }
}

void Tracer::release_hold() {
  if (!hold_) return;
  hold_.reset();
  std::vector<pid_t> held;
  mirror_.each([&](Task& task) {
    if (task.state == Task::State::Held) held.push_back(task.tid);
  });
  for (const pid_t tid : held) {
    Task* task = mirror_.find(tid);
    if (task == nullptr || task->state != Task::State::Held) continue;
    task->state = Task::State::Stopped;
    const WaitStatus status(task->held_status);
    task->held_status = 0;
    handle(tid, status);
  }
  while (!hold_ && !wants_hold_.empty()) {
    const pid_t next = wants_hold_.front();
    wants_hold_.pop_front();
    Task* task = mirror_.find(next);
    constexpr int kItsStop = SIGTRAP << 8 | 0x7f | PTRACE_EVENT_SECCOMP << 16;
    if (task != nullptr && !waits_for_exec(*task, WaitStatus(kItsStop))) on_seccomp(*task);
  }
}

}  // namespace callgate
