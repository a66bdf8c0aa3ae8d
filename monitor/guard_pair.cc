// Calls with two names: link and rename. Both are judged, and no name may grant what the other did
// not; both are redirected to leaves in pinned directories.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include "monitor/escape.h"
#include "monitor/guard.h"
#include "monitor/named.h"
#include "monitor/stand_in.h"

namespace callgate {

// What the kernel says of two names depends on both, so both are put where it will find them, or
// what stands in for them (stand_in.h), and it answers in its own order. Only what could succeed is
// judged.
Answer Guard::pair_call(Task& task, const Stop& stop) {
  const bool renames = stop.row->operation == Operation::Rename;
  const uint64_t flags = stop.argument(Role::RenameFlags);
  const bool exchange = renames && (flags & RENAME_EXCHANGE) != 0;
  const bool follow = stop.row->follow == Follow::IfFollow &&
                      (stop.argument(Role::AtFlags) & AT_SYMLINK_FOLLOW) != 0;
  Event event = start_event(task, stop, Event::Kind::Path, renames ? "delete,create" : "create");
  Named from = named(task, stop, Role::DirFd, Role::Path, follow);
  if (from.found()) event.objects.push_back(object_of(from));
  // A link's old name is looked up whole before anything else.
  if (from.found() && !renames && !from.place.exists()) {
    from.fail(Named::Failed::Walk, from.place.missing);
  }
  if (!from.found()) return failed_name(task, stop, std::move(event), from);
  Named to = named(task, stop, Role::NewDirFd, Role::NewPath, false);
  if (to.found()) event.objects.push_back(object_of(to));
  // In the kernel's order: both walks, then the old name's last component, then the new one's.
  const bool fixed = renames && to.found() && (from.place.is_fixed() || to.place.is_fixed());
  if (to.found() && !fixed) {
    if (renames && !from.place.exists()) {
      from.fail(Named::Failed::Leaf, from.place.missing);
    } else if (!renames && to.place.exists()) {
      to.fail(Named::Failed::Walk, EEXIST);
    } else if (to.place.exists() && !exchange && (flags & RENAME_NOREPLACE) != 0) {
      to.fail(Named::Failed::Leaf, EEXIST);
    } else if (!to.place.exists() && (exchange || to.place.missing == ENAMETOOLONG)) {
      to.fail(Named::Failed::Leaf, to.place.missing);
    }
  }
  if (fixed || !from.found() || !to.found()) {
    for (const Named* name : {&from, &to}) {
      if (name->found() && !(fixed && name->place.is_fixed())) continue;
      if (auto answer = untold(task, stop, event, *name)) return *std::move(answer);
    }
    event.lookup_failed = true;
    return redirect_pair(task, stop, from, to, std::move(event), false);
  }
  if (renames && !exchange && (flags & RENAME_WHITEOUT) != 0) {
    return refuse_for(task, stop, std::move(event), EPERM, "device nodes cannot be created");
  }
  const Decision decision = judge_pair(stop, from.place, to.place, event);
  if (!decision.allowed()) {
    if (event.reason.empty()) event.reason = own_reason(decision, from.place);
    if (event.reason.empty()) event.reason = own_reason(decision, to.place);
    return decided(task, stop, std::move(event), decision, Proceed{});
  }
  // What lies at the old name, and where the directory of either name hangs, another task could
  // change until the call is done: by a move that would change what is granted, which is made
  // alone.
  const bool acts = enforcing() && options_.model == Model::Sealed;
  if (acts && !stop.alone && !same_for_all(from.place, to.place, renames)) {
    return HoldOthers{HoldOthers::Scope::Sandbox};
  }
  event.rule = decision.rule;
  event.log = decision.log;
  return redirect_pair(task, stop, from, to, std::move(event), decision.log);
}

Decision Guard::judge_pair(const Stop& stop, const Place& from, const Place& to,
                           Event& event) const {
  const bool renames = stop.row->operation == Operation::Rename;
  const uint64_t flags = stop.argument(Role::RenameFlags);
  const bool exchange = renames && (flags & RENAME_EXCHANGE) != 0;
  Decision decision;
  decision.verdict = Verdict::Allow;
  if (renames) {
    PathOps old_ops = PathOp::Delete;
    PathOps new_ops = PathOp::Create;
    if (exchange) old_ops = old_ops | PathOp::Create;
    if (to.exists()) new_ops = new_ops | PathOp::Delete;
    decision = judge(old_ops, from);
    if (decision.allowed()) decision = judge(new_ops, to);
    if (holds_own_file(from) || (exchange && holds_own_file(to))) {
      decision = own_refusal(PathOp::Delete);
    }
  } else {
    // A second name would be no own file's any more, and makes one's own what another holds.
    if (is_own_file(from.name) || from.foreign) {
      decision = own_refusal(PathOp::Create);
    } else {
      decision = judge(PathOp::Create, to);
    }
  }
  if (!decision.allowed()) return decision;
  auto moved = judge_move(from, to, event);
  if (!moved && exchange) moved = judge_move(to, from, event);
  return moved.value_or(decision);
}

// What a new name changes for the object, beside what its operations ask: nullopt, or the refusal.
std::optional<Decision> Guard::judge_move(const Place& from, const Place& to, Event& event) const {
  if (from.nameless) return std::nullopt;
  const bool directory = from.is_directory();
  const bool socket = from.exists() && S_ISSOCK(from.st.st_mode);
  std::optional<Decision> refusal = policy_.widens(from.name, to.name, directory);
  if (refusal) {
    event.remedy = granting_alike(from, to, refusal->op);
    event.reason = "the new name would grant " + std::string(path_op_name(refusal->op)) +
                   ", which the old one does not";
  } else if (directory && policy_.can_plant(from.name, to.name)) {
    refusal = Decision{};
    event.reason = "what lies in it might come to lie where it may not be created";
  } else if ((directory || socket) && policy_.needs().sockets) {
    if (const auto op = policy_.socket_change(from.name, to.name, directory)) {
      refusal = Decision{};
      event.reason = *op == NetOp::Bind
                         ? "a socket would lie where it may not be bound"
                         : "the new name would grant unix " + std::string(net_op_name(*op)) +
                               ", which the old one does not";
    }
  }
  if (!refusal) return std::nullopt;
  refusal->verdict = Verdict::Deny;
  // mv and ln then fall back to a copy, which is judged by itself; but a name that is not to be
  // known of answers as if it were not there.
  refusal->error = hides(from.name) ? EACCES : EXDEV;
  return refusal;
}

// Whether either name grants what the other does, to a directory with all that lies in it, a file
// and a socket alike.
bool Guard::same_for_all(const Place& from, const Place& to, bool renames) const {
  const bool sockets = policy_.needs().sockets;
  if (!renames) return !sockets || !policy_.socket_change(from.name, to.name, false);
  const auto changes = [&](const std::string& a, const std::string& b) {
    return policy_.widens(a, b, true) || policy_.can_plant(a, b) ||
           (sockets && policy_.socket_change(a, b, true));
  };
  return !changes(from.name, to.name) && !changes(to.name, from.name);
}

Answer Guard::redirect_pair(Task& task, const Stop& stop, Named& from, Named& to, Event event,
                            bool log) {
  if (!enforcing() || options_.model != Model::Sealed) {
    return observed(stop, std::move(event), log);
  }
  auto track = begin_redirect(task, stop);
  if (!track.ok()) return exhausted(task, stop, track.error().code);
  track->flight.event = kept(std::move(event), log);
  const int index = stop.row->argument(Role::AtFlags);
  if (index >= 0 && from.is_whole()) {  // a link to be followed, whatever else the flags say
    track->changed->set_argument(stop.abi, index, stop.argument(Role::AtFlags) | AT_SYMLINK_FOLLOW);
  }
  for (Named* name : {&from, &to}) {
    auto put = put_name(task, stop, *track, *name);
    if (!put.ok()) return exhausted(task, stop, put.error().code);
  }
  return *std::move(track);
}

// The statement that grants the old name what the new one is granted already: below a directory all
// of it, of a file what it lacks.
std::string Guard::granting_alike(const Place& from, const Place& to, PathOp wider) const {
  PathOps ops = wider;
  for (int i = 0; i < kPathOpCount; ++i) {
    const auto op = static_cast<PathOp>(i);
    const bool lacks = from.is_directory() || !policy_.path(op, from.name).allowed();
    if (lacks && policy_.path(op, to.name).allowed()) ops = ops | op;
  }
  // It is granted where no rule speaks of it, and would be worth a stop where one does.
  if (wider != PathOp::Stat) ops = ops - PathOps(PathOp::Stat);
  return "path allow " + ops_text(ops) + " " + quote_pattern(from.name) +
         (from.is_directory() ? "/" : "");
}

}  // namespace callgate
