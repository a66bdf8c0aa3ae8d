// Calls that name files: judged by the canonical name, then redirected to the pinned object or to
// a leaf in the pinned directory, so that what is acted on is what was judged.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <bit>
#include <climits>

#include "monitor/guard.h"
#include "monitor/named.h"
#include "monitor/stand_in.h"

namespace callgate {
namespace {

constexpr uint64_t kAtFlagsCleared = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW;

bool follows(const Stop& stop) {
  const uint64_t flags = stop.argument(Role::AtFlags);
  switch (stop.row->follow) {
    case Follow::Always:
      // inotify_add_watch keeps its flag in the mask.
      return stop.row->name != "inotify_add_watch" || (stop.arguments[2] & IN_DONT_FOLLOW) == 0;
    case Follow::UnlessNoFollow:
      return (flags & AT_SYMLINK_NOFOLLOW) == 0;
    case Follow::IfFollow:
      return (flags & AT_SYMLINK_FOLLOW) != 0;
    case Follow::Never:
    case Follow::None:
    case Follow::OpenFlags:
      return false;
  }
  return false;
}

bool is_parent_call(Operation operation) {
  return operation == Operation::Create || operation == Operation::Delete ||
         operation == Operation::Link || operation == Operation::Rename;
}

// Only called with the operations of path_call.
PathOps asked_for(Operation operation) {
  if (operation == Operation::Create) return PathOp::Create;
  if (operation == Operation::Delete) return PathOp::Delete;
  if (operation == Operation::Truncate) return PathOp::Write;
  if (operation == Operation::Attributes) return PathOp::Attributes;
  return PathOp::Stat;
}

// utimensat(fd, NULL, ...) acts on the descriptor.
bool takes_null_name(const SyscallRow& row) {
  return row.name == "utimensat" || row.name == "utimensat_time64" || row.name == "futimesat";
}

// Since 6.11 NULL is "" to these, with AT_EMPTY_PATH.
bool takes_null_as_empty(const SyscallRow& row) {
  return row.name == "newfstatat" || row.name == "fstatat64" || row.name == "statx";
}

// readlink takes "" without being told so.
bool takes_empty_name(const Stop& stop) {
  return (stop.argument(Role::AtFlags) & AT_EMPTY_PATH) != 0 || stop.row->name == "readlink" ||
         stop.row->name == "readlinkat";
}

bool makes_device(const Stop& stop) {
  if (stop.row->argument(Role::Device) < 0) return false;
  const auto type = static_cast<mode_t>(stop.argument(Role::Mode)) & S_IFMT;
  return type == S_IFCHR || type == S_IFBLK;
}

}  // namespace

const SyscallRow* named_twin(const SyscallRow& row) {
  // fchmod -> chmod, fchown32 -> chown32, fsetxattr -> setxattr: the f is the whole difference.
  return row.name.starts_with('f') ? find_syscall(row.name.substr(1)) : nullptr;
}

Event::Object object_of(const Named& named) {
  return {named.text, named.place.nameless ? named.place.real : named.place.name, named.place.links,
          named.place.is_symlink()};
}

std::string ops_text(PathOps ops) {
  std::string text;
  for (int i = 0; i < kPathOpCount; ++i) {
    const auto op = static_cast<PathOp>(i);
    if (!ops.has(op)) continue;
    if (!text.empty()) text += ',';
    text += path_op_name(op);
  }
  return text;
}

Named Guard::named(Task& task, const Stop& stop, Role directory, Role path, bool follow) {
  Named named;
  named.path_index = stop.row->argument(path);
  if (stop.row->argument(directory) >= 0) {
    named.dirfd = static_cast<int>(stop.argument(directory));
  }
  const bool old_name = path == Role::Path;
  ResolveOptions options;
  options.follow = follow;
  // The old name of a link is an ordinary look-up.
  options.parent_call =
      is_parent_call(stop.row->operation) && !(stop.row->operation == Operation::Link && old_name);
  options.empty_path = old_name && takes_empty_name(stop);
  if (policy_.needs().stat) options.lost = &named.lost;
  const uint64_t address = stop.argument(path);
  if (address != 0 || !options.empty_path || !takes_null_as_empty(*stop.row)) {
    auto text = read_path(task, address);
    if (!text.ok()) {
      named.fail(Named::Failed::Read, text.error().code);
      return named;
    }
    named.text = *std::move(text);
  }
  if ((stop.argument(Role::AtFlags) & AT_EMPTY_PATH) != 0 && old_name && named.text.empty() &&
      named.dirfd == AT_FDCWD) {
    named.text.push_back('.');
  }
  auto credentials = credentials_of(task);
  if (!credentials.ok()) {
    named.fail(Named::Failed::Walk, credentials.error().code);
    return named;
  }
  auto place = resolver_.resolve(viewer(task, &*credentials), named.dirfd, named.text, options);
  if (!place.ok()) {
    named.fail(Named::Failed::Walk, place.error().code);
    return named;
  }
  named.place = *std::move(place);
  named.by_object = follow && named.place.exists();
  return named;
}

Decision Guard::judge(PathOps ops, const Place& place) const {
  Decision decision;
  if (is_area(place)) return decision;
  if (place.foreign && !(ops - PathOps(PathOp::Stat)).empty()) return decision;
  if (place.nameless) {
    decision.verdict = Verdict::Allow;
    return decision;
  }
  return judge_name(ops, place.name);
}

// The segment's own file, which /proc/<pid>/map_files opens to the privileged.
bool Guard::is_area(const Place& place) const {
  return place.exists() && place.deleted && place.name.starts_with("/SYSV") &&
         place.st.st_ino == static_cast<ino_t>(area_.segment()) &&
         (area_.device() == 0 || place.st.st_dev == area_.device());
}

Decision Guard::judge_name(PathOps ops, std::string_view name) const {
  constexpr PathOps kChanges{PathOp::Write, PathOp::Create, PathOp::Delete, PathOp::Attributes};
  if (!(ops & kChanges).empty() && is_own_file(name)) return own_refusal(ops & kChanges);
  return policy_.path(ops, name);
}

bool Guard::is_own_file(std::string_view name) const {
  const auto& files = options_.own_files;
  return std::find(files.begin(), files.end(), name) != files.end();
}

// A directory that is moved takes what is below it along.
bool Guard::holds_own_file(const Place& place) const {
  return place.is_directory() &&
         std::any_of(options_.own_files.begin(), options_.own_files.end(),
                     [&](const std::string& file) { return file.starts_with(place.name + "/"); });
}

// No statement's: callgate's own, for the first of these operations.
Decision Guard::own_refusal(PathOps ops) {
  Decision decision;
  decision.op = static_cast<PathOp>(std::countr_zero(ops.bits()));
  return decision;
}

std::string Guard::own_reason(const Decision& decision, const Place& place) const {
  if (decision.allowed() || decision.rule != nullptr) return {};
  if (place.foreign) return kForeignReason;
  if (is_area(place)) return kAreaReason;
  // What the policy does not grant either is its to explain, and to mend.
  if (!policy_.path(decision.op, place.name).allowed()) return {};
  return is_own_file(place.name) || holds_own_file(place) ? kOwnFileReason : std::string();
}

std::optional<Event> Guard::kept(Event event, bool log) const {
  return options_.observe_all || log ? std::optional(std::move(event)) : std::nullopt;
}

Result<std::string> Guard::pin(Task& task, InFlight& flight, UniqueFd& fd) {
  CALLGATE_TRY(std::string path, way_to(task, fd.get()));
  flight.pins.push_back(std::move(fd));
  return path;
}

Result<std::string> Guard::pin(Task& task, InFlight& flight, Place& place, bool object) {
  if (!object && place.real == "/") return std::string("/");
  const bool whole = object || !place.parent.valid();
  const bool directory = place.is_directory();
  CALLGATE_TRY(std::string path, pin(task, flight, whole ? place.object : place.parent));
  if (!whole) {
    path.append("/").append(place.leaf);
    if (place.trailing_slash) path += "/";
  } else if (directory) {
    path += "/";  // a call that does not follow links then acts on the directory all the same
  }
  return path;
}

// The argument of this name shows what was judged, or what fails as it failed.
Status Guard::put_name(Task& task, const Stop& stop, Track& track, Named& named) {
  switch (named.failed) {
    case Named::Failed::Read:
    case Named::Failed::Walk:
      return put_failing_name(track, stop, named);
    case Named::Failed::Leaf: {
      CALLGATE_TRY(const std::string directory, pin(task, track.flight, named.place.parent));
      return put_failing_leaf(track, stop, named.path_index, directory, named.error);
    }
    case Named::Failed::No:
      break;
  }
  CALLGATE_TRY(const std::string path, pin(task, track.flight, named.place, named.by_object));
  CALLGATE_TRY(const TraceeAddr at, track.flight.slot.put_string(path));
  track.changed->set_argument(stop.abi, named.path_index, static_cast<uint64_t>(at));
  return Unit{};
}

Answer Guard::redirect_one(Task& task, const Stop& stop, Named& named, std::optional<Event> event) {
  auto track = begin_redirect(task, stop);
  if (!track.ok()) return exhausted(task, stop, track.error().code);
  track->flight.event = std::move(event);
  const int flags = stop.row->argument(Role::AtFlags);
  if (flags >= 0 && named.is_whole()) {
    track->changed->set_argument(stop.abi, flags, stop.argument(Role::AtFlags) & ~kAtFlagsCleared);
  }
  auto put = put_name(task, stop, *track, named);
  if (!put.ok()) return exhausted(task, stop, put.error().code);
  return *std::move(track);
}

// What keeps the kernel from saying how a name failed, or that it is no name to be made or removed:
// our own means ran out, it cannot be read, or the policy does not tell what is there (existence is
// metadata).
std::optional<Answer> Guard::untold(Task& task, const Stop& stop, const Event& event,
                                    const Named& named) {
  if (is_exhaustion(named.error)) return exhausted(task, stop, named.error);
  if (named.error == EPERM) return refuse_for(task, stop, event, EACCES, kUnreadableReason);
  const std::string& name = named.found() ? named.place.name : named.lost;
  if (!policy_.needs().stat || name.empty()) return std::nullopt;
  const Decision decision = judge_name(PathOp::Stat, name);
  if (decision.allowed()) return std::nullopt;
  Event told = event;
  told.operation = ops_text(PathOp::Stat);
  told.objects = {{named.text, name, {}}};
  return decided(task, stop, std::move(told), decision, Proceed{});
}

Answer Guard::failed_name(Task& task, const Stop& stop, Event event, Named& named) {
  if (auto answer = untold(task, stop, event, named)) return *std::move(answer);
  if (event.objects.empty()) event.objects.push_back(object_of(named));
  event.lookup_failed = true;
  if (!enforcing() || options_.model != Model::Sealed) {
    return observed(stop, std::move(event), false);
  }
  return redirect_one(task, stop, named, kept(std::move(event), false));
}

// What is asked of a descriptor by an empty name is what fstat asks of it: nothing to be judged.
// The kernel gets our empty name, for the program's could become another one.
Answer Guard::own_descriptor(Task& task, const Stop& stop, const Named& named, Event event) {
  if (stop.arguments[static_cast<size_t>(named.path_index)] == 0) {
    return observed(stop, std::move(event), false);
  }
  auto track = begin_redirect(task, stop);
  if (!track.ok()) return exhausted(task, stop, track.error().code);
  track->flight.event = kept(std::move(event), false);
  auto at = track->flight.slot.put_string("");
  if (!at.ok()) return exhausted(task, stop, at.error().code);
  track->changed->set_argument(stop.abi, named.path_index, static_cast<uint64_t>(*at));
  return *std::move(track);
}

Answer Guard::path_call(Task& task, const Stop& stop) {
  const Operation operation = stop.row->operation;
  if (stop.argument(Role::Path) == 0 && takes_null_name(*stop.row)) {
    return descriptor_call(task, stop);
  }
  const PathOps ops = asked_for(operation);
  if (stop.row->argument(Role::Text) >= 0) {  // symlink: the kernel reads the text first
    auto text = read_path(task, stop.argument(Role::Text));
    if (!text.ok() || text->empty()) return Refuse{text.ok() ? ENOENT : text.error().code};
  }
  Named named = this->named(task, stop, Role::DirFd, Role::Path, follows(stop));
  Event event = start_event(task, stop, Event::Kind::Path, ops_text(ops));
  const bool creates = operation == Operation::Create;
  if (named.found()) {
    event.objects.push_back(object_of(named));
    if (creates && named.place.exists()) {
      named.fail(Named::Failed::Walk, EEXIST);
    } else if (!creates && !named.place.exists()) {
      named.fail(operation == Operation::Delete ? Named::Failed::Leaf : Named::Failed::Walk,
                 named.place.missing);
    } else if (creates && named.place.missing == ENAMETOOLONG) {
      named.fail(Named::Failed::Leaf, ENAMETOOLONG);
    }
  }
  if (!named.found()) return failed_name(task, stop, std::move(event), named);
  const bool sealed = enforcing() && options_.model == Model::Sealed;
  if (operation == Operation::Stat && named.text.empty() && sealed) {
    return own_descriptor(task, stop, named, std::move(event));
  }
  // "/", "." and ".." are never removed: the kernel itself says why.
  if (operation == Operation::Delete && named.place.is_fixed() && sealed) {
    if (auto answer = untold(task, stop, event, named)) return *std::move(answer);
    return redirect_one(task, stop, named, kept(std::move(event), false));
  }
  if (creates && makes_device(stop)) {
    return refuse_for(task, stop, std::move(event), EPERM, "device nodes cannot be created");
  }
  const Decision decision = judge(ops, named.place);
  if (!decision.allowed() || !sealed) {
    event.reason = own_reason(decision, named.place);
    return decided(task, stop, std::move(event), decision, Proceed{});
  }
  event.rule = decision.rule;
  return redirect_one(task, stop, named, kept(std::move(event), decision.log));
}

// chmod and friends through a descriptor: by way of the object, so that no other descriptor can
// take the number meanwhile.
Answer Guard::descriptor_call(Task& task, const Stop& stop) {
  const Role role = stop.row->argument(Role::Fd) >= 0 ? Role::Fd : Role::DirFd;
  const int fd = stop.int_argument(role);
  Event event = start_event(task, stop, Event::Kind::Path, "attributes");
  Named named;
  named.path_index = stop.row->argument(role);
  named.by_object = true;
  // Without a name there are no flags, and no working directory: the kernel refuses, and says why.
  if (role == Role::DirFd && (fd == AT_FDCWD || stop.int_argument(Role::AtFlags) != 0)) {
    return observed(stop, std::move(event), false);
  }
  auto flags = descriptor_flags(task.tid, fd);
  if (!flags.ok() && flags.error().code != EBADF) {
    return failed_lookup(task, std::move(event), flags.error().code);
  }
  const bool sealed = enforcing() && options_.model == Model::Sealed;
  if (!flags.ok() || (*flags & O_PATH) != 0) {
    event.lookup_failed = true;
    if (!sealed) return observed(stop, std::move(event), false);
    auto track = begin_redirect_registers(task, stop);
    if (!track.ok()) return exhausted(task, stop, track.error().code);
    track->flight.event = kept(std::move(event), false);
    put_failing_descriptor(*track, stop, role);
    return *std::move(track);
  }
  auto place = resolver_.descriptor(viewer(task), fd);
  if (!place.ok()) return failed_lookup(task, std::move(event), place.error().code);
  named.place = *std::move(place);
  event.objects.push_back(object_of(named));
  const Decision decision = judge(PathOp::Attributes, named.place);
  if (!decision.allowed() || !sealed) {
    return decided(task, stop, std::move(event), decision, Proceed{});
  }
  event.rule = decision.rule;
  const bool log = decision.log;
  if (role == Role::DirFd) named.path_index = stop.row->argument(Role::Path);
  const SyscallRow* by_name = role == Role::Fd ? named_twin(*stop.row) : stop.row;
  if (by_name == nullptr) {
    return refuse_for(task, stop, std::move(event), ENOSYS, "no call by name does the same");
  }
  Answer answer = redirect_one(task, stop, named, kept(std::move(event), log));
  if (auto* track = std::get_if<Track>(&answer); track != nullptr && by_name != stop.row) {
    track->changed->set_number(stop.abi, by_name->number[static_cast<size_t>(stop.abi)]);
  }
  return answer;
}

}  // namespace callgate
