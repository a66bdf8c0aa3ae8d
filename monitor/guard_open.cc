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
#include "monitor/plain_name.h"

namespace callgate {
namespace {

constexpr int kMaxAttempts = 16;  // a name that changes this often under us is refused
constexpr mode_t kAllModeBits = 07777;
// What open() knows; openat2 refuses what it does not (fs/open.c, build_open_how).
constexpr uint64_t kLargeFile =
    0100000;  // O_LARGEFILE: libc says 0 for it where it goes without saying
constexpr uint64_t kOpenFlags = O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND |
                                O_NONBLOCK | O_DSYNC | O_ASYNC | O_DIRECT | kLargeFile |
                                O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_SYNC | O_PATH |
                                O_TMPFILE;
constexpr uint64_t kPathOnlyFlags = O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC;
constexpr uint64_t kTmpfile = O_TMPFILE & ~O_DIRECTORY;

// What the kernel says of the flags alone, which it judges before the name and the descriptor.
int wrong_open_flags(const open_how& how) {
  const long answer = syscall(SYS_openat2, -1, "x", &how, sizeof how);
  return answer < 0 && errno != EBADF ? errno : 0;
}

bool is_sticky(const UniqueFd& directory) {
  struct stat st {};
  return ::fstat(directory.get(), &st) == 0 && (st.st_mode & S_ISVTX) != 0;
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

Result<OpenRequest> Guard::read_open(Task& task, const Stop& stop) const {
  OpenRequest open;
  if (stop.row->argument(Role::DirFd) >= 0) open.dirfd = stop.int_argument(Role::DirFd);
  if (stop.row->argument(Role::OpenHow) >= 0) {
    const uint64_t size = stop.argument(Role::Size);
    if (size < sizeof open.how) return Error{EINVAL};
    if (size > 4096) return Error{E2BIG};
    std::vector<std::byte> bytes(size);
    CALLGATE_TRY([[maybe_unused]] Unit read,
                 TraceeMemory(task.tid).read(TraceeAddr{stop.argument(Role::OpenHow)}, bytes));
    std::memcpy(&open.how, bytes.data(), sizeof open.how);
    for (size_t i = sizeof open.how; i < bytes.size(); ++i) {
      if (bytes[i] != std::byte{0}) return Error{E2BIG};
    }
    CALLGATE_TRY(open.text, read_open_path(task, stop, open));
    return open;
  }
  uint64_t flags = static_cast<unsigned>(stop.argument(Role::OpenFlags));
  if (stop.row->argument(Role::OpenFlags) < 0) flags = O_CREAT | O_WRONLY | O_TRUNC;  // creat
  flags &= kOpenFlags;
  if ((flags & O_PATH) != 0) flags &= kPathOnlyFlags;
  open.how.flags = flags;
  // creat has no 32-bit version of its own, and so is large.
  open.small_file = pointer_size(stop.abi) == 4 && (flags & (kLargeFile | O_PATH)) == 0 &&
                    stop.row->argument(Role::OpenFlags) >= 0;
  if ((flags & (O_CREAT | kTmpfile)) != 0) open.how.mode = stop.argument(Role::Mode) & kAllModeBits;
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
      open.small_file || open.text.empty() || has_dotdot(open.text) ||
      linked_names_.contains(open.text) || ends_in_dot(open.text) ||
      (open.creates() && open.text.ends_with('/'))) {
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
  remember_links(open.text, place);
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
  const bool too_long = place.real.size() + 2 > PATH_MAX;
  const bool by_name = !place.nameless && !place.deleted && !task.retry.pin && !too_long &&
                       !open.small_file && !(place.magic && place.exists());
  if (by_name) {
    std::string path = place.real;
    if (place.trailing_slash && path.back() != '/') path += '/';
    return redirect_open(task, stop, open, path, true, std::move(kept), {}, link_itself, true);
  }
  auto credentials = credentials_of(task);
  if (!credentials.ok()) return Refuse{credentials.error().code};
  const bool directory = place.is_directory();
  // O_NOFOLLOW would stay to be seen (F_GETFL), so it is left as the program has it: what exists is
  // opened as the object it is, unless the kernel has to see the directory (fs.protected_regular),
  // and what does not exist yet is created, or the whole is done again.
  const bool by_object =
      place.exists() && (!place.parent.valid() ||
                         (!open.has(O_NOFOLLOW) && !(open.creates() && is_sticky(place.parent))));
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
    if (place.exists() || !open.creates()) {
      open.how.flags |= O_NOFOLLOW;  // the leaf has been followed already
    } else {
      open.exclusive_added = !open.has(O_EXCL);
      open.how.flags |= O_EXCL;
    }
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
  flight.exclusive_added = open.exclusive_added;
  // Whoever waits for nothing at the exit but its registers gets them back by itself.
  flight.returns_itself = by_name && stop.abi == Abi::X86_64 && area_.has_stub() &&
                          area_.plenty() && !flight.event && !loop_is_genuine &&
                          !open.create_removed && !open.exclusive_added && flight.pins.empty();
  if (flight.returns_itself) {
    auto frame_at = flight.slot.put_value(return_frame(*flight.original));
    if (!frame_at.ok()) return exhausted(task, stop, frame_at.error().code);
    track->changed->set_instruction_pointer(ArgumentArea::kAddress + return_stub_entry());
  }
  open_how how = open.how;
  how.resolve = by_name ? RESOLVE_NO_SYMLINKS : 0;
  auto path_at = flight.slot.put_string(path);
  if (!path_at.ok()) return exhausted(task, stop, path_at.error().code);
  Registers& changed = *track->changed;
  changed.set_argument(stop.abi, 0, static_cast<uint64_t>(AT_FDCWD));
  changed.set_argument(stop.abi, 1, static_cast<uint64_t>(*path_at));
  if (open.small_file) {  // always pinned, so openat's lack of RESOLVE_NO_SYMLINKS is no loss
    static const SyscallRow* const openat = find_syscall("openat");
    changed.set_number(stop.abi, openat->number[static_cast<size_t>(stop.abi)]);
    changed.set_argument(stop.abi, 2, how.flags);
    changed.set_argument(stop.abi, 3, how.mode);
    return *std::move(track);
  }
  auto how_at = flight.slot.put_value(how);
  if (!how_at.ok()) return exhausted(task, stop, how_at.error().code);
  static const SyscallRow* const openat2 = find_syscall("openat2");
  changed.set_number(stop.abi, openat2->number[static_cast<size_t>(stop.abi)]);
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
  } else if (result == -EEXIST && flight.exclusive_added) {
    next.resolve = true;  // somebody else has created it meanwhile
  } else {
    return Finished::Done;
  }
  ++next.attempts;
  task.retry = next;
  return Finished::RunAgain;
}

}  // namespace callgate
