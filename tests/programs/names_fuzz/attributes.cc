// Mode, owner, times, extended attributes and size; by name and through a descriptor.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <utime.h>

#include <cstdint>
#include <string>

#include "tests/programs/names_fuzz/call.h"
#include "tests/programs/names_fuzz/calls.h"
#include "tests/programs/names_fuzz/text.h"

namespace names_fuzz {
namespace {

constexpr long kFchmodat2 = 452;

struct Owners {
  uint64_t uid;
  uint64_t gid;
};

Owners some_owners() {  // an ordinary user may give a file to nobody but itself
  static const int owners[] = {-1, -1, 0, 65534, 12345};
  const auto uid = static_cast<uint32_t>(generator.of(owners));
  const auto gid = static_cast<uint32_t>(generator.of(owners));
  return {uid, gid};
}

void attributes_at(const Target& t) {
  const uint64_t mode = some_mode();
  const Owners owners = some_owners();
  static timespec times[2];  // where 32-bit pointers reach
  times[0] = {1000 + generator.below(1000), 5};
  times[1] = {2000, generator.percent(10) ? -1 : 7};
  if (generator.percent(10)) times[0].tv_nsec = UTIME_OMIT;
  if (generator.percent(10)) times[1].tv_nsec = UTIME_NOW;
  if (generator.percent(5)) times[0].tv_nsec = times[1].tv_nsec = UTIME_OMIT;
  const uint64_t flags = at_flags();
  const uint64_t fd = as_register(t.dirfd);
  switch (generator.below(5)) {
    case 0:
      log_flags("fchmodat", mode);
      answer(call(SYS_fchmodat, fd, t.name.address, mode));
      return;
    case 1:
      log_flags("fchmodat2", mode);
      log_flags("flags", flags);
      answer(call(kFchmodat2, fd, t.name.address, mode, flags));
      return;
    case 2:
      log_flags("fchownat", owners.uid);
      log_flags("gid", owners.gid);
      log_flags("flags", flags);
      answer(call(SYS_fchownat, fd, t.name.address, owners.uid, owners.gid, flags));
      return;
    case 3:
      log_flags("utimensat", flags);
      answer(call(SYS_utimensat, fd, t.name.address, generator.percent(15) ? 0 : at(times), flags));
      return;
    default: {
      timeval values[2] = {{1500, 3}, {1600, generator.percent(10) ? 2000000 : 4}};
      say(" futimesat");
      answer(call(SYS_futimesat, fd, t.name.address, at(values)));
    }
  }
}

void times_of(const Target& t) {
  if (generator.percent(50)) {
    utimbuf both{100, 200};
    say(" utime");
    answer(call(SYS_utime, t.name.address, generator.percent(20) ? 0 : at(&both)));
  } else {
    timeval values[2] = {{1500, 3}, {1600, generator.percent(10) ? 2000000 : 4}};
    say(" utimes");
    answer(call(SYS_utimes, t.name.address, at(values)));
  }
}

void extended(const Target& t) {
  static const char* keys[] = {"user.one", "user.two", "user.", "nonsense", "trusted.one", ""};
  static const uint64_t set_flags[] = {0, 0, XATTR_CREATE, XATTR_REPLACE, 3, 8};
  const char* key = generator.of(keys);
  const bool link = generator.percent(50);
  if (generator.percent(66)) {
    const uint64_t flags = generator.of(set_flags);
    log_flags(link ? "lsetxattr" : "setxattr", flags);
    say(std::string(" ") + key);
    answer(
        call(link ? SYS_lsetxattr : SYS_setxattr, t.name.address, at(key), at("value"), 5, flags));
  } else {
    say(link ? " lremovexattr " : " removexattr ");
    say(key);
    answer(call(link ? SYS_lremovexattr : SYS_removexattr, t.name.address, at(key)));
  }
}

}  // namespace

void call_attributes() {
  const bool by_descriptor = generator.percent(50);
  const Target t = target(0, by_descriptor);
  if (!t.safe) return look(t);
  if (by_descriptor) return attributes_at(t);
  switch (generator.below(10)) {
    case 0:
    case 1: {
      const uint64_t mode = some_mode();
      log_flags("chmod", mode);
      answer(call(SYS_chmod, t.name.address, mode));
      return;
    }
    case 2:
    case 3: {
      const bool link = generator.percent(50);
      const Owners owners = some_owners();
      log_flags(link ? "lchown" : "chown", owners.uid);
      log_flags("gid", owners.gid);
      answer(call(link ? SYS_lchown : SYS_chown, t.name.address, owners.uid, owners.gid));
      return;
    }
    case 4:
    case 5:
      return times_of(t);
    case 6:
    case 7:
    case 8:
      return extended(t);
    default: {
      static const int64_t sizes[] = {0, 3, 100, 5000, -1, INT64_MAX};
      const int64_t size = generator.of(sizes);
      log_flags("truncate", static_cast<uint64_t>(size));
      answer(call(SYS_truncate, t.name.address, static_cast<uint64_t>(size)));
    }
  }
}

void call_descriptor() {
  const int fd = some_descriptor();
  say(std::to_string(fd));
  if (fd != AT_FDCWD && fcntl(fd, F_GETFD) >= 0 && !inside(name_of(fd))) {
    say(" outside");
    return;
  }
  // Since Linux 6.13 f*xattr(AT_FDCWD) happens to act on the working directory; nobody relies on
  // it.
  const int kind = generator.below(6);
  if ((kind == 2 || kind == 3) && fd == AT_FDCWD) return;
  const uint64_t number = as_register(fd);
  switch (kind) {
    case 0: {
      const uint64_t mode = some_mode();
      log_flags("fchmod", mode);
      answer(call(SYS_fchmod, number, mode));
      return;
    }
    case 1: {
      const uint64_t group = generator.percent(50) ? 65534 : static_cast<uint64_t>(-1);
      log_flags("fchown", group);
      answer(call(SYS_fchown, number, static_cast<uint64_t>(-1), group));
      return;
    }
    case 2: {
      const uint64_t flags = generator.percent(20) ? 8 : 0;
      log_flags("fsetxattr", flags);
      answer(call(SYS_fsetxattr, number, at("user.one"), at("fd"), 2, flags));
      return;
    }
    case 3:
      say(" fremovexattr");
      answer(call(SYS_fremovexattr, number, generator.percent(90) ? at("user.one") : 0));
      return;
    case 4: {
      timespec times[2] = {{1, 2}, {3, 4}};
      const uint64_t flags = generator.percent(20) ? at_flags() : 0;
      log_flags("futimens", flags);
      answer(call(SYS_utimensat, number, 0, at(times), flags));
      return;
    }
    default:
      say(" futimesat");
      answer(call(SYS_futimesat, number, 0, 0));
  }
}

}  // namespace names_fuzz
