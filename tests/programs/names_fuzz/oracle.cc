#include "tests/programs/names_fuzz/oracle.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <optional>

#include "tests/programs/names_fuzz/call.h"
#include "tests/programs/names_fuzz/oracle_execute.h"
#include "tests/programs/names_fuzz/rules.h"
#include "tests/programs/names_fuzz/slow_walk.h"

namespace names_fuzz {
namespace {

constexpr long kFchmodat2 = 452;
constexpr uint64_t kNoReplace = 1;
constexpr uint64_t kExchange = 2;

OracleOptions options;
Rules rules;
int call_number = 0;
int asked = 0;
int refused = 0;
int uncertain = 0;
int uncertain_refused = 0;

// A string of this process at an address that may be any number.
std::optional<std::string> text_at(uint64_t address) {
  std::string text;
  while (text.size() < PATH_MAX) {
    std::array<char, 256> bytes;
    const auto want = std::min<size_t>(
        {bytes.size(), 4096 - (address + text.size()) % 4096, PATH_MAX - text.size()});
    iovec local{bytes.data(), want};
    iovec remote{reinterpret_cast<void*>(address + text.size()), want};
    const ssize_t n = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
    if (n <= 0) return std::nullopt;
    const size_t length = strnlen(bytes.data(), static_cast<size_t>(n));
    text.append(bytes.data(), length);
    if (length < static_cast<size_t>(n)) return text;
  }
  return std::nullopt;  // too long
}

int judge(unsigned operations, const Found& found) {
  return found.nameless ? 0 : rules.refusal(operations, found.name);
}

// Whether something is there, or was in the way, is metadata of that name.
int judge_failure(const Found& found) {
  return found.name.empty() || found.nameless ? 0 : rules.refusal(kStat, found.name);
}

// nullopt: the name cannot even be read, and the kernel says so.
std::optional<Found> look_up(int dirfd, uint64_t address, Way way) {
  const auto text = text_at(address);
  if (!text || text->empty()) return std::nullopt;
  return walk_slowly(dirfd, *text, way);
}

// Calls on one name that must exist.
int on_object(unsigned operation, int dirfd, uint64_t address, bool follow) {
  const auto found = look_up(dirfd, address, {.follow = follow});
  if (!found) return 0;
  return found->error != 0 || !found->exists ? judge_failure(*found) : judge(operation, *found);
}

int on_object_at(unsigned operation, int dirfd, uint64_t address, uint64_t flags) {
  const auto text = text_at(address);
  const bool follow = (flags & AT_SYMLINK_NOFOLLOW) == 0;
  if ((flags & AT_EMPTY_PATH) == 0 || !text || !text->empty()) {
    return on_object(operation, dirfd, address, follow);
  }
  if (dirfd != AT_FDCWD && operation == kStat) return 0;  // as fstat
  if (dirfd == AT_FDCWD) return judge(operation, walk_slowly(dirfd, ".", {}));
  const std::string own = "/proc/self/fd/" + std::to_string(dirfd);
  const int fd = aside(open(own.c_str(), O_PATH | O_CLOEXEC));
  return fd < 0 ? 0 : judge(operation, found_behind(fd));
}

int on_descriptor(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || (flags & O_PATH) != 0) return 0;
  const int copy = aside(open(("/proc/self/fd/" + std::to_string(fd)).c_str(), O_PATH | O_CLOEXEC));
  return copy < 0 ? 0 : judge(kAttributes, found_behind(copy));
}

int on_new_name(int dirfd, uint64_t address) {
  const auto found = look_up(dirfd, address, {.follow = false, .is_name = true});
  if (!found) return 0;
  if (found->error != 0) return judge_failure(*found);
  return found->exists || found->too_long ? judge_failure(*found) : judge(kCreate, *found);
}

int on_removed_name(int dirfd, uint64_t address) {
  const auto found = look_up(dirfd, address, {.follow = false, .is_name = true});
  if (!found) return 0;
  if (found->error != 0 || found->fixed) return judge_failure(*found);
  return found->exists ? judge(kDelete, *found) : judge_failure(*found);
}

// What the watched run printed for this call, where the oracle does not know.
bool watched_run_says(const std::string& answer) {
  const std::string start = "\n#" + std::to_string(call_number) + " ";
  const size_t at = options.watched_log.find(start);
  if (at == std::string::npos) return false;
  const size_t end = options.watched_log.find('\n', at + 1);
  return options.watched_log.substr(at, end - at).ends_with(answer);
}

int judge_move(const Found& from, const Found& to) {
  if (from.nameless) return 0;
  // What is not to be known of answers as if it were not there.
  const bool hidden = rules.refusal(kStat, from.name) != 0;
  const int error = hidden ? EACCES : EXDEV;
  if (rules.widens(from.name, to.name, from.directory)) return error;
  if (!from.directory) return 0;
  ++uncertain;
  if (!watched_run_says(hidden ? " = -13 EACCES" : " = -18 EXDEV")) return 0;
  ++uncertain_refused;
  return error;
}

int on_rename(int from_dirfd, uint64_t from_at, int to_dirfd, uint64_t to_at, uint64_t flags) {
  constexpr Way kName = {.follow = false, .is_name = true};
  const auto from = look_up(from_dirfd, from_at, kName);
  if (!from) return 0;
  if (from->error != 0) return judge_failure(*from);
  const auto to = look_up(to_dirfd, to_at, kName);
  if (!to) return 0;
  if (to->error != 0) return judge_failure(*to);
  if (from->fixed || to->fixed) {
    const int error = from->fixed ? judge_failure(*from) : 0;
    return error == 0 && to->fixed ? judge_failure(*to) : error;
  }
  if (!from->exists) return judge_failure(*from);
  const bool exchange = (flags & kExchange) != 0;
  const bool keeps = (flags & kNoReplace) != 0;
  if (to->too_long || (exchange ? !to->exists : keeps && to->exists)) return judge_failure(*to);
  if (const int error = judge(kDelete | (exchange ? kCreate : 0u), *from)) return error;
  if (const int error = judge(kCreate | (to->exists ? kDelete : 0u), *to)) return error;
  if (const int error = judge_move(*from, *to)) return error;
  return exchange ? judge_move(*to, *from) : 0;
}

int on_link(int from_dirfd, uint64_t from_at, int to_dirfd, uint64_t to_at, uint64_t flags) {
  std::optional<Found> from;
  const auto text = text_at(from_at);
  if ((flags & AT_EMPTY_PATH) != 0 && text && text->empty()) {
    const std::string own =
        from_dirfd == AT_FDCWD ? std::string(".") : "/proc/self/fd/" + std::to_string(from_dirfd);
    const int fd = aside(open(own.c_str(), O_PATH | O_CLOEXEC));
    if (fd >= 0) from = found_behind(fd);
  } else {
    from = look_up(from_dirfd, from_at, {.follow = (flags & AT_SYMLINK_FOLLOW) != 0});
  }
  if (!from) return 0;
  if (from->error != 0 || !from->exists) return judge_failure(*from);
  const auto to = look_up(to_dirfd, to_at, {.follow = false, .is_name = true});
  if (!to) return 0;
  if (to->error != 0 || to->exists || to->too_long) return judge_failure(*to);
  if (const int error = judge(kCreate, *to)) return error;
  return judge_move(*from, *to);
}

int on_open(int dirfd, uint64_t address, open_how how) {
  constexpr uint64_t kTmpfile = O_TMPFILE & ~O_DIRECTORY;
  const auto text = text_at(address);
  if (!text || text->empty()) return 0;
  // Wrong flags are the kernel's to refuse.
  if (syscall(SYS_openat2, -1, "x", &how, sizeof how) >= 0 || errno != EBADF) return 0;
  const bool path_only = (how.flags & O_PATH) != 0;
  const bool creates = !path_only && (how.flags & O_CREAT) != 0;
  const bool exclusive = creates && (how.flags & O_EXCL) != 0;
  Way way;
  way.follow = (how.flags & O_NOFOLLOW) == 0 && !exclusive;
  way.creates = creates;
  way.resolve = how.resolve;
  Found found = walk_slowly(dirfd, *text, way);
  // What the restrictions alone refuse is told.
  const bool restricted = found.error == EXDEV || found.error == ELOOP;
  if (how.resolve != 0 && restricted) {
    way.resolve &= RESOLVE_IN_ROOT | RESOLVE_BENEATH;
    found = walk_slowly(dirfd, *text, way);
    if (found.error == 0 || found.error == EXDEV) return 0;
  }
  if (found.error != 0) return judge_failure(found);
  if (exclusive && found.exists) return judge_failure(found);
  if (!creates && !found.exists) return judge_failure(found);
  unsigned operations = path_only ? unsigned{kStat} : 0u;
  const uint64_t access = how.flags & O_ACCMODE;
  if (!path_only && access != O_WRONLY) operations |= kRead;
  if (!path_only && (access != O_RDONLY || (how.flags & O_TRUNC) != 0)) operations |= kWrite;
  if (creates && !found.exists) operations |= kCreate;
  if ((how.flags & kTmpfile) != 0 && !path_only) {
    operations |= kWrite | kCreate;
    found.name += found.name == "/" ? "#tmpfile" : "/#tmpfile";
  }
  return judge(operations, found);
}

int on_plain_open(int dirfd, uint64_t address, uint64_t flags, uint64_t mode) {
  constexpr uint64_t kKnown = 0x7fffc3;  // open(2) ignores what it does not know
  constexpr uint64_t kWithPath = O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC;
  constexpr uint64_t kMaking = O_CREAT | (O_TMPFILE & ~O_DIRECTORY);
  open_how how{};
  how.flags = flags & kKnown;
  if ((how.flags & O_PATH) != 0) how.flags &= kWithPath;
  if ((how.flags & kMaking) != 0) how.mode = mode & 07777;
  return on_open(dirfd, address, how);
}

int on_open_how(int dirfd, uint64_t address, uint64_t how_at, uint64_t size) {
  open_how how{};
  if (size < sizeof how || size > 4096) return 0;
  const auto* bytes = reinterpret_cast<const char*>(how_at);
  memcpy(&how, bytes, sizeof how);
  if (std::any_of(bytes + sizeof how, bytes + size, [](char c) { return c != 0; })) return 0;
  return on_open(dirfd, address, how);
}

int consider(long nr, const Arguments& a) {
  const int fd = static_cast<int>(a[0]);
  constexpr int kHere = AT_FDCWD;
  switch (nr) {
    case SYS_stat:
    case SYS_access:
    case SYS_statfs:
    case SYS_getxattr:
    case SYS_listxattr:
    case SYS_chdir:
      return on_object(kStat, kHere, a[0], true);
    case SYS_lstat:
    case SYS_readlink:
    case SYS_lgetxattr:
    case SYS_llistxattr:
      return on_object(kStat, kHere, a[0], false);
    case SYS_newfstatat:
      return a[1] == 0 && (a[3] & AT_EMPTY_PATH) != 0
                 ? on_object_at(kStat, fd, reinterpret_cast<uint64_t>(""), a[3])
                 : on_object_at(kStat, fd, a[1], a[3]);
    case SYS_statx:
      return a[1] == 0 && (a[2] & AT_EMPTY_PATH) != 0
                 ? on_object_at(kStat, fd, reinterpret_cast<uint64_t>(""), a[2])
                 : on_object_at(kStat, fd, a[1], a[2]);
    case SYS_faccessat:
      return on_object(kStat, fd, a[1], true);
    case SYS_faccessat2:
      return on_object_at(kStat, fd, a[1], a[3]);
    case SYS_readlinkat:
      return on_object(kStat, fd, a[1], false);
    case SYS_inotify_add_watch:
      return on_object(kStat, kHere, a[1], (a[2] & IN_DONT_FOLLOW) == 0);
    case SYS_truncate:
      return on_object(kWrite, kHere, a[0], true);
    case SYS_chmod:
    case SYS_chown:
    case SYS_utime:
    case SYS_utimes:
    case SYS_setxattr:
    case SYS_removexattr:
      return on_object(kAttributes, kHere, a[0], true);
    case SYS_lchown:
    case SYS_lsetxattr:
    case SYS_lremovexattr:
      return on_object(kAttributes, kHere, a[0], false);
    case SYS_fchmodat:
      return on_object(kAttributes, fd, a[1], true);
    case kFchmodat2:
      return on_object_at(kAttributes, fd, a[1], a[3]);
    case SYS_fchownat:
      return on_object_at(kAttributes, fd, a[1], a[4]);
    case SYS_utimensat:
      if (a[1] != 0) return on_object_at(kAttributes, fd, a[1], a[3]);
      return a[3] == 0 && fd != kHere ? on_descriptor(fd) : 0;
    case SYS_futimesat:
      if (a[1] != 0) return on_object(kAttributes, fd, a[1], true);
      return fd != kHere ? on_descriptor(fd) : 0;
    case SYS_fchmod:
    case SYS_fchown:
    case SYS_fsetxattr:
    case SYS_fremovexattr:
      return on_descriptor(fd);
    case SYS_mkdir:
    case SYS_mknod:
      return on_new_name(kHere, a[0]);
    case SYS_mkdirat:
    case SYS_mknodat:
      return on_new_name(fd, a[1]);
    case SYS_symlink:
    case SYS_symlinkat: {
      const auto text = text_at(a[0]);
      if (!text || text->empty()) return 0;
      return nr == SYS_symlink ? on_new_name(kHere, a[1])
                               : on_new_name(static_cast<int>(a[1]), a[2]);
    }
    case SYS_unlink:
    case SYS_rmdir:
      return on_removed_name(kHere, a[0]);
    case SYS_unlinkat:
      return on_removed_name(fd, a[1]);
    case SYS_rename:
      return on_rename(kHere, a[0], kHere, a[1], 0);
    case SYS_renameat:
      return on_rename(fd, a[1], static_cast<int>(a[2]), a[3], 0);
    case SYS_renameat2:
      return on_rename(fd, a[1], static_cast<int>(a[2]), a[3], a[4]);
    case SYS_link:
      return on_link(kHere, a[0], kHere, a[1], 0);
    case SYS_linkat:
      return on_link(fd, a[1], static_cast<int>(a[2]), a[3], a[4]);
    case SYS_open:
      return on_plain_open(kHere, a[0], a[1], a[2]);
    case SYS_openat:
      return on_plain_open(fd, a[1], a[2], a[3]);
    case SYS_creat:
      return on_plain_open(kHere, a[0], O_CREAT | O_WRONLY | O_TRUNC, a[1]);
    case SYS_openat2:
      return on_open_how(fd, a[1], a[2], a[3]);
    case SYS_execve:
    case SYS_execveat: {
      const bool by_descriptor = nr == SYS_execveat;
      const auto text = text_at(a[by_descriptor ? 1 : 0]);
      if (!text) return 0;
      return refuse_execution(rules, by_descriptor ? fd : kHere, *text, by_descriptor ? a[4] : 0,
                              options.root_monitor);
    }
    default:  // descriptors alone, and sockets: nothing is judged
      return 0;
  }
}

int ask(long nr, const Arguments& arguments) {
  const int error = consider(nr, arguments);
  ++asked;
  refused += error != 0 ? 1 : 0;
  return error;
}

}  // namespace

bool consult_oracle(const OracleOptions& wanted) {
  options = wanted;
  options.watched_log.insert(0, "\n");
  if (!rules.read(options.policy)) return false;
  refusal = ask;
  return true;
}

void oracle_at_call(int number) { call_number = number; }

std::string oracle_summary() {
  return "oracle: asked " + std::to_string(asked) + ", refused " + std::to_string(refused) +
         ", uncertain " + std::to_string(uncertain) + ", of these refused " +
         std::to_string(uncertain_refused);
}

}  // namespace names_fuzz
