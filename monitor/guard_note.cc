// Calls about which the filter has spoken already: refused and to be said, or, in an audit, run
// though a `syscall` statement refuses them.
#include "monitor/guard.h"

namespace callgate {

// The filter has refused it, and it stops to be said.
Answer Guard::refused_syscall(Task& task, const Stop& stop, const FilterNote& note) {
  const std::string name(stop.row->name);
  Event event = start_event(task, stop, Event::Kind::Other, "syscall " + name);
  event.verdict = Verdict::Deny;
  int error = kToldError;
  if (note.rule) {
    const SyscallRule& rule = policy_.syscall_rules()[*note.rule];
    event.rule = rule.rule;
    event.verdict = rule.verdict;
    event.remedy = "syscall allow " + rule.name;
    // A multiplexer that reaches the refused call is as good as absent.
    error = rule.name == name ? rule.error : ENOSYS;
  } else if (may_lift(*stop.row)) {
    event.reason = "it is refused unless a policy allows it";
    event.remedy = "syscall allow " + name;
  } else {
    event.reason = stop.row->gate == Gate::Refuse && stop.row->condition == Condition::Always
                       ? "it could undo the sandbox, and no policy allows it"
                       : "with these arguments it could undo the sandbox, and no policy allows it";
  }
  const bool kills = event.verdict == Verdict::Kill;
  record(std::move(event), -error);
  if (kills) return KillProcess{};
  return Refuse{error};
}

// The filter has let a call run that a `syscall` statement refuses: this is an audit.
Answer Guard::tell_syscall(Task& task, const Stop& stop, const FilterNote& note) {
  Answer answer =
      note.kind == FilterNote::Kind::Judged ? judge_call(task, stop) : Answer(Proceed{});
  auto* track = std::get_if<Track>(&answer);
  if (track == nullptr && !std::holds_alternative<Proceed>(answer)) return answer;
  const SyscallRule& rule = policy_.syscall_rules()[*note.rule];
  Event event = start_event(task, stop, Event::Kind::Other, "syscall " + rule.name);
  if (track != nullptr && track->flight.event) event = *std::move(track->flight.event);
  event.rule = rule.rule;
  event.would_deny = true;
  if (track != nullptr) {
    track->flight.event = std::move(event);
    return answer;
  }
  if (stop.row->name.starts_with("exit")) {  // and never comes back
    record(std::move(event), 0);
    return Proceed{};
  }
  return observed(stop, std::move(event), true);
}

}  // namespace callgate
