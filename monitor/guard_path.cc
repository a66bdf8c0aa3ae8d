// Calls that name files: judged by the canonical name, then redirected to the pinned object or to
// a leaf in the pinned directory, so that what is acted on is what was judged.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <climits>

#include "monitor/guard.h"
#include "monitor/named.h"

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

// AT_* bits that the call does not know: refused before any look-up.
bool has_wrong_flags(const Stop& stop) {
  constexpr uint64_t kCommon = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH;
  constexpr uint64_t kStat = kCommon | AT_NO_AUTOMOUNT | AT_STATX_SYNC_TYPE;
  struct Known {
    std::string_view name;
    uint64_t flags;
  };
  static constexpr std::array<Known, 9> kKnown = {{{"unlinkat", AT_REMOVEDIR},
                                                   {"fchownat", kCommon},
                                                   {"fchmodat2", kCommon},
                                                   {"utimensat", kCommon},
                                                   {"utimensat_time64", kCommon},
                                                   {"faccessat2", kCommon | AT_EACCESS},
                                                   {"newfstatat", kStat},
                                                   {"fstatat64", kStat},
                                                   {"statx", kStat}}};
  const uint64_t flags = stop.argument(Role::AtFlags) & 0xffffffffu;
  return std::any_of(kKnown.begin(), kKnown.end(), [&](const Known& known) {
    return known.name == stop.row->name && (flags & ~known.flags) != 0;
  });
}

// A name that makes the kernel say this error, whoever asks; nullptr: none is known.
const char* name_that_fails(int error) {
  static const std::string too_long = "/" + std::string(NAME_MAX + 1, 'x');
  static const std::string loop = [] {  // two links each, and 40 are the limit
    std::string path;
    for (int i = 0; i < 25; ++i) path += "/proc/self/root";
    return path + "/x";
  }();
  switch (error) {
    case ENOENT:
      return "/proc/0";  // no process has this number
    case ENOTDIR:
      return "/proc/version/x";
    case EEXIST:
      return "/";
    case ENAMETOOLONG:
      return too_long.c_str();
    case ELOOP:
      return loop.c_str();
    case EBADF:
      return "x";  // with a directory descriptor that is none
    default:
      return nullptr;
  }
}

// utimensat(fd, NULL, ...) acts on the descriptor; to every other call NULL is a bad address.
bool takes_null_name(const SyscallRow& row) {
  return row.name == "utimensat" || row.name == "utimensat_time64" || row.name == "futimesat";
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
  return {named.text, named.place.nameless ? named.place.real : named.place.name,
          named.place.links};
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

Result<Named> Guard::named(Task& task, const Stop& stop, Role directory, Role path, bool follow) {
  Named named;
  named.path_index = stop.row->argument(path);
  if (stop.row->argument(directory) >= 0) {
    named.dirfd = static_cast<int>(stop.argument(directory));
  }
  const uint64_t address = stop.argument(path);
  ResolveOptions options;
  options.follow = follow;
  // The old name of a link is an ordinary look-up.
  options.parent_call = is_parent_call(stop.row->operation) &&
                        !(stop.row->operation == Operation::Link && path == Role::Path);
  options.empty_path = (stop.argument(Role::AtFlags) & AT_EMPTY_PATH) != 0;
  if (address == 0) {  // since 6.11 NULL is "" to the calls that know AT_EMPTY_PATH
    if (!options.empty_path || stop.row->operation != Operation::Stat) return Error{EFAULT};
  } else {
    CALLGATE_TRY(named.text, read_path(task, address));
  }
  if (options.empty_path && named.text.empty() && named.dirfd == AT_FDCWD) named.text = ".";
  CALLGATE_TRY(const Credentials credentials, credentials_of(task));
  CALLGATE_TRY(named.place, resolver_.resolve(viewer(task, &credentials), named.dirfd, named.text,
                                              options));
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
         place.st.st_ino == static_cast<ino_t>(area_.segment());
}

Decision Guard::judge_name(PathOps ops, std::string_view name) const {
  constexpr PathOps kChanges{PathOp::Write, PathOp::Create, PathOp::Delete, PathOp::Attributes};
  if (!(ops & kChanges).empty() && is_own_file(name)) return Decision{};
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

std::string Guard::own_reason(const Decision& decision, const Place& place) const {
  if (decision.allowed() || decision.rule != nullptr) return {};
  if (place.foreign) return kForeignReason;
  if (is_area(place)) return kAreaReason;
  return is_own_file(place.name) || holds_own_file(place) ? kOwnFileReason : std::string();
}

// Where the tracee will find the place: by way of the keeper. The descriptor stays in the flight.
Result<std::string> Guard::pin(Task& task, InFlight& flight, Place& place, bool object) {
  const bool whole = object || !place.parent.valid();
  const bool directory = place.is_directory();
  CALLGATE_TRY(const Credentials credentials, credentials_of(task));
  UniqueFd& fd = whole ? place.object : place.parent;
  CALLGATE_TRY(std::string path, keepers_.path_to(fd.get(), credentials));
  flight.pins.push_back(std::move(fd));
  if (!whole) {
    path += "/" + place.leaf;
    if (place.trailing_slash) path += "/";
  } else if (directory) {
    path += "/";  // a call that does not follow links then acts on the directory all the same
  }
  return path;
}

Answer Guard::redirect_one(Task& task, const Stop& stop, Named& named, std::optional<Event> event) {
  auto track = begin_redirect(task, stop);
  if (!track.ok()) return exhausted(task, stop, track.error().code);
  InFlight& flight = track->flight;
  flight.event = std::move(event);
  const bool root = named.place.real == "/" && is_parent_call(stop.row->operation);
  const bool whole = named.by_object || !named.place.parent.valid();  // pin() takes the parent
  std::string path = "/";
  if (!root) {
    auto pinned = pin(task, flight, named.place, named.by_object);
    if (!pinned.ok()) return exhausted(task, stop, pinned.error().code);
    path = *std::move(pinned);
  }
  auto at = flight.slot.put_string(path);
  if (!at.ok()) return exhausted(task, stop, at.error().code);
  track->changed->set_argument(stop.abi, named.path_index, static_cast<uint64_t>(*at));
  const int flags = stop.row->argument(Role::AtFlags);
  if (flags >= 0 && whole) {
    track->changed->set_argument(stop.abi, flags,
                                 stop.argument(Role::AtFlags) & ~kAtFlagsCleared);
  }
  return *std::move(track);
}

// A name that leads nowhere: the kernel itself says so, after it has judged the other arguments,
// which it does first (libraries probe for features with wrong flags on any name).
Answer Guard::failed_name(Task& task, const Stop& stop, Event event, int error) {
  const char* name = name_that_fails(error);
  const int directory = stop.row->argument(Role::DirFd);
  // An address that nobody can map: the kernel's own half, which has no name in 32 bits. There every
  // address may be the program's, and EFAULT must not become another look at its memory.
  constexpr uint64_t kNobodys = ~uint64_t{0xffff};
  const bool expressible = name != nullptr ? error != EBADF || directory >= 0
                                           : error == EFAULT && pointer_size(stop.abi) == 8;
  if (!expressible || !enforcing() || options_.model != Model::Sealed) {
    if (has_wrong_flags(stop)) error = EINVAL;
    return failed_lookup(task, std::move(event), error);
  }
  auto track = begin_redirect(task, stop);
  if (!track.ok()) return exhausted(task, stop, track.error().code);
  if (error == EFAULT) {
    track->changed->set_argument(stop.abi, stop.row->argument(Role::Path), kNobodys);
  } else {
    auto at = track->flight.slot.put_string(name);
    if (!at.ok()) return exhausted(task, stop, at.error().code);
    track->changed->set_argument(stop.abi, stop.row->argument(Role::Path),
                                 static_cast<uint64_t>(*at));
    if (directory >= 0) track->changed->set_argument(stop.abi, directory, ~uint64_t{0});
  }
  if (options_.observe_all) {
    event.lookup_failed = true;
    track->flight.event = std::move(event);
  }
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
  auto found = named(task, stop, Role::DirFd, Role::Path, follows(stop));
  Event event = start_event(task, stop, Event::Kind::Path, ops_text(ops));
  if (!found.ok()) {
    if (found.error().code == EPERM) {
      return refuse_for(task, stop, std::move(event), EACCES, "the program's memory is unreadable");
    }
    return failed_name(task, stop, std::move(event), found.error().code);
  }
  event.objects.push_back(object_of(*found));
  const bool creates = operation == Operation::Create;
  if (creates && found->place.exists()) return failed_name(task, stop, std::move(event), EEXIST);
  if (!creates && !found->place.exists()) return failed_name(task, stop, std::move(event), ENOENT);
  if (creates && makes_device(stop)) {
    return refuse_for(task, stop, std::move(event), EPERM, "device nodes cannot be created");
  }
  const Decision decision = judge(ops, found->place);
  if (!decision.allowed() || !enforcing() || options_.model != Model::Sealed) {
    event.reason = own_reason(decision, found->place);
    return decided(task, stop, std::move(event), decision, Proceed{});
  }
  event.rule = decision.rule;
  const bool keep = options_.observe_all || decision.log;
  return redirect_one(task, stop, *found, keep ? std::optional(std::move(event)) : std::nullopt);
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
  if (role == Role::DirFd && fd == AT_FDCWD) {
    return failed_name(task, stop, std::move(event), EFAULT);
  }
  if (role == Role::DirFd && stop.int_argument(Role::AtFlags) != 0) return Refuse{EINVAL};
  auto flags = descriptor_flags(task.tid, fd);
  if (!flags.ok()) return failed_lookup(task, std::move(event), flags.error().code);
  if ((*flags & O_PATH) != 0) {
    return failed_lookup(task, std::move(event), EBADF);
  }
  auto place = resolver_.descriptor(viewer(task), fd);
  if (!place.ok()) return failed_lookup(task, std::move(event), place.error().code);
  named.place = *std::move(place);
  event.objects.push_back(object_of(named));
  const Decision decision = judge(PathOp::Attributes, named.place);
  if (!decision.allowed() || !enforcing() || options_.model != Model::Sealed) {
    return decided(task, stop, std::move(event), decision, Proceed{});
  }
  event.rule = decision.rule;
  const bool keep = options_.observe_all || decision.log;
  if (role == Role::DirFd) named.path_index = stop.row->argument(Role::Path);
  const SyscallRow* by_name = role == Role::Fd ? named_twin(*stop.row) : stop.row;
  if (by_name == nullptr) {
    return refuse_for(task, stop, std::move(event), ENOSYS, "no call by name does the same");
  }
  Answer answer =
      redirect_one(task, stop, named, keep ? std::optional(std::move(event)) : std::nullopt);
  if (auto* track = std::get_if<Track>(&answer); track != nullptr && by_name != stop.row) {
    track->changed->set_number(stop.abi, by_name->number[static_cast<size_t>(stop.abi)]);
  }
  return answer;
}

}  // namespace callgate
