// The open family. What was decided is a name, and openat2 without symlinks makes the kernel open
// exactly that name or nothing. A plain absolute name needs no walk of ours at all: the kernel
// checks the assumption that no symlink is in it, and the walk is made only when it says ELOOP.
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstring>

#include "monitor/guard.h"
#include "monitor/named.h"
#include "monitor/open_how.h"

namespace callgate {
namespace {

constexpr int kMaxAttempts = 16;  // a name that changes this often under us is refused
constexpr uint64_t kTmpfile = O_TMPFILE & ~O_DIRECTORY;

bool has_dotdot(std::string_view path) {
  for (size_t at = path.find(".."); at != std::string_view::npos; at = path.find("..", at + 1)) {
    const bool begins = at == 0 || path[at - 1] == '/';
    const bool ends = at + 2 == path.size() || path[at + 2] == '/';
    if (begins && ends) return true;
  }
  return false;
}

// "/a//b/./c/" -> "/a/b/c/": equal for the kernel, and what a pattern is matched against.
std::string squeeze(std::string_view path) {
  std::string out;
  for (size_t at = 0; at < path.size();) {
    const size_t begin = path.find_first_not_of('/', at);
    if (begin == std::string_view::npos) break;
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part != ".") out.append("/").append(part);
    at = end;
  }
  const bool directory = path.ends_with('/') || path.ends_with("/.");
  if (out.empty() || directory) out += '/';
  return out;
}

// "/lib/x" -> "/usr/lib/x" on a merged /usr: the one symlink that most names pass. It is read each
// time, and what it led to is what is judged and opened, so nothing is taken on trust.
std::string past_root_link(std::string path) {
  constexpr std::array<std::string_view, 6> kMerged = {"bin", "sbin", "lib", "lib32", "lib64", "libx32"};
  const size_t end = path.find('/', 1);
  if (end == std::string::npos) return path;
  const std::string_view first = std::string_view(path).substr(1, end - 1);
  if (std::find(kMerged.begin(), kMerged.end(), first) == kMerged.end()) return path;
  auto target = read_link(path.substr(0, end));
  if (!target.ok() || target->empty()) return path;
  if (target->front() != '/') target->insert(0, "/");
  if (has_dotdot(*target) || target->ends_with('/')) return path;
  return *target + path.substr(end);
}

// Looking "." up needs search permission on the directory itself.
bool ends_in_dot(std::string_view path) { return path.ends_with("/.") || path == "."; }

// What the kernel says of the flags alone, which it judges before the name and the descriptor.
int wrong_open_flags(const open_how& how) {
  const long answer = syscall(SYS_openat2, -1, "x", &how, sizeof how);
  return answer < 0 && errno != EBADF ? errno : 0;
}

std::string_view without_slash(std::string_view path) {
  return path.size() > 1 && path.ends_with('/') ? path.substr(0, path.size() - 1) : path;
}

}  // namespace

struct OpenRequest {
  int dirfd = AT_FDCWD;
  std::string text;
  open_how how{};
  bool create_removed = false;
  [[nodiscard]] bool has(uint64_t flag) const { return (how.flags & flag) == flag; }
  [[nodiscard]] bool tmpfile() const { return (how.flags & kTmpfile) != 0; }
  [[nodiscard]] bool path_only() const { return has(O_PATH); }
  [[nodiscard]] bool creates() const { return has(O_CREAT) && !path_only(); }
  [[nodiscard]] bool exclusive() const { return creates() && has(O_EXCL); }
  [[nodiscard]] bool follows() const { return !has(O_NOFOLLOW) && !exclusive(); }

  // Without Create, which depends on what is there.
  [[nodiscard]] PathOps ops() const {
    if (path_only()) return PathOp::Stat;
    PathOps ops;
    const auto mode = how.flags & O_ACCMODE;
    if (mode != O_WRONLY) ops = ops | PathOp::Read;  // mode 3 asks for both permissions
    if (mode != O_RDONLY || has(O_TRUNC)) ops = ops | PathOp::Write;
    if (tmpfile()) ops = ops | PathOps{PathOp::Write, PathOp::Create};
    return ops;
  }
};

Result<OpenRequest> Guard::read_open(Task& task, const Stop& stop) const {
  OpenRequest open;
  if (stop.row->argument(Role::DirFd) >= 0) open.dirfd = stop.int_argument(Role::DirFd);
  if (stop.row->argument(Role::OpenHow) >= 0) {
    CALLGATE_TRY(open.how, read_open_how(TraceeMemory(task.tid),
                                         TraceeAddr{stop.argument(Role::OpenHow)},
                                         stop.argument(Role::Size)));
    CALLGATE_TRY(open.text, read_open_path(task, stop, open));
    return open;
  }
  uint64_t flags = O_CREAT | O_WRONLY | O_TRUNC;  // creat
  if (stop.row->argument(Role::OpenFlags) >= 0) {
    flags = static_cast<unsigned>(stop.argument(Role::OpenFlags));
  }
  open.how = how_to_open(flags, stop.argument(Role::Mode));
  CALLGATE_TRY(open.text, read_open_path(task, stop, open));
  return open;
}

// The flags are judged before the name is read.
Result<std::string> Guard::read_open_path(Task& task, const Stop& stop,
                                          const OpenRequest& open) const {
  auto text = read_path(task, stop.argument(Role::Path));
  if (text.ok()) return text;
  const int wrong = wrong_open_flags(open.how);
  return wrong != 0 ? Error{wrong} : text.error();
}

Answer Guard::open_call(Task& task, const Stop& stop) {
  auto open = read_open(task, stop);
  if (!open.ok()) {
    Event event = start_event(task, stop, Event::Kind::Path, "read");
    if (open.error().code == EPERM) {
      return refuse_for(task, stop, std::move(event), EACCES, "the program's memory is unreadable");
    }
    return failed_lookup(task, std::move(event), open.error().code);
  }
  if (task.retry.attempts > kMaxAttempts) {
    Event event = start_event(task, stop, Event::Kind::Path, ops_text(open->ops()));
    event.objects.push_back({open->text, "", {}});
    return refuse_for(task, stop, std::move(event), EACCES, "the name keeps changing");
  }
  if (auto answer = open_optimistically(task, stop, *open)) return *std::move(answer);
  return open_resolved(task, stop, *open);
}

std::optional<Answer> Guard::open_optimistically(Task& task, const Stop& stop,
                                                 const OpenRequest& open) {
  if (task.retry.resolve || !enforcing() || options_.observe_all || open.tmpfile() ||
      options_.model != Model::Sealed || open.how.resolve != 0 || open.path_only() ||
      open.text.empty() || has_dotdot(open.text) ||
      ends_in_dot(open.text) || (open.creates() && open.text.ends_with('/'))) {
    return std::nullopt;
  }
  const bool relative = open.text.front() != '/';
  std::string path;
  if (relative) {
    auto directory = Resolver::directory_name(viewer(task), open.dirfd);
    if (!directory.ok()) return std::nullopt;
    path = squeeze(*directory + "/" + open.text);
  } else {
    path = past_root_link(squeeze(open.text));
  }
  // /proc is full of links and of other processes; the walk tells them apart.
  if (path.size() >= PATH_MAX || path.starts_with("/proc/") || resolver_.in_other_proc(path)) {
    return std::nullopt;
  }
  PathOps ops = open.ops();
  if (open.creates()) ops = ops | PathOp::Create;
  const Decision decision = judge_name(ops, without_slash(path));
  if (!decision.allowed()) return std::nullopt;  // perhaps a link leads elsewhere; perhaps not
  std::optional<Event> event;
  if (decision.log) {
    event = start_event(task, stop, Event::Kind::Path, ops_text(ops));
    event->objects.push_back({open.text, path, {}});
    event->rule = decision.rule;
    event->log = true;
  }
  return redirect_open(task, stop, open, path, true, std::move(event), {}, false, relative);
}

Answer Guard::open_resolved(Task& task, const Stop& stop, const OpenRequest& request) {
  OpenRequest open = request;
  PathOps ops = open.ops();
  Event event = start_event(task, stop, Event::Kind::Path, ops_text(ops));
  Named named;
  named.text = open.text;
  {
    auto credentials = credentials_of(task);
    if (!credentials.ok()) return Refuse{credentials.error().code};
    ResolveOptions options;
    options.follow = open.follows();
    options.resolve_flags = open.how.resolve;
    options.creates = open.creates();
    auto place = resolver_.resolve(viewer(task, &*credentials), open.dirfd, open.text, options);
    if (!place.ok()) {
      event.objects.push_back({open.text, "", {}});
      const int wrong = wrong_open_flags(request.how);
      return failed_lookup(task, std::move(event), wrong != 0 ? wrong : place.error().code);
    }
    named.place = *std::move(place);
  }
  Place& place = named.place;
  event.objects.push_back(object_of(named));
  if (const int wrong = wrong_open_flags(request.how); wrong != 0) {
    return failed_lookup(task, std::move(event), wrong);
  }
  if (open.creates() && open.text.ends_with('/') && place.parent.valid()) {
    return failed_lookup(task, std::move(event), EISDIR);  // never a directory by open
  }
  if (!place.exists() && !open.creates()) return failed_lookup(task, std::move(event), ENOENT);
  if (place.exists() && open.exclusive()) return failed_lookup(task, std::move(event), EEXIST);
  if (open.creates() && !place.exists()) ops = ops | PathOp::Create;
  event.operation = ops_text(ops);
  if (open.tmpfile() && !place.nameless) place.name += place.name == "/" ? "#tmpfile" : "/#tmpfile";
  Decision decision = judge(ops, place);
  if (!decision.allowed() || !enforcing() || options_.model != Model::Sealed) {
    event.reason = own_reason(decision, place);
    return decided(task, stop, std::move(event), decision, Proceed{});
  }
  // What exists may be opened, but might be gone by then: without the right to create it, the
  // call must not be one that creates.
  if (open.creates() && place.exists() && !judge(PathOp::Create, place).allowed()) {
    open.how.flags &= ~uint64_t{O_CREAT};
    open.how.mode = 0;
    open.create_removed = true;
  }
  if (place.name.starts_with("/proc/self/") && place.name.ends_with("/status")) {
    task.reads_own_mask = true;
  }
  event.rule = decision.rule;
  event.log = decision.log;
  std::optional<Event> kept;
  if (options_.observe_all || decision.log) kept = std::move(event);

  const bool link_itself = place.is_symlink();
  std::vector<UniqueFd> pins;
  const bool by_object = place.exists() && (place.magic || !place.parent.valid());
  const bool too_long = place.real.size() + 2 > PATH_MAX;
  const bool by_name = !place.nameless && !place.deleted && !task.retry.pin && !too_long &&
                       !(place.magic && place.exists());
  if (by_name) {
    std::string path = place.real;
    if (place.trailing_slash && path.back() != '/') path += '/';
    return redirect_open(task, stop, open, path, true, std::move(kept), {}, link_itself, true);
  }
  auto credentials = credentials_of(task);
  if (!credentials.ok()) return Refuse{credentials.error().code};
  const bool directory = place.is_directory();
  UniqueFd& fd = by_object ? place.object : place.parent;
  auto path = keepers_.path_to(fd.get(), *credentials);
  if (!path.ok()) return exhausted(task, stop, path.error().code);
  pins.push_back(std::move(fd));
  if (by_object) {
    // The object itself, whatever the flags say of links on the way to it.
    open.how.flags &= ~uint64_t{O_NOFOLLOW};
    if (directory) *path += "/";
  } else {
    *path += "/" + place.leaf;
    if (place.trailing_slash) *path += "/";
    open.how.flags |= O_NOFOLLOW;  // the leaf has been followed already
  }
  open.how.resolve = 0;
  return redirect_open(task, stop, open, *path, false, std::move(kept), std::move(pins),
                       link_itself, false);
}

Answer Guard::redirect_open(Task& task, const Stop& stop, const OpenRequest& open,
                            const std::string& path, bool by_name, std::optional<Event> event,
                            std::vector<UniqueFd> pins, bool loop_is_genuine, bool may_pin) {
  auto track = begin_redirect(task, stop);
  if (!track.ok()) return exhausted(task, stop, track.error().code);
  InFlight& flight = track->flight;
  flight.after = After::OpenByName;
  flight.event = std::move(event);
  flight.pins = std::move(pins);
  flight.loop_is_genuine = loop_is_genuine;
  flight.may_pin = may_pin && by_name;
  flight.create_removed = open.create_removed;
  open_how how = open.how;
  how.resolve = by_name ? RESOLVE_NO_SYMLINKS : 0;
  auto path_at = flight.slot.put_string(path);
  if (!path_at.ok()) return exhausted(task, stop, path_at.error().code);
  auto how_at = flight.slot.put_value(how);
  if (!how_at.ok()) return exhausted(task, stop, how_at.error().code);
  static const SyscallRow* const openat2 = find_syscall("openat2");
  Registers& changed = *track->changed;
  changed.set_number(stop.abi, openat2->number[static_cast<size_t>(stop.abi)]);
  changed.set_argument(stop.abi, 0, static_cast<uint64_t>(AT_FDCWD));
  changed.set_argument(stop.abi, 1, static_cast<uint64_t>(*path_at));
  changed.set_argument(stop.abi, 2, static_cast<uint64_t>(*how_at));
  changed.set_argument(stop.abi, 3, sizeof how);
  return *std::move(track);
}

Finished Guard::finish_open(Task& task, InFlight& flight, int64_t& result) {
  Retry next = flight.retry;
  if (result == -ELOOP && !flight.loop_is_genuine) {
    next.resolve = true;  // a symlink is in it now: walk, and judge where it leads
  } else if (result == -EACCES && flight.may_pin && !next.pin) {
    // The whole name needs search permission on every ancestor; the program's own walk did not.
    next.resolve = true;
    next.pin = true;
  } else if (result == -ENOENT && flight.create_removed) {
    next.resolve = true;  // it was there when O_CREAT was taken away, and is gone now
  } else {
    return Finished::Done;
  }
  ++next.attempts;
  task.retry = next;
  return Finished::RunAgain;
}

}  // namespace callgate
