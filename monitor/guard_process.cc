// Calls that reach other processes, and the settings by which a program could blind its monitor.
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstring>
#include <utility>

#include "monitor/guard.h"
#include "monitor/launch.h"
#include "monitor/named.h"

namespace callgate {
namespace {

constexpr const char* kOutside = "the process is outside the sandbox";
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
  if (mirror_.has_process(pid) || mirror_.has_task(pid)) return true;
  auto status = read_task_status(pid);
  return status.ok() && status->state == 'Z';
}

// A group that holds none but the sandbox's own. Whoever is inside may have joined the shell's
// (setpgid), and the one it was born in is the shell's.
bool Guard::group_within_reach(pid_t group) const {
  if (group <= 0) return false;  // 0: its leader is in no pid namespace of ours
  auto members = group_members(group);
  return members.ok() && std::all_of(members->begin(), members->end(),
                                     [&](pid_t pid) { return within_reach(pid); });
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
    if (stop.arguments[3] != 0) return failed_lookup(task, std::move(event), EINVAL);
    target.id = *pid;
    if (within_reach(target.id) && enforcing() && policy_.signal(true).allowed()) {
      return signal_by_number(task, stop, target.id);
    }
  } else if (row.argument(Role::Tid) >= 0) {
    target.id = stop.int_argument(Role::Tid);
    if (target.id <= 0) return failed_lookup(task, std::move(event), EINVAL);
  } else {
    target = kill_target(stop.int_argument(Role::Pid), task.process->pid);
    // rt_sigqueueinfo takes processes alone.
    if (row.name != "kill" && target.kind != Target::Kind::Process) {
      return failed_lookup(task, std::move(event), EINVAL);
    }
  }
  if (target.kind == Target::Kind::Process) {
    event.objects.push_back({std::to_string(target.id), std::to_string(target.id), {}});
    if (within_reach(target.id))
      return decided(task, stop, std::move(event), policy_.signal(true), Proceed{});
    if (::kill(target.id, 0) != 0 && errno == ESRCH)
      return failed_lookup(task, std::move(event), ESRCH);
    Decision decision = policy_.signal(false);
    if (is_own(target.id)) {
      decision = Decision{};
      event.reason = "callgate itself is out of reach";
    } else if (decision.rule == nullptr) {
      event.reason = kOutside;
      event.remedy = "signal allow all";
    }
    if (decision.error == EACCES) decision.error = EPERM;
    return decided(task, stop, std::move(event), decision, Proceed{});
  }
  return signal_group(task, stop, target.kind == Target::Kind::Everyone ? -1 : target.id,
                      std::move(event));
}

// pidfd_send_signal as the call that takes the pid itself, where nobody can change it.
Answer Guard::signal_by_number(Task& task, const Stop& stop, pid_t pid) {
  const bool has_info = stop.arguments[2] != 0;
  const SyscallRow* row = find_syscall(has_info ? "rt_sigqueueinfo" : "kill");
  auto track = begin_redirect_registers(task, stop);
  if (!track.ok()) return exhausted(task, stop, track.error().code);
  track->changed->set_number(stop.abi, row->number[static_cast<size_t>(stop.abi)]);
  track->changed->set_argument(stop.abi, 0, static_cast<uint64_t>(pid));
  return *std::move(track);
}

// A group may hold processes that are none of ours (the shell that started us): the program then
// signals each of its own, one call after the other.
Answer Guard::signal_group(Task& task, const Stop& stop, pid_t group, Event event) {
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
      return Pretend{
          static_cast<unsigned>(stop.int_argument(Role::SignalNumber)) > _NSIG - 1 ? -EINVAL : 0};
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

Answer Guard::target_call(Task& task, const Stop& stop) {
  pid_t pid = stop.int_argument(stop.row->argument(Role::Tid) >= 0 ? Role::Tid : Role::Pid);
  if (stop.row->argument(Role::Which) >= 0) {
    // setpriority and ioprio_set: 0 or 1 is a process; groups and users reach beyond the sandbox.
    const int which = stop.int_argument(Role::Which);
    const int process = stop.row->name == "setpriority" ? PRIO_PROCESS : 1;
    const bool own_group = which == PRIO_PGRP && stop.row->name == "setpriority" && pid == 0;
    const pid_t group = own_group ? getpgid(task.process->pid) : 0;
    if (own_group && group_within_reach(group)) {
      if (!enforcing()) return Proceed{};
      // By its number: a parent may put the caller into another group meanwhile.
      auto track = begin_redirect_registers(task, stop);
      if (!track.ok()) return exhausted(task, stop, track.error().code);
      track->changed->set_argument(stop.abi, stop.row->argument(Role::Pid),
                                   static_cast<uint64_t>(group));
      return *std::move(track);
    }
    if (which != process) {
      Event event = start_event(task, stop, Event::Kind::Process, std::string(stop.row->name));
      return refuse_for(task, stop, std::move(event), EPERM, kOutside);
    }
  }
  if (pid == 0 || within_reach(pid)) return Proceed{};
  Event event = start_event(task, stop, Event::Kind::Process, std::string(stop.row->name));
  event.objects.push_back({std::to_string(pid), std::to_string(pid), {}});
  if (::kill(pid, 0) != 0 && errno == ESRCH) return failed_lookup(task, std::move(event), ESRCH);
  return refuse_for(task, stop, std::move(event), EPERM, kOutside);
}

// A limit may be lowered: the new values are read once, compared and sealed.
Answer Guard::lower_limit(Task& task, const Stop& stop, int resource) {
  Event event = start_event(task, stop, Event::Kind::Process, std::string(stop.row->name));
  const bool wide = stop.row->name == "prlimit64" || pointer_size(stop.abi) == 8;
  const int index =
      stop.row->argument(Role::CommandArg) >= 0 ? stop.row->argument(Role::CommandArg) : 1;
  std::array<std::byte, sizeof(rlimit64)> bytes{};
  const auto value = std::span(bytes).first(wide ? bytes.size() : bytes.size() / 2);
  const TraceeAddr at{stop.arguments[static_cast<size_t>(index)]};
  if (!TraceeMemory(task.tid).read(at, value).ok()) return Refuse{EFAULT};
  rlimit64 asked{};
  std::memcpy(&asked, bytes.data(), sizeof asked);
  if (!wide) {
    uint32_t narrow[2];  // NOLINT: the layout of the 32-bit struct
    std::memcpy(narrow, bytes.data(), sizeof narrow);
    asked.rlim_max = narrow[1] == UINT32_MAX ? RLIM64_INFINITY : narrow[1];
  }
  rlimit64 current{};
  if (prlimit64(task.tid, static_cast<__rlimit_resource>(resource), nullptr, &current) != 0) {
    return Refuse{errno};
  }
  if (asked.rlim_max > current.rlim_max) {
    // No statement asked for this one (a core file is written where the policy might not allow
    // it), and a login program that cannot raise it gives up: as with dumpability, it is told yes.
    const bool wants_old = stop.row->name == "prlimit64" && stop.arguments[3] != 0;
    if (resource == RLIMIT_CORE && !wants_old) return Pretend{0};
    return refuse_for(task, stop, std::move(event), EPERM, "the policy limits this resource");
  }
  if (task.memory->area != AddressSpace::Area::Mapped) return MapAreaFirst{};
  auto track = begin_redirect(task, stop);
  if (!track.ok()) return exhausted(task, stop, track.error().code);
  auto sealed = track->flight.slot.put(value);
  if (!sealed.ok()) return exhausted(task, stop, sealed.error().code);
  track->changed->set_argument(stop.abi, index, static_cast<uint64_t>(*sealed));
  return *std::move(track);
}

// What the policy limits stays limited: only a privileged program could raise it again.
Answer Guard::rlimit_call(Task& task, const Stop& stop) {
  const bool sets =
      stop.row->argument(Role::CommandArg) < 0 || stop.argument(Role::CommandArg) != 0;
  const int resource = stop.int_argument(Role::Resource);
  const auto limits = policy_.limits();
  const bool limited = resource == RLIMIT_CORE
                           ? policy_.needs().paths
                           : std::any_of(limits.begin(), limits.end(), [&](const LimitRule& rule) {
                               return limit_resource(rule.resource) == resource;
                             });
  Answer reached = stop.row->argument(Role::Pid) < 0 ? Answer(Proceed{}) : target_call(task, stop);
  if (!std::holds_alternative<Proceed>(reached)) return reached;
  if (privileged_ && enforcing() && sets && limited) return lower_limit(task, stop, resource);
  return reached;
}

Answer Guard::unshare_call(Task& task, const Stop& stop) {
  static_cast<void>(task);
  Track track;
  track.flight.abi = stop.abi;
  track.flight.row = stop.row;
  track.flight.after = After::Unshare;
  track.flight.unshared =
      stop.row->name == "close_range" ? uint64_t{CLONE_FILES} : stop.argument(Role::CloneFlags);
  return track;
}

Answer Guard::domain_call(const Stop& stop) {
  constexpr uint32_t kAllThreads = 1U << 3;  // LANDLOCK_RESTRICT_SELF_TSYNC, newer than the headers
  Track track;
  track.flight.abi = stop.abi;
  track.flight.row = stop.row;
  track.flight.after = After::Landlock;
  track.flight.whole_process = (stop.arguments[1] & kAllThreads) != 0;
  return track;
}

Answer Guard::prctl_call(Task& task, const Stop& stop) {
  // An undumpable process is one we could not read: answered as done, and not done.
  const auto option = static_cast<int>(stop.arguments[0]);
  if (option == PR_SET_DUMPABLE) {
    task.process->pretends_undumpable = stop.arguments[1] == 0;
    return stop.arguments[1] == 0 ? Answer(Pretend{0}) : Answer(Proceed{});
  }
  if (option == PR_GET_DUMPABLE) {
    return task.process->pretends_undumpable ? Answer(Pretend{0}) : Answer(Proceed{});
  }
  Event event = start_event(task, stop, Event::Kind::Other, "prctl");
  return refuse_for(task, stop, std::move(event), EPERM, "it would blind the monitor");
}

// F_SETOWN and friends send SIGIO (or any other signal) to whom they name.
Answer Guard::owner_call(Task& task, const Stop& stop, pid_t owner) {
  const pid_t target = owner < 0 ? -owner : owner;
  bool inside = owner == 0;
  if (owner > 0) inside = within_reach(target);
  if (owner < 0) inside = group_within_reach(target);
  if (inside) return Proceed{};
  Event event = start_event(task, stop, Event::Kind::Signal, "signal owner");
  event.objects.push_back({std::to_string(owner), std::to_string(owner), {}});
  return refuse_for(task, stop, std::move(event), EPERM, kOutside);
}

Answer Guard::fcntl_call(Task& task, const Stop& stop) {
  const int command = static_cast<int>(stop.arguments[1]);
  if (command == F_SETOWN) return owner_call(task, stop, static_cast<pid_t>(stop.arguments[2]));
  if (command != F_SETOWN_EX) return Proceed{};
  auto owner = TraceeMemory(task.tid).read_value<f_owner_ex>(TraceeAddr{stop.arguments[2]});
  if (!owner.ok()) return Refuse{EFAULT};
  Answer answer = owner_call(task, stop, owner->type == F_OWNER_PGRP ? -owner->pid : owner->pid);
  if (!std::holds_alternative<Proceed>(answer) || !enforcing()) return answer;
  // Said in the argument itself, and so sealed: F_SETOWN carries the pid, but not a thread's.
  if (owner->type == F_OWNER_TID) return Refuse{EINVAL};
  auto track = begin_redirect_registers(task, stop);
  if (!track.ok()) return exhausted(task, stop, track.error().code);
  track->changed->set_argument(stop.abi, 1, F_SETOWN);
  track->changed->set_argument(
      stop.abi, 2, static_cast<uint64_t>(owner->type == F_OWNER_PGRP ? -owner->pid : owner->pid));
  return *std::move(track);
}

Answer Guard::ioctl_call(Task& task, const Stop& stop) {
  constexpr unsigned kFioSetOwn = 0x8901;
  constexpr unsigned kSiocSpgrp = 0x8902;
  const auto command = static_cast<unsigned>(stop.arguments[1]);
  if (command == kFioSetOwn || command == kSiocSpgrp) {
    auto owner = TraceeMemory(task.tid).read_value<int>(TraceeAddr{stop.arguments[2]});
    if (!owner.ok()) return Refuse{EFAULT};
    Answer answer = owner_call(task, stop, *owner);
    if (!std::holds_alternative<Proceed>(answer) || !enforcing()) return answer;
    // fcntl(F_SETOWN) does the same with the pid in a register, where nobody can change it.
    auto track = begin_redirect_registers(task, stop);
    if (!track.ok()) return exhausted(task, stop, track.error().code);
    static const SyscallRow* const fcntl_row = find_syscall("fcntl");
    track->changed->set_number(stop.abi, fcntl_row->number[static_cast<size_t>(stop.abi)]);
    track->changed->set_argument(stop.abi, 1, F_SETOWN);
    track->changed->set_argument(stop.abi, 2, static_cast<uint64_t>(*owner));
    return *std::move(track);
  }
  constexpr unsigned kBtrfsNames = 0x50009400;
  if ((command & 0xffffff00) == kBtrfsNames) {
    return refuse_for(task, stop, start_event(task, stop, Event::Kind::Path, "ioctl"), EPERM,
                      "it names a subvolume in memory that can still change");
  }
  // Inode flags: attributes, through a descriptor that must stay the one that was judged.
  auto place = resolver_.descriptor(viewer(task), stop.int_argument(Role::Fd));
  Event event = start_event(task, stop, Event::Kind::Path, "attributes");
  if (!place.ok()) return failed_lookup(task, std::move(event), place.error().code);
  event.objects.push_back({place->name, place->name, {}});
  const Decision decision = judge(PathOp::Attributes, *place);
  if (decision.allowed() && enforcing() && !stop.alone && task.files.use_count() > 1) {
    return HoldOthers{HoldOthers::Scope::DescriptorTable};
  }
  return decided(task, stop, std::move(event), decision, Proceed{});
}

}  // namespace callgate
