#include "monitor/tracer.h"

#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace callgate {
namespace {

constexpr int kOptions = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK |
                         PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |
                         PTRACE_O_TRACESECCOMP;

// ptrace's address and data are numbers here.
long control(__ptrace_request request, pid_t tid, uint64_t address = 0, uint64_t data = 0) {
  return ptrace(request, tid, reinterpret_cast<void*>(address),  // NOLINT: an interface of numbers
                reinterpret_cast<void*>(data));                  // NOLINT
}

}  // namespace

Tracer::Tracer(const SessionOptions& options, const Policy& policy, ArgumentArea& area,
               EventSink& sink, OwnProcesses own, std::vector<bool> plain_stops)
    : options_(options),
      plain_stops_(std::move(plain_stops)),
      area_(area),
      sink_(sink),
      guard_(options, policy, area, mirror_, sink, own),
      placement_(options.co_schedule) {}

Status Tracer::seize_root(pid_t root, bool fenced) {
  if (control(PTRACE_SEIZE, root, 0, kOptions) != 0) return last_error();
  root_ = root;
  Task& task = mirror_.add_root(root, getppid());
  if (fenced) mirror_.enter_domain(task, true);
  return Unit{};
}

bool Tracer::run(std::function<void(bool)> on_root_end) {
  on_root_end_ = std::move(on_root_end);
  // Stops need no signal beside the wake-up; SIG_DFL ignores it anyway.
  struct sigaction quiet {};
  quiet.sa_handler = SIG_DFL;
  quiet.sa_flags = SA_NOCLDSTOP;
  sigaction(SIGCHLD, &quiet, nullptr);
  size_t since_sweep = 0;
  while (!mirror_.empty() || !newborn_.empty()) {
    int raw = 0;
    const bool holding = hold_ && !hold_->waiting.empty();
    const bool orphans = rounds_for_makers_ > 0;
    const pid_t tid = waitpid(-1, &raw, __WALL | (holding || orphans ? WNOHANG : 0));
    if (tid == 0) {
      if (holding) recheck_waiting();
      if (orphans) await_makers();
      continue;
    }
    if (newborn_.empty()) rounds_for_makers_ = 0;
    if (tid < 0) {
      if (errno == EINTR) {
        placement_.tick();
        continue;
      }
      return errno == ECHILD;  // nothing left to wait for
    }
    on_wait(tid, WaitStatus(raw));
    // waitpid(-1) serves the youngest first, so a few that never pause would keep older ones from
    // ever being served.
    constexpr size_t kSweepAfter = 16;
    if (++since_sweep < std::max(kSweepAfter, mirror_.size()) || hold_) continue;
    since_sweep = 0;
    if (rounds_for_makers_ > 0) await_makers();
    for (const pid_t each : mirror_.tasks()) {
      if (!hold_ && waitpid(each, &raw, __WALL | WNOHANG) == each) {
        on_wait(each, WaitStatus(raw));
      }
    }
  }
  return true;
}

void Tracer::on_wait(pid_t tid, WaitStatus status) {
  handle(tid, status);
  if (options_.self_check && !stopping_) check_mirror();
  if (!sink_.healthy() && options_.stop_on_log_failure && !stopping_) {
    stopping_ = true;
    kill_all();
  }
}

void Tracer::check_mirror() {
  // What is half done in the kernel (an execve, an exit) differs for a moment.
  std::string difference = mirror_.verify();
  for (int i = 0; i < 50 && !difference.empty(); ++i) {
    constexpr timespec kPause{0, 400'000};
    nanosleep(&kPause, nullptr);
    difference = mirror_.verify();
  }
  if (difference.empty()) return;
  dprintf(options_.report_fd, "callgate: the mirror differs: %s\n", difference.c_str());
  stopping_ = true;
  kill_all();
}

void Tracer::handle(pid_t tid, WaitStatus status) {
  if (guard_.keepers().is_keeper(tid)) {
    guard_.keepers().forget(tid);
    return;
  }
  if (status.kind() == WaitStatus::Kind::Exited || status.kind() == WaitStatus::Kind::Killed) {
    on_end(tid, status);
    if (tid == root_ && !std::exchange(root_ended_, true)) {
      on_root_end_(mirror_.empty() && newborn_.empty());
    }
    return;
  }
  if (status.kind() == WaitStatus::Kind::Exec) {
    on_exec(tid);
    return;
  }
  Task* task = mirror_.find(tid);
  if (task == nullptr) {
    // A child whose parent's event has not come yet: it stays stopped until we know what it shares.
    newborn_[tid] = status.raw();
    rounds_for_makers_ = kRoundsForMakers;  // its maker's event is mostly next
    return;
  }
  task->state = Task::State::Stopped;
  if (waits_for_exec(*task, status)) return;
  if (hold_ && held_back(*task, status)) {
    hold_progress();
    return;
  }
  handle_known(*task, status);
}

void Tracer::handle_known(Task& task, WaitStatus status) {
  if (task.in_flight && status.kind() != WaitStatus::Kind::Seccomp) settle(task);
  switch (status.kind()) {
    case WaitStatus::Kind::Seccomp:
      on_seccomp(task);
      return;
    case WaitStatus::Kind::SyscallExit:
      on_exit_stop(task);
      return;
    case WaitStatus::Kind::NewTask:
      on_new_task(task);
      return;
    case WaitStatus::Kind::GroupStop:
      // Stopped as its parent sees it; PTRACE_LISTEN leaves it so and tells us of SIGCONT.
      task.state = Task::State::Parked;
      control(PTRACE_LISTEN, task.tid);
      return;
    case WaitStatus::Kind::EventStop:
      on_event_stop(task);
      return;
    case WaitStatus::Kind::Signal:
      resume(task, status.signal());
      return;
    case WaitStatus::Kind::OtherEvent:
      resume(task);
      return;
    case WaitStatus::Kind::Exec:
    case WaitStatus::Kind::Exited:
    case WaitStatus::Kind::Killed:
      return;  // dealt with before
  }
}

void Tracer::resume(Task& task, int signal) {
  task.state = Task::State::Running;
  task.vforking = false;
  const bool to_exit = task.in_flight ? !task.in_flight->returns_itself : task.waits.has_value();
  const auto request = to_exit ? PTRACE_SYSCALL : PTRACE_CONT;
  // ESRCH: it is dying, and its end will be reported.
  control(request, task.tid, 0, static_cast<uint64_t>(signal));
}

// What must not go on and cannot be killed (a monitor without CAP_KILL, a program that has become
// another user) is killed by the kernel, with all others, when the monitor ends.
void Tracer::kill_process(pid_t pid) {
  if (::kill(pid, SIGKILL) == 0 || errno == ESRCH) return;
  dprintf(options_.report_fd, "callgate: process %d cannot be killed; everything is\n", pid);
  std::abort();
}

void Tracer::kill_all() {
  for (const pid_t pid : mirror_.processes()) kill_process(pid);
  for (const auto& [tid, raw] : newborn_) ::kill(tid, SIGKILL);
}

bool Tracer::is_handshake(const Task& task, const Stop& stop) {
  return !handshake_done_ && task.tid == root_ && stop.row != nullptr &&
         stop.row->operation == Operation::Exec && stop.arguments[0] == 0 &&
         stop.arguments[1] == kHandshakeQuestion;
}

void Tracer::on_seccomp(Task& task) {
  auto stop = read_stop(task.tid);
  if (!stop.ok()) {
    if (stop.error().code == ESRCH) return;
    answer(task, Stop{}, Refuse{ENOSYS});
    return;
  }
  if (is_handshake(task, *stop)) {
    handshake_done_ = true;
    answer(task, *stop, Pretend{kHandshakeAnswer});
    return;
  }
  if (task.in_flight && came_back(task, *stop)) return;
  consider_stop(task, *stop);
}

void Tracer::consider_stop(Task& task, const Stop& stop) {
  if (stop.row != nullptr && stop.row->operation == Operation::Affinity) {
    const auto target = static_cast<pid_t>(stop.arguments[0]);
    const pid_t whose = target == 0 ? task.tid : target;
    if (mirror_.has_task(whose)) {
      placement_.on_own_affinity(whose, stop.row->name == "sched_setaffinity");
    }
  } else {
    placement_.on_call(task.tid);
  }
  Answer said = guard_.consider(task, stop);
  if (std::exchange(task.reads_own_mask, false)) placement_.on_own_affinity(task.tid, true);
  answer(task, stop, std::move(said));
}

void Tracer::answer(Task& task, const Stop& stop, Answer answer) {
  if (std::holds_alternative<Proceed>(answer)) {
    resume(task);
    return;
  }
  if (auto* track = std::get_if<Track>(&answer)) {
    if (track->changed && !track->changed->store(task.tid).ok()) return;  // it is gone
    task.in_flight = std::make_unique<InFlight>(std::move(track->flight));
    if (task.in_flight->after == After::Exec) task.process->executing = task.tid;
    if (task.in_flight->after == After::SignalOne) keep_signals_back(task);
    const bool names_process = task.in_flight->names_process;
    resume(task);
    if (names_process && !hold_) await_call(task.tid);
    return;
  }
  if (std::holds_alternative<MapAreaFirst>(answer)) {
    map_area(task, stop);
    return;
  }
  if (std::holds_alternative<AskAgain>(answer)) {
    pause(task, stop);
    return;
  }
  if (auto* hold = std::get_if<HoldOthers>(&answer)) {
    begin_hold(task, stop, hold->scope);
    return;
  }
  int64_t value = -EACCES;
  if (auto* refuse = std::get_if<Refuse>(&answer)) value = -refuse->error;
  if (auto* pretend = std::get_if<Pretend>(&answer)) value = pretend->value;
  auto registers = stop.registers ? Result(*stop.registers) : Registers::fetch(task.tid);
  if (!registers.ok()) return;
  registers->skip_call(stop.abi, value);
  if (!registers->store(task.tid).ok()) return;
  task.retry = Retry{};
  let_signals_in(task);
  if (std::holds_alternative<KillProcess>(answer)) kill_process(task.process->pid);
  resume(task);
}

void Tracer::on_exit_stop(Task& task) {
  auto flight = std::move(task.in_flight);
  if (!flight) {
    if (task.waits) follow_wait(task);
    resume(task);  // else not ours to follow any more: an execve that succeeded
    return;
  }
  task.waits.reset();
  auto fetched = Registers::fetch_result(task.tid, flight->abi);
  if (!fetched.ok()) return;
  int64_t result = *fetched;
  if (result == -EINTR && std::exchange(task.interrupted, false) && !has_signal(task.tid)) {
    if (!flight->redirected) go_on_waiting(task);
    result = kRestartNoHand;
  }
  if (flight->after == After::MapArea || flight->after == After::Pause) {
    if (flight->after == After::MapArea) finish_area(task, result);
    flight->original->restart_call(flight->abi);
    if (!flight->original->store(task.tid).ok()) return;
    resume(task);
    return;
  }
  if (!conclude(task, *flight, result)) return;
  const pid_t tid = task.tid;
  const auto process = task.process;
  flight.reset();
  resume(task);
  if (hold_ && hold_->acting && hold_->owner == tid) release_hold();
  if (process->executing == tid) end_exec(*process);
}

bool Tracer::conclude(Task& task, InFlight& flight, int64_t result) {
  task.retry = Retry{};
  const Finished finished = guard_.finish(task, flight, result);
  if (finished == Finished::Done) let_signals_in(task);
  if (!flight.redirected) return true;
  // All argument registers and the number, also when the kernel is about to restart the call
  // (-512..-516): it runs again from the program's own registers and is judged anew.
  Registers& registers = *flight.original;
  if (finished == Finished::RunAgain) {
    registers.restart_call(flight.abi);
  } else {
    registers.set_result(flight.abi, result);
  }
  return registers.store(task.tid).ok();
}

// Nobody else is waited for, and so no number that the call names becomes free, until it is done.
// None of these calls sleeps.
void Tracer::await_call(pid_t tid) {
  for (;;) {
    const Task* task = mirror_.find(tid);
    if (task == nullptr || !task->in_flight || task->state != Task::State::Running) return;
    int raw = 0;
    const pid_t ended = waitpid(tid, &raw, __WALL);
    if (ended == tid) {
      handle(tid, WaitStatus(raw));
    } else if (ended < 0 && errno == EINTR) {
      placement_.tick();
    } else {
      return;
    }
  }
}

}  // namespace callgate
