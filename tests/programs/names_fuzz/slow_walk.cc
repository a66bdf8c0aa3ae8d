#include "tests/programs/names_fuzz/slow_walk.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <deque>
#include <utility>

namespace names_fuzz {
namespace {

constexpr int kMostLinks = 40;  // path_resolution(7)

int open_path(int directory, const std::string& name, int flags) {
  return aside(openat(directory, name.c_str(), O_PATH | O_CLOEXEC | flags));
}

struct stat status_of(int fd) {
  struct stat st {};
  fstat(fd, &st);
  return st;
}

bool same(int a, int b) {
  const struct stat one = status_of(a);
  const struct stat other = status_of(b);
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

// As a policy calls it: the program's own entries in /proc are /proc/self.
std::string own_name(int fd, bool* nameless) {
  std::array<char, PATH_MAX> buffer;
  const ssize_t n =
      readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), buffer.data(), buffer.size());
  std::string name(buffer.data(), n < 0 ? 0 : static_cast<size_t>(n));
  if (nameless != nullptr) *nameless = !name.starts_with('/');
  const std::string removed = " (deleted)";
  if (name.ends_with(removed) && status_of(fd).st_nlink == 0) {
    name.resize(name.size() - removed.size());
  }
  const std::string own = "/proc/" + std::to_string(getpid());
  if (name == own || name.starts_with(own + "/")) name.replace(0, own.size(), "/proc/self");
  return name;
}

std::string below(int directory, const std::string& component) {
  std::string name = own_name(directory, nullptr);
  if (!name.ends_with('/')) name += '/';
  return name + component;
}

bool in_proc(int fd) {
  struct statfs fs {};
  return fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

bool is_protected(int directory, const struct stat& link) {  // fs.protected_symlinks
  static const bool enabled = [] {
    char digit = '0';
    const int fd = open("/proc/sys/fs/protected_symlinks", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, &digit, 1) != 1) digit = '0';
    close(fd);
    return digit == '1';
  }();
  const struct stat st = status_of(directory);
  constexpr mode_t kShared = S_ISVTX | S_IWOTH;
  return enabled && (st.st_mode & kShared) == kShared &&
         link.st_uid != static_cast<uid_t>(setfsuid(static_cast<uid_t>(-1))) &&
         link.st_uid != st.st_uid;
}

void put_before(std::deque<std::string>& pending, const std::string& path) {
  std::deque<std::string> parts;
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    if (end > at) parts.push_back(path.substr(at, end - at));
    at = end + 1;
  }
  pending.insert(pending.begin(), parts.begin(), parts.end());
}

class Walk {
 public:
  explicit Walk(Way way) : way_(way) {}
  ~Walk() {
    close(current_);
    close(root_);
  }
  Walk(const Walk&) = delete;
  Walk& operator=(const Walk&) = delete;

  Found run(int dirfd, const std::string& path);

 private:
  bool scoped() const { return (way_.resolve & (RESOLVE_IN_ROOT | RESOLVE_BENEATH)) != 0; }
  int step(const std::string& component, bool last);
  int follow(const std::string& component, int link, bool last);
  int go_to_root(bool by_link);
  void move_to(int fd) {
    close(current_);
    current_ = fd;
  }

  Way way_;
  int current_ = -1;
  int root_ = -1;
  int links_ = 0;
  bool slash_ = false;
  bool done_ = false;
  std::deque<std::string> pending_;
  Found found_;
};

int Walk::go_to_root(bool by_link) {
  if (by_link && (way_.resolve & RESOLVE_BENEATH) != 0) return EXDEV;
  const int root = open_path(root_, ".", O_DIRECTORY);
  const bool leaves = status_of(root).st_dev != status_of(current_).st_dev;
  if (by_link && leaves && (way_.resolve & RESOLVE_NO_XDEV) != 0) {
    close(root);
    return EXDEV;
  }
  move_to(root);
  return 0;
}

int Walk::follow(const std::string& component, int link, bool last) {
  if (++links_ > kMostLinks || (way_.resolve & RESOLVE_NO_SYMLINKS) != 0) return ELOOP;
  if (last && is_protected(current_, status_of(link))) return EACCES;
  constexpr ino_t kProcRoot = 1;
  // Links in /proc itself ("self", "mounts") are text; those further down lead to objects.
  if (in_proc(link) && status_of(current_).st_ino != kProcRoot) {
    if ((way_.resolve & RESOLVE_NO_MAGICLINKS) != 0) return ELOOP;
    if (scoped()) return EXDEV;
    const int object = open_path(current_, component, 0);
    if (object < 0) return errno;
    if (last && slash_ && !S_ISDIR(status_of(object).st_mode)) {
      close(object);
      return ENOTDIR;
    }
    move_to(object);
    return 0;
  }
  std::array<char, PATH_MAX> buffer;
  const ssize_t n = readlinkat(link, "", buffer.data(), buffer.size());
  if (n <= 0) return n < 0 ? errno : ENOENT;
  const std::string target(buffer.data(), static_cast<size_t>(n));
  if (target.front() == '/') {
    if (const int error = go_to_root(true)) return error;
  }
  if (last && target.back() == '/') slash_ = true;
  put_before(pending_, target);
  return 0;
}

int Walk::step(const std::string& component, bool last) {
  if (component == "." || component == "..") {
    if (last && way_.is_name) {
      const int object = open_path(current_, component, O_DIRECTORY);
      if (object < 0) return errno;
      found_ = found_behind(object);
      found_.fixed = done_ = true;
      return 0;
    }
    const bool stays = scoped() && same(current_, root_);
    if (component == ".." && stays && (way_.resolve & RESOLVE_BENEATH) != 0) return EXDEV;
    const int next = open_path(current_, stays ? "." : component, O_DIRECTORY);
    if (next < 0) return errno;
    move_to(next);
    return 0;
  }
  const int next = open_path(current_, component, O_NOFOLLOW);
  const int error = next < 0 ? errno : 0;
  const bool looked = error == 0 || error == ENOENT || error == ENAMETOOLONG;
  if (last && looked && way_.creates && slash_) {
    close(next);
    return EISDIR;
  }
  if (next < 0) {
    if (!last || !(error == ENOENT || (error == ENAMETOOLONG && way_.is_name))) return error;
    found_.name = below(current_, component);
    found_.too_long = error == ENAMETOOLONG;
    done_ = true;
    return 0;
  }
  const struct stat st = status_of(next);
  const bool is_end = last && !way_.follow && (way_.is_name || !slash_);
  if (S_ISLNK(st.st_mode) && !is_end) {
    const int failed = follow(component, next, last);
    close(next);
    return failed;
  }
  if ((way_.resolve & RESOLVE_NO_XDEV) != 0 && st.st_dev != status_of(current_).st_dev) {
    close(next);
    return EXDEV;
  }
  if (!last) {
    move_to(next);
    return 0;
  }
  if (slash_ && !S_ISDIR(st.st_mode) && !way_.is_name) {
    close(next);
    return ENOTDIR;
  }
  found_ = found_behind(next);
  found_.name = below(current_, component);
  done_ = true;
  return 0;
}

Found Walk::run(int dirfd, const std::string& path) {
  if (dirfd == AT_FDCWD) {
    current_ = open_path(AT_FDCWD, "/proc/self/cwd", 0);  // "." would take search permission
  } else if (path.front() != '/' || scoped()) {
    current_ = open_path(AT_FDCWD, "/proc/self/fd/" + std::to_string(dirfd), 0);
    if (current_ < 0) {
      found_.error = EBADF;
      return std::move(found_);
    }
  }
  if (current_ < 0) current_ = open_path(AT_FDCWD, "/", O_DIRECTORY);
  root_ = scoped() ? fcntl(current_, F_DUPFD_CLOEXEC, 500) : open_path(AT_FDCWD, "/", O_DIRECTORY);
  if (path.front() == '/') {
    if ((way_.resolve & RESOLVE_BENEATH) != 0) {
      found_.error = EXDEV;
      return std::move(found_);
    }
    go_to_root(false);
  }
  slash_ = path.back() == '/';
  put_before(pending_, path);
  if (pending_.empty() && way_.is_name) found_.fixed = true;
  while (!done_ && !pending_.empty()) {
    const std::string component = std::move(pending_.front());
    pending_.pop_front();
    const int error = step(component, pending_.empty());
    if (error == 0) continue;
    // What was no directory is in the way, not what would have been in it.
    const bool stuck = error == ENOTDIR && !S_ISDIR(status_of(current_).st_mode);
    const bool dots = component == "." || component == ".." || stuck;
    found_ = Found{};
    found_.error = error;
    found_.name = dots ? own_name(current_, nullptr) : below(current_, component);
    return std::move(found_);
  }
  if (!done_) {
    const bool fixed = found_.fixed;
    found_ = found_behind(std::exchange(current_, -1));
    found_.fixed = fixed;
  }
  return std::move(found_);
}

}  // namespace

Found::Found(Found&& other) noexcept { *this = std::move(other); }

Found& Found::operator=(Found&& other) noexcept {
  if (this == &other) return *this;
  close(object);
  error = other.error;
  exists = other.exists;
  too_long = other.too_long;
  fixed = other.fixed;
  directory = other.directory;
  symlink = other.symlink;
  regular = other.regular;
  nameless = other.nameless;
  name = std::move(other.name);
  object = std::exchange(other.object, -1);
  return *this;
}

Found::~Found() { close(object); }

int aside(int fd) {
  if (fd < 0) return fd;
  const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 500);
  close(fd);
  return copy;
}

Found found_behind(int fd) {
  const struct stat st = status_of(fd);
  Found found;
  found.object = fd;
  found.exists = true;
  found.directory = S_ISDIR(st.st_mode);
  found.symlink = S_ISLNK(st.st_mode);
  found.regular = S_ISREG(st.st_mode);
  found.name = own_name(fd, &found.nameless);
  return found;
}

Found walk_slowly(int dirfd, const std::string& path, Way way) {
  return Walk(way).run(dirfd, path);
}

}  // namespace names_fuzz
