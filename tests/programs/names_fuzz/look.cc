// What only looks.
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <string>

#include "tests/programs/names_fuzz/call.h"
#include "tests/programs/names_fuzz/calls.h"
#include "tests/programs/names_fuzz/text.h"

#ifndef AT_EACCESS
#define AT_EACCESS 0x200
#endif

namespace names_fuzz {
namespace {

void say_status(long result, const struct stat& st) {
  if (answer(result) == 0) say(" " + status_text(st));
}

void look_statx(const Target& t) {
  static struct statx st;  // where 32-bit pointers reach
  static const uint64_t syncs[] = {0,      0,     0, AT_STATX_FORCE_SYNC, AT_STATX_DONT_SYNC,
                                   0x6000, 0x8000};
  const uint64_t flags = at_flags() | generator.of(syncs);
  const uint64_t mask = generator.percent(5) ? 0x80000000u : STATX_BASIC_STATS;
  log_flags("statx", flags);
  log_flags("mask", mask);
  if (answer(call(SYS_statx, as_register(t.dirfd), t.name.address, flags, mask, at(&st))) != 0)
    return;
  char text[64];
  snprintf(text, sizeof text, " mode %o uid %u", st.stx_mode, st.stx_uid);
  say(text);
}

void look_access(const Target& t) {
  const uint64_t mode = generator.percent(5) ? 0x18 : static_cast<uint64_t>(generator.below(8));
  switch (generator.below(3)) {
    case 0:
      log_flags("access", mode);
      answer(call(SYS_access, t.name.address, mode));
      return;
    case 1:
      log_flags("faccessat", mode);
      answer(call(SYS_faccessat, as_register(t.dirfd), t.name.address, mode));
      return;
    default: {
      const uint64_t flags = generator.percent(30) ? AT_EACCESS : at_flags();
      log_flags("faccessat2", mode);
      log_flags("flags", flags);
      answer(call(SYS_faccessat2, as_register(t.dirfd), t.name.address, mode, flags));
    }
  }
}

void look_link(const Target& t) {
  static char buffer[5000];
  static const uint64_t sizes[] = {0, 1, 10, 5000, 5000, 5000};
  const uint64_t size = generator.of(sizes);
  const bool by_descriptor = generator.percent(60);
  log_flags(by_descriptor ? "readlinkat" : "readlink", size);
  // "/proc/self" holds a pid of any length: the length of the answer says nothing.
  const long n = by_descriptor
                     ? call(SYS_readlinkat, as_register(t.dirfd), t.name.address, at(buffer), size)
                     : call(SYS_readlink, t.name.address, at(buffer), size);
  if (n < 0) {
    answer(n);
  } else if (size == 5000) {
    say(" = " + shown(without_pid(std::string(buffer, static_cast<size_t>(n)))));
  } else {
    say(" = some");
  }
}

void look_attributes(const Target& t) {
  static char value[512];
  const bool link = generator.percent(50);
  if (generator.percent(50)) {
    say(link ? " lgetxattr" : " getxattr");
    const long n = answer(
        call(link ? SYS_lgetxattr : SYS_getxattr, t.name.address, at("user.one"), at(value), 64));
    if (n >= 0) say(" " + shown(std::string_view(value, static_cast<size_t>(n))));
  } else {
    say(link ? " llistxattr" : " listxattr");
    answer(call(link ? SYS_llistxattr : SYS_listxattr, t.name.address, at(value), sizeof value));
  }
}

void log_directory() {
  std::array<char, PATH_MAX + 64> buffer;
  const long n = syscall(SYS_getcwd, buffer.data(), buffer.size());
  say(n < 0 ? " cwd errno " + std::to_string(errno) : " cwd " + shown(without_pid(buffer.data())));
}

}  // namespace

uint64_t at_flags() {
  static const uint64_t flags[] = {0,
                                   0,
                                   0,
                                   AT_SYMLINK_NOFOLLOW,
                                   AT_SYMLINK_NOFOLLOW,
                                   AT_EMPTY_PATH,
                                   AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW,
                                   AT_SYMLINK_FOLLOW,
                                   AT_REMOVEDIR,
                                   0x40000000,
                                   AT_EMPTY_PATH | 0x40000000,
                                   AT_NO_AUTOMOUNT};
  const uint64_t one = generator.of(flags);
  return generator.percent(15) ? one | generator.of(flags) : one;
}

mode_t some_mode() {
  static const mode_t modes[] = {0755, 0755, 0755, 0700,  0777,  0644,  0600, 0555,
                                 0444, 0111, 0,    01777, 02755, 04755, 0111, 0333};
  return generator.of(modes);
}

void look(const Target& t) {
  struct stat st {};
  switch (generator.below(13)) {
    case 0:
      say(" stat");
      return say_status(call(SYS_stat, t.name.address, at(&st)), st);
    case 1:
      say(" lstat");
      return say_status(call(SYS_lstat, t.name.address, at(&st)), st);
    case 2: {
      const uint64_t flags = at_flags();
      log_flags("newfstatat", flags);
      return say_status(call(SYS_newfstatat, as_register(t.dirfd), t.name.address, at(&st), flags),
                        st);
    }
    case 3:
      return look_statx(t);
    case 4:
    case 5:
    case 6:
      return look_access(t);
    case 7:
    case 8:
      return look_link(t);
    case 9: {
      struct statfs fs {};
      say(" statfs");
      if (answer(call(SYS_statfs, t.name.address, at(&fs))) == 0) {
        log_flags("type", static_cast<uint64_t>(fs.f_type));
      }
      return;
    }
    case 10:
    case 11:
      return look_attributes(t);
    default: {
      const uint64_t flags =
          open_flags() & ~uint64_t{O_CREAT | O_TRUNC | O_ACCMODE | (O_TMPFILE & ~O_DIRECTORY)};
      log_flags("openat-look", flags);
      finish_open(
          answer(call(SYS_openat, as_register(t.dirfd), t.name.address, flags | O_NONBLOCK, 0)));
    }
  }
}

void call_directory() {
  if (generator.percent(30)) {
    const int fd = some_descriptor();
    say(std::to_string(fd) + " fchdir");
    if (fd >= 0 && fcntl(fd, F_GETFD) >= 0 && !inside(name_of(fd))) {
      say(" outside");
      return;
    }
    answer(call(SYS_fchdir, as_register(fd)));
  } else {
    const Target t = target(0, false);
    if (!t.safe) return look(t);
    say(" chdir");
    answer(call(SYS_chdir, t.name.address));
  }
  log_directory();
}

void call_watch(int watches) {
  const Target t = target(0, false);
  static const uint64_t masks[] = {IN_MODIFY,
                                   IN_MODIFY | IN_DONT_FOLLOW,
                                   IN_CREATE | IN_ONLYDIR,
                                   IN_DELETE | IN_ONLYDIR | IN_DONT_FOLLOW,
                                   0,
                                   IN_ATTRIB | IN_EXCL_UNLINK,
                                   IN_OPEN | IN_MASK_ADD,
                                   IN_MOVE | IN_MASK_CREATE,
                                   IN_CLOSE | IN_MASK_ADD | IN_MASK_CREATE,
                                   IN_ACCESS | IN_ONESHOT};
  const uint64_t mask = generator.of(masks);
  const int fd = generator.percent(90) ? watches : kNoSuchDescriptor;
  log_flags("inotify_add_watch", mask);
  answer(call(SYS_inotify_add_watch, static_cast<uint64_t>(fd), t.name.address, mask));
}

}  // namespace names_fuzz
