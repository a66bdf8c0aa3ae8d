// Signals: to processes of the sandbox alone, by numbers that mean them until the call is done.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <utility>

#include "monitor/guard.h"
#include "monitor/named.h"

namespace callgate {
namespace {

// A group that grows as fast as it is signalled must not keep its caller for ever.
constexpr size_t kMostSignalled = 65536;

// What a kill-like call aims at.
struct Target {
  enum class Kind : uint8_t { Process, Group, Everyone };
  Kind kind = Kind::Process;
  pid_t id = 0;
};

Target kill_target(pid_t argument, pid_t caller) {
  if (argument > 0) return {Target::Kind::Process, argument};
  if (argument == -1) return {Target::Kind::Everyone, -1};
  if (argument == 0) return {Target::Kind::Group, getpgid(caller)};
  if (argument == INT_MIN) return {Target::Kind::Process, INT_MAX};  // nobody has this number
  return {Target::Kind::Group, -argument};
}

bool is_signal(int number) { return static_cast<unsigned>(number) < _NSIG; }

// A signal to a zombie is delivered to nobody, and counts as delivered.
bool has_zombie(pid_t group) {
  const auto members = group_members(group);
  return members.ok() && std::any_of(members->begin(), members->end(), [](pid_t pid) {
           const auto status = read_task_status(pid);
           return status.ok() && status->state == 'Z';
         });
}

}  // namespace

// A process of the sandbox, or one whose state nothing can change any more (a zombie).
bool Guard::within_reach(pid_t pid) const {
  if (is_own(pid)) return false;
  if (is_inside(pid)) return true;
  auto status = read_task_status(pid);
  return status.ok() && status->state == 'Z';
}

bool Guard::is_inside(pid_t pid) const { return mirror_.has_process(pid) || mirror_.has_task(pid); }

// The program itself would lead the group that the front leads in its place, and scripts name it so
// (kill -- -$$). No group of that number exists then.
pid_t Guard::group_named(pid_t number) const {
  const auto process = mirror_.process(number);
  const bool is_program = process != nullptr && process->parent == own_.front;
  return is_program && getpgid(number) == own_.front ? own_.front : number;
}

bool Guard::may_signal_outside(pid_t group) const {
  return policy_.signal(false).allowed() && group != getpgid(own_.monitor);
}

// Whose number is taken as long as it calls.
bool Guard::is_caller(const Task& task, pid_t pid) {
  return pid == task.tid || pid == task.process->pid;
}

// The call goes to a process of the sandbox by its number, which stays that process's until the
// monitor has taken notice of its end.
Answer Guard::before_any_is_reaped(const Stop& stop, std::optional<Event> event) {
  Track track;
  track.flight.abi = stop.abi;
  track.flight.row = stop.row;
  track.flight.event = std::move(event);
  track.flight.names_process = true;
  return track;
}

// A group that holds none but the sandbox's own, and the front in the program's place. Whoever is
// inside may have joined the shell's (setpgid), and the one it was born in is the shell's.
bool Guard::group_within_reach(pid_t group) const {
  if (group <= 0) return false;  // 0: its leader is in no pid namespace of ours
  auto members = group_members(group);
  return members.ok() && std::all_of(members->begin(), members->end(), [&](pid_t pid) {
           return pid == own_.front || within_reach(pid);
         });
}

Answer Guard::signal_call(Task& task, const Stop& stop) {
  const SyscallRow& row = *stop.row;
  const int signal = stop.int_argument(Role::SignalNumber);
  Event event = start_event(task, stop, Event::Kind::Signal, "signal " + std::to_string(signal));
  Target target;
  if (row.argument(Role::PidFd) >= 0) {
    auto pid = pidfd_target(task.tid, stop.int_argument(Role::PidFd));
    if (!pid.ok()) return failed_lookup(task, std::move(event), pid.error().code);
    if (*pid < 0) return failed_lookup(task, std::move(event), ESRCH);
    // Its flags can widen the target to a group; and another pidfd could take the number meanwhile.
    constexpr uint64_t kThreadGroup = 2;  // PIDFD_SIGNAL_THREAD_GROUP: what a pidfd means anyway
    if ((stop.arguments[3] & ~kThreadGroup) != 0)
      return failed_lookup(task, std::move(event), EINVAL);
    target.id = *pid;
    if (is_inside(target.id) && enforcing() && policy_.signal(true).allowed()) {
      return signal_by_number(task, stop, target.id);
    }
  } else if (row.argument(Role::Tid) >= 0) {
    target.id = stop.int_argument(Role::Tid);
    if (target.id <= 0) return failed_lookup(task, std::move(event), EINVAL);
  } else {
    target = kill_target(stop.int_argument(Role::Pid), task.process->pid);
    if (target.kind == Target::Kind::Group) target.id = group_named(target.id);
    // rt_sigqueueinfo takes processes alone.
    if (row.name != "kill" && target.kind != Target::Kind::Process) {
      return failed_lookup(task, std::move(event), EINVAL);
    }
  }
  if (target.kind == Target::Kind::Process) {
    event.objects.push_back({std::to_string(target.id), std::to_string(target.id), {}});
    if (within_reach(target.id)) return signal_inside(task, stop, target.id, std::move(event));
    if (::kill(target.id, 0) != 0 && errno == ESRCH)
      return failed_lookup(task, std::move(event), ESRCH);
    Decision decision = policy_.signal(false);
    if (is_own(target.id)) {
      decision = Decision{};
      event.reason = "callgate itself is out of reach";
    } else if (decision.rule == nullptr) {
      event.reason = kOutsideReason;
      event.remedy = "signal allow all";
    }
    if (decision.error == EACCES) decision.error = EPERM;
    return decided(task, stop, std::move(event), decision, Proceed{});
  }
  return signal_group(task, stop, target.kind == Target::Kind::Everyone ? -1 : target.id,
                      std::move(event));
}

Answer Guard::signal_inside(Task& task, const Stop& stop, pid_t pid, Event event) {
  const Decision decision = policy_.signal(true);
  // A thread is looked for in the process that is named with it.
  const bool by_process = stop.row->argument(Role::Pid) >= 0;
  const pid_t process = by_process ? stop.int_argument(Role::Pid) : pid;
  if (!decision.allowed() || !enforcing() || is_caller(task, process)) {
    return decided(task, stop, std::move(event), decision, Proceed{});
  }
  if (!is_inside(pid)) {  // a zombie, which takes note of nothing
    int error = is_signal(stop.int_argument(Role::SignalNumber)) ? 0 : EINVAL;
    if (error == 0 && ::kill(pid, 0) != 0) error = errno;
    event.rule = decision.rule;
    event.log = decision.log;
    if (auto said = kept(std::move(event), decision.log)) record(*std::move(said), -error);
    return Pretend{-error};
  }
  event.rule = decision.rule;
  event.log = decision.log;
  return before_any_is_reaped(stop, kept(std::move(event), decision.log));
}

// pidfd_send_signal as the call that takes the pid itself, where nobody can change it.
Answer Guard::signal_by_number(Task& task, const Stop& stop, pid_t pid) {
  const bool has_info = stop.arguments[2] != 0;
  if (has_info) {
    auto number = TraceeMemory(task.tid).read_value<int>(TraceeAddr{stop.arguments[2]});
    const int error = !number.ok()                                       ? EFAULT
                      : *number != stop.int_argument(Role::SignalNumber) ? EINVAL
                                                                         : 0;
    if (error != 0) return Refuse{error};
  }
  const SyscallRow* row = find_syscall(has_info ? "rt_sigqueueinfo" : "kill");
  auto track = begin_redirect_registers(task, stop);
  if (!track.ok()) return exhausted(task, stop, track.error().code);
  track->flight.names_process = true;
  track->changed->set_number(stop.abi, row->number[static_cast<size_t>(stop.abi)]);
  track->changed->set_argument(stop.abi, 0, static_cast<uint64_t>(pid));
  return *std::move(track);
}

// A group may hold processes that are none of ours (the shell that started us): the program then
// signals each of its own, one call after the other.
Answer Guard::signal_group(Task& task, const Stop& stop, pid_t group, Event event) {
  if (group != -1 && may_signal_outside(group) && policy_.signal(true).allowed()) {
    event.objects.push_back({std::to_string(group), "group", {}});
    const Decision outside = policy_.signal(false);
    const pid_t named = -stop.int_argument(Role::Pid);
    if (named == 0 || named == group || !enforcing()) {
      return decided(task, stop, std::move(event), outside, Proceed{});
    }
    auto track = begin_redirect_registers(task, stop);
    if (!track.ok()) return exhausted(task, stop, track.error().code);
    track->flight.event = kept(std::move(event), outside.log);
    track->changed->set_argument(stop.abi, stop.row->argument(Role::Pid),
                                 static_cast<uint64_t>(-group));
    return *std::move(track);
  }
  const pid_t caller = task.process->pid;
  std::vector<pid_t> members;
  for (const pid_t pid : mirror_.processes()) {
    if (group == -1 ? pid != caller : getpgid(pid) == group) members.push_back(pid);
  }
  // The caller comes last: its own signal may end it before the others have theirs.
  const auto rank = [caller](pid_t pid) { return std::pair(pid == caller, pid); };
  std::ranges::sort(members, {}, rank);
  event.objects.push_back(
      {std::to_string(group), "group of " + std::to_string(members.size()), {}});
  const Decision decision = policy_.signal(true);
  if (!decision.allowed()) return decided(task, stop, std::move(event), decision, Proceed{});
  if (!enforcing()) return observed(stop, std::move(event), false);
  // Some may be gone since the last one had its signal, and those born meanwhile come after it.
  const Retry& so_far = task.retry;
  const auto next = std::ranges::find_if(members, [&](pid_t pid) {
    return so_far.progress == 0 || rank(pid) > rank(so_far.signalled);
  });
  const bool kept = options_.observe_all || decision.log;
  if (next == members.end() || so_far.progress >= kMostSignalled) {
    const bool reached = so_far.progress > 0 && so_far.series == 0;
    if (group != -1 && !reached && has_zombie(group)) {
      return Pretend{is_signal(stop.int_argument(Role::SignalNumber)) ? 0 : -EINVAL};
    }
    if (so_far.progress == 0) {
      const bool outside = group != -1 && ::kill(-group, 0) == 0;
      return failed_lookup(task, std::move(event), outside ? EPERM : ESRCH);
    }
    if (kept) record(std::move(event), so_far.series);
    return Pretend{so_far.series};
  }
  auto track = begin_redirect_registers(task, stop);
  if (!track.ok()) return exhausted(task, stop, track.error().code);
  Retry& retry = track->flight.retry;
  track->flight.after = After::SignalOne;
  track->flight.names_process = true;
  if (retry.progress == 0) retry.series = group == -1 ? 0 : -ESRCH;
  retry.signalled = *next;
  if (kept) track->flight.event = std::move(event);
  track->changed->set_argument(stop.abi, stop.row->argument(Role::Pid),
                               static_cast<uint64_t>(*next));
  return *std::move(track);
}

Finished Guard::finish_signals(Task& task, InFlight& flight, int64_t& result) {
  if (result == -EINVAL) return Finished::Done;  // there is no such signal, whoever is to get it
  Retry& retry = flight.retry;
  ++retry.progress;
  // It succeeds if it reached anyone; whoever has died meanwhile does not count.
  if (retry.series != 0 && result != -ESRCH) retry.series = result;
  result = retry.series;
  if (retry.signalled == task.process->pid) return Finished::Done;  // the last one
  task.retry = retry;
  return Finished::RunAgain;
}

// F_SETOWN and friends send SIGIO (or any other signal) to whom they name.
Answer Guard::owner_call(Task& task, const Stop& stop, pid_t owner) {
  if (owner == INT_MIN) return Proceed{};  // EINVAL, says the kernel
  const pid_t target = owner < 0 ? -owner : owner;
  bool inside = owner == 0;
  if (owner > 0) inside = within_reach(target) || (may_signal_outside(0) && !is_own(target));
  if (owner < 0) inside = may_signal_outside(target) || group_within_reach(target);
  if (inside) return Proceed{};
  Event event = start_event(task, stop, Event::Kind::Signal, "signal owner");
  event.objects.push_back({std::to_string(owner), std::to_string(owner), {}});
  return refuse_for(task, stop, std::move(event), EPERM, kOutsideReason);
}

}  // namespace callgate
