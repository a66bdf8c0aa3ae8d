#include "monitor/guard.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <iterator>

#include "arch/instruction.h"
#include "monitor/clock.h"
#include "monitor/given_sockets.h"
#include "monitor/identity.h"
#include "monitor/model_naive.h"

namespace callgate {
namespace {

constexpr const char* kExhaustedReason = "callgate has no means left for this call";

Credentials credentials_of_this_process() {
  auto status = read_task_status(getpid());
  return status.ok() ? status->credentials : Credentials{};
}

bool redirects(Operation operation) {
  switch (operation) {
    case Operation::Open:
    case Operation::Create:
    case Operation::Link:
    case Operation::Rename:
    case Operation::Delete:
    case Operation::Truncate:
    case Operation::Attributes:
    case Operation::FdAttributes:
    case Operation::Stat:
    case Operation::Exec:
    case Operation::Connect:
    case Operation::Bind:
    case Operation::SendTo:
    case Operation::SendMsg:
    case Operation::SendMmsg:
    case Operation::SocketCall:
      return true;
    case Operation::None:
    case Operation::FdStat:
    case Operation::MapMemory:
    case Operation::ProtectMemory:
    case Operation::GuardArea:
    case Operation::SharedMemory:
    case Operation::Socket:
    case Operation::SocketPair:
    case Operation::Listen:
    case Operation::Accept:
    case Operation::SocketOption:
    case Operation::Signal:
    case Operation::TargetProcess:
    case Operation::Affinity:
    case Operation::Credentials:
    case Operation::Landlock:
    case Operation::Clone:
    case Operation::Unshare:
    case Operation::Prctl:
    case Operation::Fcntl:
    case Operation::Ioctl:
    case Operation::Personality:
    case Operation::Rlimit:
      return false;
  }
  return false;
}

// Whether a name of the call is replaced by a way to what was pinned.
bool pins(Operation operation) {
  using enum Operation;
  constexpr Operation kThese[] = {Create, Link, Rename, Delete, Truncate, Attributes, Stat};
  return std::find(std::begin(kThese), std::end(kThese), operation) != std::end(kThese);
}

}  // namespace

uint64_t Stop::argument(Role role) const {
  const int index = row->argument(role);
  return index < 0 ? 0 : arguments[static_cast<size_t>(index)];
}

Guard::Guard(const SessionOptions& options, const Policy& policy, ArgumentArea& area,
             Mirror& mirror, EventSink& sink, OwnProcesses own)
    : options_(options),
      policy_(policy),
      area_(area),
      mirror_(mirror),
      sink_(sink),
      own_(own),
      own_credentials_(credentials_of_this_process()),
      accept_matters_(accept_matters(options, policy)),
      privileged_(has_privileges()),
      resolver_([this](pid_t pid) { return mirror_.has_task(pid) || mirror_.has_process(pid); },
                own_credentials_) {
  if (options_.call_sites) load_instruction_decoder();
}

bool Guard::is_own(pid_t pid) const {
  return pid == own_.front || pid == own_.monitor || keepers_.is_keeper(pid);
}

Answer Guard::consider(Task& task, const Stop& stop) {
  if (task.retry.instruction_pointer != stop.instruction_pointer) task.retry = Retry{};
  task.retry.instruction_pointer = stop.instruction_pointer;
  if (stop.row == nullptr) return Refuse{ENOSYS};
  if (stop.note == 0) return judge_call(task, stop);
  const auto note = FilterNote::read(stop.note);
  const bool refused = !note || note->kind == FilterNote::Kind::Refused;
  if (!note || (note->rule ? *note->rule >= policy_.syscall_rules().size() : !refused)) {
    return Refuse{EPERM};
  }
  return refused ? refused_syscall(task, stop, *note) : tell_syscall(task, stop, *note);
}

Answer Guard::judge_call(Task& task, const Stop& stop) {
  if (options_.model == Model::Sealed && enforcing() && redirects(stop.row->operation)) {
    if (auto answer = without_area(task, stop)) return *std::move(answer);
    // Even the only task known: a newborn whose maker has died may yet be met.
    if (task.landlocked && !stop.alone && pins(stop.row->operation)) {
      return HoldOthers{HoldOthers::Scope::Sandbox};
    }
  }
  if (options_.model == Model::Naive) {
    if (auto answer = consider_naively(policy_, mirror_, task, stop)) {
      Event event = start_event(task, stop, answer->kind, answer->operation);
      const std::string& believed = answer->believed.empty() ? answer->asked : answer->believed;
      if (!believed.empty()) event.objects.push_back({answer->asked, believed, {}});
      event.reason = std::move(answer->reason);
      return decided(task, stop, std::move(event), answer->decision, Proceed{});
    }
  }
  return dispatch(task, stop);
}

Answer Guard::dispatch(Task& task, const Stop& stop) {
  switch (stop.row->operation) {
    case Operation::Open:
      return open_call(task, stop);
    case Operation::Create:
    case Operation::Delete:
    case Operation::Truncate:
    case Operation::Attributes:
    case Operation::Stat:
      return path_call(task, stop);
    case Operation::Link:
    case Operation::Rename:
      return pair_call(task, stop);
    case Operation::FdAttributes:
      return descriptor_call(task, stop);
    case Operation::Exec:
      return exec_call(task, stop);
    case Operation::MapMemory:
      return map_call(task, stop);
    case Operation::ProtectMemory:
      return protect_call(task, stop);
    case Operation::GuardArea:
      return area_call(task, stop);
    case Operation::SharedMemory:
      return shared_memory_call(task, stop);
    case Operation::Socket:
      return socket_call(task, stop);
    case Operation::Connect:
    case Operation::Bind:
    case Operation::SendTo:
      return address_call(task, stop);
    case Operation::Listen:
      return listen_call(task, stop);
    case Operation::Accept:
      return accept_call(task, stop);
    case Operation::SendMsg:
      return message_call(task, stop);
    case Operation::SendMmsg:
      return messages_call(task, stop);
    case Operation::SocketOption:
      return option_call(task, stop);
    case Operation::SocketCall:
      return socketcall(task, stop);
    case Operation::Signal:
      return signal_call(task, stop);
    case Operation::TargetProcess:
    case Operation::Affinity:
      return target_call(task, stop);
    case Operation::Prctl:
      return prctl_call(task, stop);
    case Operation::Fcntl:
      return fcntl_call(task, stop);
    case Operation::Ioctl:
      return ioctl_call(task, stop);
    case Operation::Unshare:
      return unshare_call(task, stop);
    case Operation::Landlock:
      return domain_call(stop);
    case Operation::Personality:
      return Refuse{EPERM};
    case Operation::Rlimit:
      return rlimit_call(task, stop);
    case Operation::Credentials:
      task.credentials.reset();  // whatever it becomes is read when it is next asked for
      return Proceed{};
    case Operation::None:
    case Operation::FdStat:
    case Operation::SocketPair:
    case Operation::Clone:
      return Proceed{};
  }
  return Refuse{ENOSYS};
}

Event Guard::start_event(const Task& task, const Stop& stop, Event::Kind kind,
                         std::string operation) {
  Event event;
  event.time_ns = clock_ns(CLOCK_REALTIME);
  event.tid = task.tid;
  event.pid = task.process->pid;
  event.parent = task.process->parent;
  event.executable = task.process->executable;
  event.call = stop.row->name;
  event.abi = stop.abi;
  event.instruction_pointer = stop.instruction_pointer;
  if (options_.call_sites) event.call_site = call_sites_.describe(task, stop.instruction_pointer);
  event.kind = kind;
  event.operation = std::move(operation);
  return event;
}

void Guard::record(Event event, int64_t result) {
  if (event.time_ns == 0)
    event.time_ns = clock_ns(CLOCK_REALTIME);  // judged at another stop than the call's
  event.result = result;
  sink_.on_event(event);
}

Answer Guard::observed(const Stop& stop, Event event, bool log) {
  if (!log && !options_.observe_all) return Proceed{};
  Track track;
  track.flight.abi = stop.abi;
  track.flight.row = stop.row;
  track.flight.event = std::move(event);
  return track;
}

Answer Guard::decided(Task& /*task*/, const Stop& stop, Event event, const Decision& decision,
                      Answer allowed) {
  event.rule = decision.rule;
  event.log = decision.log;
  if (decision.allowed()) {
    if (!std::holds_alternative<Proceed>(allowed)) return allowed;
    return observed(stop, std::move(event), decision.log);
  }
  if (!enforcing()) {
    event.would_deny = true;
    return observed(stop, std::move(event), true);
  }
  event.verdict = decision.verdict;
  if (decision.verdict == Verdict::Kill) {
    record(std::move(event), -EACCES);
    return KillProcess{};
  }
  record(std::move(event), -decision.error);
  return Refuse{decision.error};
}

Answer Guard::refuse_for(Task& task, const Stop& stop, Event event, int error, std::string reason) {
  event.reason = std::move(reason);
  Decision decision;
  decision.error = error;
  return decided(task, stop, std::move(event), decision, Proceed{});
}

// Where `stat` is denied, what is not there is refused as what is there would be.
std::optional<Decision> Guard::hides(std::string_view name) const {
  if (!enforcing() || !policy_.needs().stat || !name.starts_with('/')) return std::nullopt;
  const Decision decision = judge_name(PathOp::Stat, name);
  return decision.allowed() ? std::nullopt : std::optional(decision);
}

Answer Guard::failed_lookup(Task& /*task*/, Event event, int error) {
  if (is_exhaustion(error)) {
    event.verdict = Verdict::Deny;
    event.reason = kExhaustedReason;
    record(std::move(event), -error);
    return Refuse{error};
  }
  if (options_.observe_all) {
    event.lookup_failed = true;
    record(std::move(event), -error);
  }
  return Refuse{error};
}

Answer Guard::exhausted(Task& task, const Stop& stop, int error) {
  if (error == ESRCH) return Refuse{error};
  Event event = start_event(task, stop, Event::Kind::Other, std::string(stop.row->name));
  event.verdict = Verdict::Deny;
  event.reason = kExhaustedReason;
  record(std::move(event), -error);
  return Refuse{error};
}

// Only the task itself can change them, by calls that are traced (Operation::Credentials) or
// execve.
Result<Credentials> Guard::credentials_of(Task& task) const {
  // Without privilege nobody can become another user under no_new_privs.
  if (!privileged_) return own_credentials_;
  if (!task.credentials) {
    CALLGATE_TRY(TaskStatus status, read_task_status(task.tid));
    task.credentials = std::make_unique<Credentials>(std::move(status.credentials));
  }
  return *task.credentials;
}

Result<std::string> Guard::read_path(Task& task, uint64_t address) const {
  return TraceeMemory(task.tid).read_string(TraceeAddr{address}, PATH_MAX);
}

Result<Track> Guard::begin_redirect_registers(const Task& task, const Stop& stop) {
  Track track;
  track.flight.abi = stop.abi;
  track.flight.row = stop.row;
  track.flight.redirected = true;
  track.flight.retry = task.retry;
  if (!stop.registers) return Error{ESRCH};
  Registers registers = *stop.registers;
  track.flight.original = registers;
  if (stop.translated) {
    registers.set_number(stop.abi, stop.row->number[static_cast<size_t>(stop.abi)]);
    for (int i = 0; i < 6; ++i) {
      registers.set_argument(stop.abi, i, stop.arguments[static_cast<size_t>(i)]);
    }
  }
  track.changed = registers;
  return track;
}

Result<Track> Guard::begin_redirect(const Task& task, const Stop& stop) {
  CALLGATE_TRY(Track track, begin_redirect_registers(task, stop));
  CALLGATE_TRY(track.flight.slot, area_.take());
  return track;
}

Finished Guard::finish(Task& task, InFlight& flight, int64_t& result) {
  for (const ErrorInStead& entry : flight.errors) {
    if (entry.kernel_says == 0 || result != -entry.kernel_says) continue;
    result = -entry.means;
    break;
  }
  Finished finished = Finished::Done;
  switch (flight.after) {
    case After::OpenByName:
      finished = finish_open(task, flight, result);
      break;
    case After::Socket:
      finish_socket(task, flight, result);
      break;
    case After::SendOne:
      finished = finish_messages(task, flight, result);
      break;
    case After::SignalOne:
      finished = finish_signals(task, flight, result);
      break;
    case After::Unshare:
      if (result == 0) mirror_.unshare(task, flight.unshared);
      break;
    case After::Landlock:
      if (result == 0) mirror_.enter_domain(task, flight.whole_process);
      break;
    case After::MapArea:
    case After::Pause:
    case After::Exec:
    case After::Finish:
      break;
  }
  if (flight.event && finished == Finished::Done && !restarts(result)) {
    record(*std::move(flight.event), result);
  }
  return finished;
}

}  // namespace callgate
