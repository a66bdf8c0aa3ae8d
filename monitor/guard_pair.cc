// Calls with two names: link and rename. Both are judged, and no name may grant what the other did
// not; both are redirected to leaves in pinned directories.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include "monitor/guard.h"
#include "monitor/named.h"

namespace callgate {
namespace {

// What the kernel refuses before it looks at either name of a pair.
int wrong_pair_flags(const Stop& stop) {
  if (const int index = stop.row->argument(Role::RenameFlags); index >= 0) {
    const uint64_t flags = stop.argument(Role::RenameFlags) & 0xffffffffu;
    const bool exchange = (flags & RENAME_EXCHANGE) != 0;
    if ((flags & ~uint64_t{RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT}) != 0 ||
        (exchange && (flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)) != 0)) {
      return EINVAL;
    }
  }
  const uint64_t flags = stop.argument(Role::AtFlags) & 0xffffffffu;
  return (flags & ~uint64_t{AT_SYMLINK_FOLLOW | AT_EMPTY_PATH}) != 0 ? EINVAL : 0;
}

}  // namespace

Answer Guard::pair_call(Task& task, const Stop& stop) {
  const bool renames = stop.row->operation == Operation::Rename;
  const uint64_t flags = stop.argument(Role::RenameFlags);
  const bool exchange = renames && (flags & RENAME_EXCHANGE) != 0;
  if (const int wrong = wrong_pair_flags(stop)) return Refuse{wrong};
  const bool follow = stop.row->follow == Follow::IfFollow &&
                      (stop.argument(Role::AtFlags) & AT_SYMLINK_FOLLOW) != 0;
  Event event = start_event(task, stop, Event::Kind::Path, renames ? "delete,create" : "create");
  auto from = named(task, stop, Role::DirFd, Role::Path, follow, event);
  if (!from.ok()) return failed_lookup(task, std::move(event), from.error().code);
  // The kernel looks the old name of a link up first, and walks both directories of a rename first.
  if (!renames && !from->place.exists()) return failed_lookup(task, std::move(event), ENOENT);
  // The flags of linkat speak of the old name alone.
  Stop plain = stop;
  if (const int index = stop.row->argument(Role::AtFlags); index >= 0) {
    plain.arguments[static_cast<size_t>(index)] = 0;
  }
  auto to = named(task, plain, Role::NewDirFd, Role::NewPath, false, event);
  if (!to.ok()) {
    const bool leaf = to.error().code == ENAMETOOLONG && !from->place.exists();
    return failed_lookup(task, std::move(event), leaf ? ENOENT : to.error().code);
  }
  if (renames) {  // "." and ".." are refused before either name is looked up (do_renameat2)
    const auto dots = [](const Place& place) {
      return place.leaf == "." || place.leaf == ".." || place.leaf.empty();
    };
    if (dots(from->place)) return failed_lookup(task, std::move(event), EBUSY);
    if (dots(to->place)) {
      return failed_lookup(task, std::move(event), (flags & RENAME_NOREPLACE) != 0 ? EEXIST : EBUSY);
    }
  }
  if (!from->place.exists()) return failed_lookup(task, std::move(event), ENOENT);
  if (!renames && to->place.exists()) return failed_lookup(task, std::move(event), EEXIST);
  if (exchange && !to->place.exists()) return failed_lookup(task, std::move(event), ENOENT);
  if (renames && (flags & RENAME_WHITEOUT) != 0) {
    return refuse_for(task, stop, std::move(event), EPERM, "device nodes cannot be created");
  }

  Decision decision;
  decision.verdict = Verdict::Allow;
  if (renames) {
    PathOps old_ops = PathOp::Delete;
    PathOps new_ops = PathOp::Create;
    if (exchange) old_ops = old_ops | PathOp::Create;
    if (to->place.exists()) new_ops = new_ops | PathOp::Delete;
    decision = judge(old_ops, from->place);
    if (decision.allowed()) decision = judge(new_ops, to->place);
    if (holds_own_file(from->place) || (exchange && holds_own_file(to->place))) decision = Decision{};
  } else {
    // A second name would be no own file's any more.
    decision = is_own_file(from->place.name) ? Decision{} : judge(PathOp::Create, to->place);
  }
  if (decision.allowed()) {
    auto wider = widens(from->place, to->place);
    if (!wider && exchange) wider = widens(to->place, from->place);
    if (wider) {
      event.reason = "the new name would grant " + std::string(path_op_name(wider->op)) +
                     ", which the old one does not";
      decision = *wider;
      decision.verdict = Verdict::Deny;
      // mv and ln then fall back to a copy, which is judged by itself; but a name that is not to be
      // known of answers as if it were not there.
      decision.error = hides(from->place.name) ? EACCES : EXDEV;
    }
  }
  if (!decision.allowed() || !enforcing() || options_.model != Model::Sealed) {
    if (event.reason.empty()) event.reason = own_reason(decision, from->place);
    if (event.reason.empty()) event.reason = own_reason(decision, to->place);
    return decided(task, stop, std::move(event), decision, Proceed{});
  }
  event.rule = decision.rule;
  const bool keep = options_.observe_all || decision.log;

  const bool whole = from->by_object || !from->place.parent.valid();  // pin() takes the parent
  Answer answer =
      redirect_one(task, stop, *from, keep ? std::optional(std::move(event)) : std::nullopt);
  auto* track = std::get_if<Track>(&answer);
  if (track == nullptr) return answer;
  if (!renames && whole) {  // linkat: /proc/<keeper>/fd/<n> is a link to be followed
    track->changed->set_argument(stop.abi, stop.row->argument(Role::AtFlags), AT_SYMLINK_FOLLOW);
  }
  std::string path = "/";
  if (to->place.real != "/") {
    auto pinned = pin(task, track->flight, to->place, false);
    if (!pinned.ok()) return exhausted(task, stop, pinned.error().code);
    path = *std::move(pinned);
  }
  auto at = track->flight.slot.put_string(path);
  if (!at.ok()) return exhausted(task, stop, at.error().code);
  track->changed->set_argument(stop.abi, to->path_index, static_cast<uint64_t>(*at));
  return answer;
}

std::optional<Decision> Guard::widens(const Place& from, const Place& to) const {
  if (from.nameless) return std::nullopt;
  return policy_.widens(from.name, to.name, from.is_directory());
}

}  // namespace callgate
