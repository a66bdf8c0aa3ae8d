// Births, executions and deaths, in whatever order the kernel reports them.
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "monitor/clock.h"
#include "monitor/tracer.h"

namespace callgate {
namespace {

// The status of a stop that nobody but us asked for (PTRACE_INTERRUPT): to be resumed, no more.
constexpr int kStopOfOurs = SIGTRAP << 8 | 0x7f | PTRACE_EVENT_STOP << 16;

Result<pid_t> event_message(pid_t tid) {
  unsigned long message = 0;
  if (ptrace(PTRACE_GETEVENTMSG, tid, nullptr, &message) != 0) return last_error();
  return static_cast<pid_t>(message);
}

// The flags of the call that made a child: fork and vfork have theirs by name.
uint64_t clone_flags(pid_t tid) {
  __ptrace_syscall_info info{};
  if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof info, &info) < 0) return 0;
  const auto abi = abi_from_audit_arch(info.arch);
  auto registers = Registers::fetch(tid);
  if (!abi || !registers.ok()) return 0;
  const SyscallRow* row = find_syscall(*abi, registers->number(*abi));
  if (row == nullptr) return 0;
  if (row->name == "clone") return registers->argument(*abi, 0);
  return row->name == "vfork" ? CLONE_VM | CLONE_VFORK : 0;
}

// The kernel's own copy of the arguments, as much of it as a record needs.
std::vector<std::string> read_argv(pid_t pid) {
  constexpr size_t kMost = 64;
  constexpr size_t kMostBytes = 64 << 10;
  auto text = read_whole_file("/proc/" + std::to_string(pid) + "/cmdline");
  if (!text.ok()) return {};
  return split_arguments(std::string_view(*text).substr(0, kMostBytes), kMost);
}

// Any other error speaks of our own means.
bool says_gone(const Error& error) { return error.code == ENOENT || error.code == ESRCH; }

}  // namespace

// A child that was met before its maker's event may have lived and died by the time it comes.
bool Tracer::is_gone(pid_t child) {
  if (early_.erase(child) == 0) return false;
  auto status = read_task_status(child);
  return status.ok() ? status->tracer != getpid() : says_gone(status.error());
}

void Tracer::announce(const Process& process) {
  ProcessEvent event;
  event.kind = ProcessEvent::Kind::Started;
  event.time_ns = clock_ns(CLOCK_REALTIME);
  event.pid = process.pid;
  event.parent = process.parent;
  sink_.on_process(event);
}

void Tracer::on_new_task(Task& parent) {
  const uint64_t flags = clone_flags(parent.tid);
  auto child = event_message(parent.tid);
  if (child.ok() && mirror_.find(*child) == nullptr && !is_gone(*child)) {
    const bool same_parent = (flags & (CLONE_PARENT | CLONE_THREAD)) != 0;
    Task& task = mirror_.add_child(*child, parent, flags, *child,
                                   same_parent ? parent.process->parent : parent.process->pid);
    placement_.on_child(parent.tid, *child);
    if ((flags & CLONE_THREAD) == 0) announce(*task.process);
    if (stopping_) kill_process(task.process->pid);
    if (auto newborn = newborn_.find(*child); newborn != newborn_.end()) {
      const WaitStatus status(newborn->second);
      newborn_.erase(newborn);
      handle(*child, status);
    }
  }
  placement_.on_call(parent.tid);  // a birth brings it to us like any call
  resume(parent);
  parent.vforking = (flags & CLONE_VFORK) != 0;
}

// A maker that is alive stands in the very call, and is a moment from its event.
void Tracer::await_makers() {
  constexpr int kEager = 10;
  constexpr timespec kPause{0, 50'000};
  const int round = kRoundsForMakers - rounds_for_makers_--;
  if (round == 0 || rounds_for_makers_ == 0) adopt_orphans(round != 0);
  if (round < kEager) {
    sched_yield();
  } else {
    nanosleep(&kPause, nullptr);
  }
}

// A newborn that nobody may ever tell of: its maker died before its event could be read (an execve
// by another thread ends it, say), whoever its parent is by now, or made it with CLONE_PARENT. What
// it shares is then asked of the kernel. A parent of ours may still tell, unless that is late.
void Tracer::adopt_orphans(bool makers_are_late) {
  for (auto newborn = newborn_.begin(); newborn != newborn_.end();) {
    const auto [tid, raw] = *newborn;
    auto status = read_task_status(tid);
    if (!status.ok() && !says_gone(status.error())) {
      // No means to look at it: later, and where nobody tells of it meanwhile, it does not live on.
      if (makers_are_late) kill_process(tid);
      newborn = makers_are_late ? newborn_.erase(newborn) : std::next(newborn);
      continue;
    }
    const bool has_parent =
        status.ok() && (mirror_.has_process(status->parent) || mirror_.has_process(status->tgid));
    if (has_parent && !makers_are_late) {
      ++newborn;
      continue;
    }
    auto adopted = status.ok() ? mirror_.adopt(tid, *status) : Result<Task*>(status.error());
    if (!adopted.ok() && has_parent) {  // a kernel that does not say: all that is left is to wait
      ++newborn;
      continue;
    }
    newborn = newborn_.erase(newborn);
    if (!status.ok()) continue;
    if (!adopted.ok() || stopping_) kill_process(status->tgid);
    if (!adopted.ok()) continue;
    early_.insert(tid);
    announce(*(*adopted)->process);
    handle(tid, WaitStatus(raw));
    return adopt_orphans(makers_are_late);
  }
}

void Tracer::on_exec(pid_t tgid) {
  auto former = event_message(tgid);
  const pid_t from = former.ok() ? *former : tgid;
  if (mirror_.find(from) == nullptr && mirror_.find(tgid) == nullptr) return;
  Task& task = mirror_.exec(tgid, from);
  task.state = Task::State::Stopped;
  task.retry = Retry{};
  task.credentials.reset();
  task.process->pretends_undumpable = false;
  auto flight = std::move(task.in_flight);
  const bool allowed = guard_.allows_image(task, flight.get());
  if (flight && flight->event) {
    flight->event->result = 0;
    sink_.on_event(*flight->event);
  }
  ProcessEvent event;
  event.kind = ProcessEvent::Kind::Executed;
  event.time_ns = clock_ns(CLOCK_REALTIME);
  event.pid = task.process->pid;
  event.parent = task.process->parent;
  event.executable = *task.process->executable;
  if (options_.observe_all) event.argv = read_argv(tgid);
  sink_.on_process(event);
  if (!allowed || stopping_) kill_process(tgid);
  if (from != tgid) placement_.forget(from);
  task.process->executing = 0;
  task.interrupted = false;
  // Whoever stood at a call before is gone, and so is the call.
  std::erase_if(wants_hold_, [&](pid_t tid) { return tid == tgid || tid == from; });
  const bool owner = hold_ && (hold_->owner == tgid || hold_->owner == from);
  if (owner) {
    resume(task);
    release_hold();
    return;
  }
  if (hold_) hold_->waiting.erase(from);
  if (!hold_ || !held_back(task, WaitStatus(kStopOfOurs))) resume(task);
  if (hold_) {
    hold_->waiting.erase(tgid);
    hold_progress();
  }
}

// An execve by one thread ends the others and takes over their leader's number, whenever the kernel
// gets to it: a stop of theirs that were answered meanwhile might set the registers of the new
// image. True: the stop is kept until the execve has failed, or for ever.
bool Tracer::waits_for_exec(Task& task, WaitStatus status) {
  if (task.process->executing == 0 || task.process->executing == task.tid) return false;
  task.state = Task::State::Held;
  task.held_status = status.raw();
  if (hold_ && hold_->waiting.erase(task.tid) > 0) hold_progress();
  return true;
}

void Tracer::end_exec(Process& process) {
  process.executing = 0;
  std::vector<pid_t> kept;
  mirror_.each([&](const Task& task) {
    if (task.process.get() == &process && task.state == Task::State::Held) kept.push_back(task.tid);
  });
  for (const pid_t tid : kept) {
    Task* task = mirror_.find(tid);
    if (task != nullptr && task->state == Task::State::Held) {
      handle(tid, WaitStatus(task->held_status));
    }
  }
  hold_progress();
}

void Tracer::on_end(pid_t tid, WaitStatus status) {
  newborn_.erase(tid);
  placement_.forget(tid);
  Task* task = mirror_.find(tid);
  if (task == nullptr) early_.insert(tid);
  if (task != nullptr) {
    const auto process = task->process;
    mirror_.remove(tid);
    if (process->executing == tid) end_exec(*process);
    if (!mirror_.has_process(process->pid)) {
      ProcessEvent event;
      event.kind = ProcessEvent::Kind::Exited;
      event.time_ns = clock_ns(CLOCK_REALTIME);
      event.pid = process->pid;
      event.parent = process->parent;
      event.wait_status = status.raw();
      sink_.on_process(event);
    }
  }
  std::erase(wants_hold_, tid);
  if (hold_) {
    hold_->waiting.erase(tid);
    if (hold_->owner == tid) {
      release_hold();
    } else {
      hold_progress();
    }
  }
  adopt_orphans();
}

}  // namespace callgate
