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

#include "arch/return_stub.h"
#include "monitor/guard.h"
#include "monitor/named.h"
#include "monitor/open_how.h"
#include "monitor/plain_name.h"
#include "monitor/stand_in.h"

namespace callgate {
namespace {

constexpr int kMaxAttempts = 16;  // a name that changes this often under us is refused
// O_LARGEFILE: libc says 0 for it where it goes without saying.
constexpr uint64_t kLargeFile = 0100000;
constexpr uint64_t kTmpfile = O_TMPFILE & ~O_DIRECTORY;

// What the kernel says of the flags alone, which it judges before the descriptor.
bool flags_are_known(const open_how& how) {
  return syscall(SYS_openat2, -1, "x", &how, sizeof how) < 0 && errno == EBADF;
}

// Another process's entry in /proc: its number may be a stranger's before the call is made.
bool names_process(std::string_view name) {
  constexpr std::string_view kProc = "/proc/";
  return name.size() > kProc.size() && name.starts_with(kProc) && name[kProc.size()] >= '0' &&
         name[kProc.size()] <= '9';
}

std::string_view without_slash(std::string_view path) {
  return path.size() > 1 && path.ends_with('/') ? path.substr(0, path.size() - 1) : path;
}

}  // namespace

struct OpenRequest {
  Named named;
  open_how how{};
  bool create_removed = false;
  bool exclusive_added = false;
  // A 32-bit open that keeps off what lies beyond 2 GiB. openat2 has no such thing: it is large for
  // every caller of a 64-bit kernel (fs/open.c, force_o_largefile).
  bool small_file = false;
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

namespace {

// fs.protected_regular and protected_fifos refuse to create what exists in a sticky directory (they
// look at the directory of the name), unless its owner is the directory's or the caller.
bool is_protected(const Place& place, const Credentials& credentials) {
  struct stat directory {};
  return ::fstat(place.parent.get(), &directory) != 0 ||
         ((directory.st_mode & S_ISVTX) != 0 && place.st.st_uid != directory.st_uid &&
          place.st.st_uid != credentials.fsuid);
}

// Whether the open could wait for somebody who is held: there would be no end of it.
bool waits_for_others(const open_how& how, const Place& place) {
  return place.exists() && S_ISFIFO(place.st.st_mode) && (how.flags & (O_PATH | O_NONBLOCK)) == 0;
}

}  // namespace

Result<OpenRequest> Guard::read_open(Task& task, const Stop& stop) const {
  OpenRequest open;
  if (stop.row->argument(Role::DirFd) >= 0) open.named.dirfd = stop.int_argument(Role::DirFd);
  if (stop.row->argument(Role::OpenHow) >= 0) {
    CALLGATE_TRY(open.how,
                 read_open_how(TraceeMemory(task.tid), TraceeAddr{stop.argument(Role::OpenHow)},
                               stop.argument(Role::Size)));
    read_open_name(task, stop, open);
    return open;
  }
  const bool creat = stop.row->argument(Role::OpenFlags) < 0;
  const uint64_t flags = creat ? uint64_t{O_CREAT | O_WRONLY | O_TRUNC}
                               : static_cast<unsigned>(stop.argument(Role::OpenFlags));
  open.how = how_to_open(flags, stop.argument(Role::Mode));
  // creat has no 32-bit version of its own, and so is large.
  open.small_file =
      !creat && pointer_size(stop.abi) == 4 && (open.how.flags & (kLargeFile | O_PATH)) == 0;
  read_open_name(task, stop, open);
  return open;
}

void Guard::read_open_name(Task& task, const Stop& stop, OpenRequest& open) const {
  open.named.path_index = 1;  // of openat2, which the call becomes
  auto text = read_path(task, stop.argument(Role::Path));
  if (text.ok()) {
    open.named.text = *std::move(text);
  } else {
    open.named.fail(Named::Failed::Read, text.error().code);
  }
}

Answer Guard::open_call(Task& task, const Stop& stop) {
  auto open = read_open(task, stop);
  if (!open.ok()) {
    Event event = start_event(task, stop, Event::Kind::Path, "read");
    if (open.error().code == EPERM) {
      return refuse_for(task, stop, std::move(event), EACCES, kUnreadableReason);
    }
    return failed_lookup(task, std::move(event), open.error().code);
  }
  if (task.retry.attempts > kMaxAttempts) {
    Event event = start_event(task, stop, Event::Kind::Path, ops_text(open->ops()));
    event.objects.push_back({open->named.text, "", {}});
    return refuse_for(task, stop, std::move(event), EACCES, "the name keeps changing");
  }
  if (auto answer = open_optimistically(task, stop, *open)) return *std::move(answer);
  return open_resolved(task, stop, *std::move(open));
}

std::optional<Answer> Guard::open_optimistically(Task& task, const Stop& stop,
                                                 const OpenRequest& open) {
  const std::string& text = open.named.text;
  if (!open.named.found() || task.retry.resolve || !enforcing() || options_.observe_all ||
      open.tmpfile() || open.small_file || options_.model != Model::Sealed ||
      open.how.resolve != 0 || open.path_only() || text.empty() || has_dotdot(text) ||
      linked_names_.contains(text) || ends_in_dot(text) ||
      (open.creates() && text.ends_with('/'))) {
    return std::nullopt;
  }
  const bool relative = open.named.text.front() != '/';
  std::string path;
  if (relative) {
    auto directory = Resolver::directory_name(viewer(task), open.named.dirfd);
    if (!directory.ok()) return std::nullopt;
    path = squeeze(*directory + "/" + open.named.text);
  } else {
    path = past_root_link(squeeze(open.named.text));
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
    event->objects.push_back({open.named.text, path, {}});
    event->rule = decision.rule;
    event->log = true;
  }
  return redirect_open(task, stop, open, path, true, std::move(event), {}, false, relative);
}

// An attempt that is known to end in ELOOP (a library by its short name, again in each process)
// need not be made. Only the time is at stake: either way the name is judged by what is there.
void Guard::remember_links(const std::string& text, const Place& place) {
  constexpr size_t kMostRemembered = 4096;
  if (!text.starts_with('/')) return;
  if (place.links.empty()) {
    linked_names_.erase(text);
    return;
  }
  if (linked_names_.size() >= kMostRemembered) linked_names_.clear();
  linked_names_.insert(text);
}

// Where the name leads, or how the kernel will say that it leads nowhere.
void Guard::look_up_open(Task& task, OpenRequest& open) {
  Named& named = open.named;
  if (!named.found()) return;
  if (!flags_are_known(open.how)) return named.fail(Named::Failed::Walk, EINVAL);
  auto credentials = credentials_of(task);
  if (!credentials.ok()) return named.fail(Named::Failed::Walk, credentials.error().code);
  ResolveOptions options;
  options.follow = open.follows();
  options.resolve_flags = open.how.resolve;
  options.creates = open.creates();
  if (policy_.needs().stat) options.lost = &named.lost;
  auto place = resolver_.resolve(viewer(task, &*credentials), named.dirfd, named.text, options);
  if (!place.ok()) return named.fail(Named::Failed::Walk, place.error().code);
  named.place = *std::move(place);
  if (open.creates() && named.text.ends_with('/') && named.place.parent.valid()) {
    return named.fail(Named::Failed::Walk, EISDIR);  // never a directory by open
  }
  if (!named.place.exists() && !open.creates()) return named.fail(Named::Failed::Walk, ENOENT);
  if (named.place.exists() && open.exclusive()) return named.fail(Named::Failed::Walk, EEXIST);
}

// Whether a pinned open goes to the object and not to its name in the pinned directory.
bool Guard::opens_object(const OpenRequest& open) {
  const Place& place = open.named.place;
  if (!place.exists()) return false;
  if (!place.parent.valid()) return true;
  // The program's own O_NOFOLLOW stays in the descriptor's flags, and does no harm to a leaf.
  return !open.has(O_NOFOLLOW) && !place.is_symlink();
}

Answer Guard::open_resolved(Task& task, const Stop& stop, OpenRequest open) {
  PathOps ops = open.ops();
  Event event = start_event(task, stop, Event::Kind::Path, ops_text(ops));
  Named& named = open.named;
  look_up_open(task, open);
  Place& place = named.place;
  if (!named.found()) return failed_open(task, stop, std::move(event), open);
  remember_links(named.text, place);
  if (place.name.starts_with("/proc/self/") && place.name.ends_with("/status")) {
    task.reads_own_mask = true;
  }
  event.objects.push_back(object_of(named));
  if (open.creates() && !place.exists()) ops = ops | PathOp::Create;
  event.operation = ops_text(ops);
  if (open.tmpfile() && !place.nameless) place.name += place.name == "/" ? "#tmpfile" : "/#tmpfile";
  // Whoever holds an object may open it again, by a link of its own: not even O_PATH is for
  // nothing.
  const Decision decision = place.foreign_held ? Decision{} : judge(ops, place);
  if (!decision.allowed() || !enforcing() || options_.model != Model::Sealed) {
    if (open.tmpfile() && !decision.allowed()) event.objects.back().real = place.name;
    event.reason = own_reason(decision, place);
    return decided(task, stop, std::move(event), decision, Proceed{});
  }
  // What exists may be opened, but might be gone by then: without the right to create it, the
  // call must not be one that creates.
  if (open.creates() && place.exists() && !judge(PathOp::Create, place).allowed()) {
    if (place.is_directory()) {  // as which O_CREAT fails, and nothing else would
      named.fail(Named::Failed::Walk, EISDIR);
      named.lost.clear();  // it may be opened, so it is no secret
      event.objects.clear();
      return failed_open(task, stop, std::move(event), open);
    }
    open.how.flags &= ~uint64_t{O_CREAT};
    open.how.mode = 0;
    open.create_removed = true;
  }
  event.rule = decision.rule;
  event.log = decision.log;
  std::optional<Event> kept;
  if (options_.observe_all || decision.log) kept = std::move(event);

  const bool link_itself = place.is_symlink();
  const bool too_long = place.real.size() + 2 > PATH_MAX;
  const bool by_name =
      !place.nameless && !place.deleted && !task.retry.pin && !too_long && !open.small_file &&
      !(place.exists() && (place.magic || (names_process(place.name) && !task.landlocked)));
  if (by_name) {
    std::string path = place.real;
    if (place.trailing_slash && path.back() != '/') path += '/';
    return redirect_open(task, stop, open, path, true, std::move(kept), {}, link_itself, true);
  }
  auto credentials = credentials_of(task);
  if (!credentials.ok()) return Refuse{credentials.error().code};
  const bool by_object = opens_object(open) && !(open.creates() && place.parent.valid() &&
                                                 is_protected(place, *credentials));
  const bool directory = place.is_directory();
  UniqueFd& fd = by_object ? place.object : place.parent;
  if (task.landlocked && waits_for_others(open.how, place)) {
    return refuse_for(
        task, stop, start_event(task, stop, Event::Kind::Path, ops_text(ops)), EACCES,
        "a pipe that is opened by a descriptor cannot be waited for in a Landlock domain");
  }
  if (task.landlocked && !stop.alone) return HoldOthers{HoldOthers::Scope::Sandbox};
  auto path = way_to(task, fd.get());
  if (!path.ok()) return exhausted(task, stop, path.error().code);
  std::vector<UniqueFd> pins;
  pins.push_back(std::move(fd));
  if (by_object) {
    // The object itself: the slash makes even O_NOFOLLOW follow the way to it.
    if (directory) *path += "/";
  } else {
    *path += "/" + place.leaf;
    if (place.trailing_slash) *path += "/";
    // The leaf has been followed already. O_EXCL leaves no trace in the descriptor's flags.
    open.exclusive_added = !place.exists() && !open.exclusive();
    open.how.flags |= place.exists() ? O_NOFOLLOW : O_EXCL;
  }
  open.how.resolve = 0;
  return redirect_open(task, stop, open, *path, false, std::move(kept), std::move(pins),
                       link_itself, false);
}

Result<Track> Guard::begin_open(const Task& task, const Stop& stop, const OpenRequest& open,
                                uint64_t resolve) {
  CALLGATE_TRY(Track track, begin_redirect(task, stop));
  Registers& changed = *track.changed;
  changed.set_argument(stop.abi, 0, static_cast<uint64_t>(AT_FDCWD));
  if (open.small_file) {  // always pinned, so openat's lack of RESOLVE_NO_SYMLINKS is no loss
    static const SyscallRow* const openat = find_syscall("openat");
    changed.set_number(stop.abi, openat->number[static_cast<size_t>(stop.abi)]);
    changed.set_argument(stop.abi, 2, open.how.flags);
    changed.set_argument(stop.abi, 3, open.how.mode);
    return track;
  }
  open_how how = open.how;
  how.resolve = resolve;
  CALLGATE_TRY(const TraceeAddr how_at, track.flight.slot.put_value(how));
  static const SyscallRow* const openat2 = find_syscall("openat2");
  changed.set_number(stop.abi, openat2->number[static_cast<size_t>(stop.abi)]);
  changed.set_argument(stop.abi, 2, static_cast<uint64_t>(how_at));
  changed.set_argument(stop.abi, 3, sizeof how);
  return track;
}

Answer Guard::redirect_open(Task& task, const Stop& stop, const OpenRequest& open,
                            const std::string& path, bool by_name, std::optional<Event> event,
                            std::vector<UniqueFd> pins, bool loop_is_genuine, bool may_pin) {
  auto track = begin_open(task, stop, open, by_name ? RESOLVE_NO_SYMLINKS : 0);
  if (!track.ok()) return exhausted(task, stop, track.error().code);
  InFlight& flight = track->flight;
  flight.after = After::OpenByName;
  flight.event = std::move(event);
  flight.pins = std::move(pins);
  flight.loop_is_genuine = loop_is_genuine;
  flight.may_pin = may_pin && by_name;
  flight.create_removed = open.create_removed;
  flight.exclusive_added = open.exclusive_added;
  // Whoever waits for nothing at the exit but its registers gets them back by itself.
  flight.returns_itself = by_name && stop.abi == Abi::X86_64 && area_.has_stub() &&
                          area_.plenty() && !flight.event && !loop_is_genuine &&
                          !open.create_removed && !open.exclusive_added && flight.pins.empty() &&
                          !policy_.needs().stat;
  if (flight.returns_itself) {
    auto frame_at = flight.slot.put_value(return_frame(*flight.original));
    if (!frame_at.ok()) return exhausted(task, stop, frame_at.error().code);
    track->changed->set_instruction_pointer(ArgumentArea::kAddress + return_stub_entry());
  }
  auto path_at = flight.slot.put_string(path);
  if (!path_at.ok()) return exhausted(task, stop, path_at.error().code);
  track->changed->set_argument(stop.abi, open.named.path_index, static_cast<uint64_t>(*path_at));
  return *std::move(track);
}

// Flags, length of the name, free descriptors, the name: the kernel's own order.
Answer Guard::failed_open(Task& task, const Stop& stop, Event event, const OpenRequest& open) {
  if (auto answer = untold(task, stop, event, open.named)) return *std::move(answer);
  event.objects.push_back(object_of(open.named));
  event.lookup_failed = true;
  if (!enforcing() || options_.model != Model::Sealed) {
    return observed(stop, std::move(event), false);
  }
  // Flags that the kernel does not know are the failure.
  auto track = begin_open(task, stop, open, flags_are_known(open.how) ? 0 : open.how.resolve);
  if (!track.ok()) return exhausted(task, stop, track.error().code);
  track->flight.event = kept(std::move(event), false);
  auto put = put_failing_name(*track, stop, open.named);
  if (!put.ok()) return exhausted(task, stop, put.error().code);
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
  } else if (result == -EEXIST && flight.exclusive_added) {
    next.resolve = true;  // it was not there when O_EXCL was added
  } else if (result < 0 && !restarts(result) && !next.resolve && policy_.needs().stat) {
    next.resolve = true;  // where it failed may be nothing to be told
  } else {
    return Finished::Done;
  }
  ++next.attempts;
  task.retry = next;
  return Finished::RunAgain;
}

}  // namespace callgate
