// Settings of other processes, and those by which a program could blind its monitor.
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "monitor/guard.h"
#include "monitor/launch.h"
#include "monitor/named.h"

namespace callgate {
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
      return refuse_for(task, stop, std::move(event), EPERM, kOutsideReason);
    }
  }
  if (pid == 0 || is_caller(task, pid)) return Proceed{};
  if (is_inside(pid)) return enforcing() ? before_any_is_reaped(stop, std::nullopt) : Proceed{};
  if (within_reach(pid)) return Refuse{ESRCH};  // a zombie, which may be waited for any moment
  Event event = start_event(task, stop, Event::Kind::Process, std::string(stop.row->name));
  event.objects.push_back({std::to_string(pid), std::to_string(pid), {}});
  if (::kill(pid, 0) != 0 && errno == ESRCH) return failed_lookup(task, std::move(event), ESRCH);
  return refuse_for(task, stop, std::move(event), EPERM, kOutsideReason);
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
  if (auto answer = without_area(task, stop)) return *std::move(answer);
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

Answer Guard::fcntl_call(Task& task, const Stop& stop) {
  const int command = static_cast<int>(stop.arguments[1]);
  if (command == F_SETOWN) {
    const auto pid = static_cast<pid_t>(stop.arguments[2]);
    Answer answer = owner_call(task, stop, pid);
    if (pid == 0 || !std::holds_alternative<Proceed>(answer) || !enforcing()) return answer;
    return before_any_is_reaped(stop, std::nullopt);
  }
  if (command != F_SETOWN_EX) return Proceed{};
  auto owner = TraceeMemory(task.tid).read_value<f_owner_ex>(TraceeAddr{stop.arguments[2]});
  if (!owner.ok()) return Refuse{EFAULT};
  if (owner->pid < 0) return Refuse{ESRCH};
  Answer answer = owner_call(task, stop, owner->type == F_OWNER_PGRP ? -owner->pid : owner->pid);
  if (!std::holds_alternative<Proceed>(answer) || !enforcing()) return answer;
  if (auto without = without_area(task, stop)) return *std::move(without);
  auto track = begin_redirect(task, stop);
  if (!track.ok()) return exhausted(task, stop, track.error().code);
  auto sealed = track->flight.slot.put_value(*owner);
  if (!sealed.ok()) return exhausted(task, stop, sealed.error().code);
  track->flight.names_process = true;
  track->changed->set_argument(stop.abi, 2, static_cast<uint64_t>(*sealed));
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
    track->flight.names_process = true;
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
