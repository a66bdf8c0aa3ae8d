#include "monitor/resolve.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <deque>

#include "monitor/identity.h"
#include "monitor/open_path.h"
#include "monitor/protected_link.h"

namespace callgate {
namespace {

constexpr int kLinkLimit = 40;  // path_resolution(7)
constexpr size_t kStride = 64;
constexpr int kPathFlags = O_PATH | O_CLOEXEC;

// Where a tracee's relative walk begins.
Result<UniqueFd> open_base(const Viewer& viewer, int dirfd) {
  const std::string task = "/proc/" + std::to_string(viewer.tid);
  UniqueFd fd(dirfd == AT_FDCWD
                  ? ::open((task + "/cwd").c_str(), kPathFlags)
                  : ::open((task + "/fd/" + std::to_string(dirfd)).c_str(), kPathFlags));
  if (!fd.valid()) {
    if (errno == ENOENT) return Error{dirfd == AT_FDCWD ? ENOENT : EBADF};
    return last_error();
  }
  return fd;
}

bool on_proc(int fd) {
  struct statfs fs {};
  return ::fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

std::string join(const std::string& directory, std::string_view leaf) {
  std::string path = directory;
  if (path.empty() || path.back() != '/') path += '/';
  return path.append(leaf);
}

bool is_directory(int fd) {
  struct stat st {};
  return ::fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

std::deque<std::string> split(std::string_view path) {
  std::deque<std::string> parts;
  while (!path.empty()) {
    const size_t begin = path.find_first_not_of('/');
    if (begin == std::string_view::npos) break;
    path.remove_prefix(begin);
    const size_t end = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, end);
    // One "." is as good as two thousand, and costs a call.
    if (part != "." || parts.empty() || parts.back() != ".") parts.emplace_back(part);
    path.remove_prefix(end);
  }
  return parts;
}

}  // namespace

// One walk, component by component: the slow way, taken where a symlink is in it.
struct Resolver::Walk {
  const Resolver& resolver;
  const Viewer& viewer;
  const ResolveOptions& options;
  UniqueFd current;
  UniqueFd scope;  // what the walk takes for its root and never leaves; invalid: the real one
  std::deque<std::string> pending;
  Place place;
  int links = 0;

  Result<Place> run();
  Result<Place> run(std::string_view path);
  Status step(const std::string& component, bool last, bool* done);
  Status follow(const std::string& component, UniqueFd link, const struct stat& st, bool last,
                bool* done);
  bool leap();
  Status restart_at_root();
  [[nodiscard]] bool at_scope() const;
  [[nodiscard]] bool beneath() const { return (options.resolve_flags & RESOLVE_BENEATH) != 0; }
  [[nodiscard]] std::string component_name(const std::string& component) const;
};

Status Resolver::Walk::restart_at_root() {
  const int root = scope.valid() ? scope.get() : resolver.root_.get();
  current.reset(::fcntl(root, F_DUPFD_CLOEXEC, 3));
  if (!current.valid()) return last_error();
  return Unit{};
}

bool Resolver::Walk::at_scope() const {
  return scope.valid() && same_object(current.get(), scope.get());
}

std::string Resolver::Walk::component_name(const std::string& component) const {
  Place here;
  if (!resolver.name_object(viewer, current.get(), here).ok() || here.nameless) return {};
  return component == "." || component == ".." ? here.name : join(here.name, component);
}

Status Resolver::Walk::follow(const std::string& component, UniqueFd link, const struct stat& st,
                              bool last, bool* done) {
  if (++links > kLinkLimit) return Error{ELOOP};
  // The kernel protects the links that a name ends in (pick_link, WALK_TRAILING).
  if (last && link_is_protected(current.get(), st)) return Error{EACCES};
  Place here;
  CALLGATE_TRY([[maybe_unused]] Unit named, resolver.name_object(viewer, current.get(), here));
  place.links.push_back(join(here.name, component));
  std::string target;
  if (on_proc(link.get())) {
    struct stat directory {};
    if (::fstat(current.get(), &directory) != 0) return last_error();
    constexpr ino_t kProcRoot = 1;
    if (directory.st_ino == kProcRoot && component == "self") {
      target = std::to_string(viewer.pid);
    } else if (directory.st_ino == kProcRoot && component == "thread-self") {
      target = std::to_string(viewer.pid) + "/task/" + std::to_string(viewer.tid);
    } else {
      UniqueFd plain = open_path(current.get(), component, 0, RESOLVE_NO_MAGICLINKS);
      if (!plain.valid() && errno == ELOOP) {  // a magic link: the kernel jumps, so do we
        if (here.foreign) place.foreign = place.foreign_held = true;
        UniqueFd object(::openat(current.get(), component.c_str(), kPathFlags));
        if (!object.valid()) return last_error();
        place.magic = true;
        if (last) {
          struct stat target_st {};
          if (::fstat(object.get(), &target_st) != 0) return last_error();
          if (place.trailing_slash && !S_ISDIR(target_st.st_mode)) return Error{ENOTDIR};
          place.object = std::move(object);
          *done = true;
        } else {
          current = std::move(object);
        }
        return Unit{};
      }
    }
  }
  if (target.empty()) {
    std::array<char, PATH_MAX> buffer;
    const ssize_t n = ::readlinkat(link.get(), "", buffer.data(), buffer.size());
    if (n < 0) return last_error();
    target.assign(buffer.data(), static_cast<size_t>(n));
  }
  if (target.empty()) return Error{ENOENT};
  if (target.front() == '/') {
    if (beneath()) return Error{EXDEV};
    CALLGATE_TRY([[maybe_unused]] Unit root, restart_at_root());
  }
  if (last && target.back() == '/') place.trailing_slash = true;
  auto parts = split(target);
  pending.insert(pending.begin(), parts.begin(), parts.end());
  return Unit{};
}

Status Resolver::Walk::step(const std::string& component, bool last, bool* done) {
  if (component == "." || component == "..") {
    if (component == ".." && beneath() && at_scope()) return Error{EXDEV};
    const char* step = at_scope() ? "." : component.c_str();
    UniqueFd next(::openat(current.get(), step, kPathFlags | O_DIRECTORY));
    if (!next.valid()) return last_error();
    if (last && options.parent_call) {
      place.parent = std::move(current);
      place.leaf = component;
      place.object = std::move(next);
      *done = true;
      return Unit{};
    }
    current = std::move(next);
    return Unit{};
  }
  UniqueFd next(::openat(current.get(), component.c_str(), kPathFlags | O_NOFOLLOW));
  const bool searched = next.valid() || errno == ENOENT || errno == ENAMETOOLONG;
  // Never a directory by open: said before the component itself is looked up.
  if (searched && last && options.creates && place.trailing_slash) return Error{EISDIR};
  if (!next.valid()) {
    const bool missing = errno == ENOENT || (errno == ENAMETOOLONG && options.parent_call);
    if (!missing || !last) return last_error();
    place.missing = errno;
    place.parent = std::move(current);
    place.leaf = component;
    *done = true;
    return Unit{};
  }
  struct stat st {};
  if (::fstat(next.get(), &st) != 0) return last_error();
  const bool keep_link = last && !options.follow && (options.parent_call || !place.trailing_slash);
  if (S_ISLNK(st.st_mode) && !keep_link) {
    CALLGATE_TRY([[maybe_unused]] Unit followed,
                 follow(component, std::move(next), st, last, done));
    return Unit{};
  }
  if (!last) {
    current = std::move(next);
    return Unit{};
  }
  if (place.trailing_slash && !S_ISDIR(st.st_mode) && !options.parent_call) {
    return Error{ENOTDIR};
  }
  place.parent = std::move(current);
  place.leaf = component;
  place.object = std::move(next);
  place.st = st;
  *done = true;
  return Unit{};
}

// Takes many components at once where no symlink is among them: forty links of a thousand steps
// each are a name like any other, and must not keep everybody else waiting.
bool Resolver::Walk::leap() {
  if (pending.size() <= kStride || scope.valid()) return false;
  std::string path;
  for (size_t i = 0; i < kStride; ++i) path.append(pending[i]).push_back('/');
  UniqueFd next = open_path(current.get(), path, O_DIRECTORY, RESOLVE_NO_SYMLINKS);
  if (!next.valid()) return false;  // step by step it is found what was in the way
  current = std::move(next);
  pending.erase(pending.begin(), pending.begin() + kStride);
  return true;
}

Result<Place> Resolver::Walk::run() {
  bool done = false;
  size_t singly = 0;  // steps until the next leap is tried
  while (!done && !pending.empty()) {
    if (singly == 0) {
      if (leap()) continue;
      singly = kStride;
    }
    --singly;
    const std::string component = std::move(pending.front());
    pending.pop_front();
    auto stepped = step(component, pending.empty(), &done);
    if (stepped.ok()) continue;
    if (options.lost != nullptr && stepped.error().code != EXDEV) {
      // ENOTDIR speaks of what was no directory, not of what would have been in it.
      const bool stuck = stepped.error().code == ENOTDIR && !is_directory(current.get());
      *options.lost = component_name(stuck ? "." : component);
    }
    return stepped.error();
  }
  if (!done) place.object = std::move(current);
  return resolver.finish_leaf(viewer, std::move(place));
}

Result<Place> Resolver::Walk::run(std::string_view path) {
  const size_t end = path.find_last_not_of('/');
  if (end == std::string_view::npos) {  // "/", "//"
    place.object = std::move(current);
    return resolver.finish_leaf(viewer, std::move(place));
  }
  place.trailing_slash = end + 1 < path.size();
  const std::string_view plain = path.substr(0, end + 1);
  const size_t slash = plain.find_last_of('/');
  // Most names pass no symlink: then one call finds the directory, and only the leaf is looked at.
  if (slash != std::string_view::npos && !scope.valid()) {
    const std::string directory(plain.substr(0, slash + 1));
    UniqueFd parent = open_path(current.get(), directory, O_DIRECTORY, RESOLVE_NO_SYMLINKS);
    if (parent.valid()) {
      current = std::move(parent);
      pending.emplace_back(plain.substr(slash + 1));
      return run();
    }
    if (errno != ELOOP && options.lost == nullptr) return last_error();
  }
  pending = split(plain);
  return run();
}

Resolver::Resolver(std::function<bool(pid_t)> inside, Credentials own)
    : inside_(std::move(inside)),
      own_(std::move(own)),
      root_(::open("/", kPathFlags | O_DIRECTORY)) {
  auto mounts = read_whole_file("/proc/self/mountinfo");
  if (!mounts.ok()) return;
  for (const std::string& point : parse_proc_mounts(*mounts)) {
    if (point != "/proc" && !point.starts_with("/proc/")) other_procs_.push_back(point + "/");
  }
}

// Names the place, and looks at the leaf where that has not been done.
Result<Place> Resolver::finish_leaf(const Viewer& viewer, Place place) const {
  if (place.exists() && ::fstat(place.object.get(), &place.st) != 0) return last_error();
  if (!place.parent.valid() || place.is_fixed()) {
    CALLGATE_TRY([[maybe_unused]] Unit named, name_object(viewer, place.object.get(), place));
    return place;
  }
  Place directory;
  CALLGATE_TRY([[maybe_unused]] Unit named, name_object(viewer, place.parent.get(), directory));
  place.foreign = place.foreign || directory.foreign;
  place.deleted = directory.deleted;
  place.real = join(directory.real, place.leaf);
  place.name = policy_name(viewer, place.real, &place.foreign);
  return place;
}

Result<Place> Resolver::descriptor(const Viewer& viewer, int fd) const {
  Place place;
  CALLGATE_TRY(place.object, open_base(viewer, fd));
  place.magic = true;
  return finish_leaf(viewer, std::move(place));
}

Result<Place> Resolver::resolve(const Viewer& viewer, int dirfd, std::string_view path,
                                const ResolveOptions& options) const {
  if (path.empty()) {
    if (!options.empty_path) return Error{ENOENT};
    Place place;
    CALLGATE_TRY(place.object, open_base(viewer, dirfd));
    place.magic = true;
    return finish_leaf(viewer, std::move(place));
  }
  if (path.size() >= PATH_MAX) return Error{ENAMETOOLONG};
  Walk walk{*this, viewer, options, {}, {}, {}, {}};
  // IN_ROOT makes the descriptor the root, and BENEATH refuses to leave it.
  const bool own_root = (options.resolve_flags & (RESOLVE_IN_ROOT | RESOLVE_BENEATH)) != 0;
  if (path.front() == '/' && (options.resolve_flags & RESOLVE_BENEATH) != 0) return Error{EXDEV};
  if (path.front() == '/' && !own_root) {
    CALLGATE_TRY([[maybe_unused]] Unit root, walk.restart_at_root());
  } else {
    CALLGATE_TRY(walk.current, open_base(viewer, dirfd));
  }
  // From here on as the tracee: /proc/<tid> itself may be closed to it, the walk must not be wider.
  const ScopedIdentity eyes(own_, viewer.credentials != nullptr ? *viewer.credentials : own_);
  if (!eyes.ok()) return Error{EACCES};
  return options.resolve_flags != 0 ? restricted(walk, path) : walk.run(path);
}

// Under openat2's RESOLVE_*: the kernel judges the program's restrictions on a walk of ours.
Result<Place> Resolver::restricted(Walk& walk, std::string_view path) const {
  const ResolveOptions& options = walk.options;
  const uint64_t resolve = options.resolve_flags;
  std::string text(path);
  constexpr std::string_view kSelf = "/proc/self";  // the one link that would lead to ourselves
  if (path == kSelf || path.starts_with("/proc/self/")) {
    if ((resolve & RESOLVE_NO_SYMLINKS) != 0) {
      if (options.lost != nullptr) static_cast<void>(walk.run(path));
      return Error{ELOOP};
    }
    text = "/proc/" + std::to_string(walk.viewer.pid) + text.substr(kSelf.size());
  }
  if ((resolve & (RESOLVE_IN_ROOT | RESOLVE_BENEATH)) != 0) {
    walk.scope.reset(::fcntl(walk.current.get(), F_DUPFD_CLOEXEC, 3));
    if (!walk.scope.valid()) return last_error();
  }
  // O_CREAT never makes a directory, and says so before it looks the last component up.
  const size_t end = text.find_last_not_of('/');
  if (options.creates && end != std::string::npos && end + 1 < text.size()) {
    const size_t slash = text.find_last_of('/', end);
    const std::string leaf = text.substr(slash + 1, end - slash);
    const std::string directory = slash == std::string::npos ? "." : text.substr(0, slash + 1);
    if (leaf != "." && leaf != "..") {
      const UniqueFd parent = open_path(walk.current.get(), directory, O_DIRECTORY, resolve);
      int why = parent.valid() ? EISDIR : errno;
      if (parent.valid() && !may_search(parent.get(), leaf)) why = EACCES;
      if (options.lost != nullptr) static_cast<void>(walk.run(path));
      return Error{why};
    }
  }
  Place found;
  found.object = open_path(walk.current.get(), text, options.follow ? 0 : O_NOFOLLOW, resolve);
  const int error = found.exists() ? 0 : errno;
  auto walked = walk.run(path);
  // What a link of /proc leads to is only seen with the tracee's eyes.
  const bool jumped = walked.ok() ? walked->magic : walk.place.magic;
  if (jumped && (resolve & RESOLVE_NO_MAGICLINKS) != 0) return Error{ELOOP};
  // Said before the last component is looked up, be it no directory or a link not to be jumped.
  const bool unjumped = error == ELOOP && (resolve & RESOLVE_NO_SYMLINKS) == 0;
  const bool slashed = !walked.ok() && walked.error().code == EISDIR;
  if (slashed && (error == ENOTDIR || unjumped)) return walked;
  if (error != 0 && error != ENOENT) return Error{error};
  if (error == ENOENT) {
    if (walked.ok() && walked->exists()) return Error{ENOENT};  // it was not there for the kernel
    return walked;
  }
  // Reached by other rules than a plain name's: only what is pinned is the same.
  if (walked.ok() && same_object(walked->object.get(), found.object.get())) {
    walked->magic = true;
    return walked;
  }
  found.magic = true;
  auto finished = finish_leaf(walk.viewer, std::move(found));
  // Nor is it known by whose link it was reached, and that alone could be judged.
  if (finished.ok() && finished->nameless) return Error{EACCES};
  return finished;
}

}  // namespace callgate
