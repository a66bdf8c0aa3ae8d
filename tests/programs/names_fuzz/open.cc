// The open family.
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string>

#include "tests/programs/names_fuzz/call.h"
#include "tests/programs/names_fuzz/calls.h"
#include "tests/programs/names_fuzz/text.h"

namespace names_fuzz {
namespace {

constexpr uint64_t kTmpfile = O_TMPFILE & ~O_DIRECTORY;

bool may_block(int dirfd, const Name& name) {
  struct stat st {};
  return !name.readable ||
         call(SYS_newfstatat, static_cast<uint64_t>(dirfd), at(name.text.c_str()), at(&st), 0) !=
             0 ||
         !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
}

void open_with_how(const Target& t, uint64_t flags, uint64_t mode) {
  static const uint64_t resolves[] = {0,
                                      0,
                                      0,
                                      RESOLVE_NO_SYMLINKS,
                                      RESOLVE_NO_MAGICLINKS,
                                      RESOLVE_BENEATH,
                                      RESOLVE_BENEATH,
                                      RESOLVE_IN_ROOT,
                                      RESOLVE_IN_ROOT,
                                      RESOLVE_NO_XDEV,
                                      RESOLVE_BENEATH | RESOLVE_IN_ROOT,
                                      0x1000};
  open_how how{};
  how.resolve = generator.of(resolves);
  how.flags = generator.percent(5) ? flags | 0x80000000u : flags;
  if ((flags & (O_CREAT | kTmpfile)) != 0 || generator.percent(5)) how.mode = mode & 07777;
  if (generator.percent(3)) how.mode = 0xfffff;
  static std::array<char, 64> bytes;  // where 32-bit pointers reach
  bytes.fill(0);
  memcpy(bytes.data(), &how, sizeof how);
  size_t size = sizeof how;
  if (generator.percent(8)) size = generator.percent(50) ? 16 : 40;
  if (size == 40 && generator.percent(50)) bytes[30] = 1;
  log_flags("openat2", how.flags);
  log_flags("mode", how.mode);
  log_flags("resolve", how.resolve);
  log_flags("size", size);
  finish_open(
      answer(call(SYS_openat2, as_register(t.dirfd), t.name.address, at(bytes.data()), size)));
}

}  // namespace

uint64_t open_flags() {
  static const uint64_t access[] = {O_RDONLY, O_RDONLY, O_WRONLY, O_RDWR, O_ACCMODE};
  static const uint64_t extra[] = {O_CREAT,          O_CREAT,
                                   O_CREAT | O_EXCL, O_TRUNC,
                                   O_APPEND,         O_DIRECTORY,
                                   O_PATH,           O_NOFOLLOW,
                                   O_NOATIME,        O_SYNC,
                                   O_DSYNC,          O_ASYNC,
                                   O_CLOEXEC,        O_NOCTTY,
                                   O_TMPFILE,        O_PATH | O_NOFOLLOW,
                                   0100000,          O_TMPFILE | O_EXCL,
                                   O_DIRECT};
  uint64_t flags = generator.of(access);
  for (int i = generator.below(4); i > 0; --i) flags |= generator.of(extra);
  return flags;
}

void finish_open(long fd) {
  if (fd < 0) return;
  describe_descriptor(static_cast<int>(fd));
  if (generator.percent(12)) {
    keep(static_cast<int>(fd));
  } else {
    close(static_cast<int>(fd));
  }
}

void call_open() {
  const bool by_descriptor = generator.percent(70);
  const Target t = target(0, by_descriptor);
  uint64_t flags = open_flags();
  const bool blocks = may_block(t.dirfd, t.name);
  if (blocks || generator.percent(20)) flags |= O_NONBLOCK;
  // A descriptor that is kept may be a FIFO, a name in /proc leads back to it: never wait for it.
  if (t.name.text.find("/proc/") != std::string::npos) flags |= O_NONBLOCK;
  if (!t.safe) return look(t);
  const uint64_t mode = generator.percent(10) ? 0xfffff : some_mode();
  const int kind = generator.below(10);
  if (by_descriptor && kind < 4) return open_with_how(t, flags, mode);
  if (generator.percent(8)) flags |= generator.percent(50) ? 0x80000000u : 0x40000000u;
  if (!by_descriptor && kind == 0 && !blocks) {
    log_flags("creat", mode);
    finish_open(answer(call(SYS_creat, t.name.address, mode)));
    return;
  }
  log_flags(by_descriptor ? "openat" : "open", flags);
  log_flags("mode", mode);
  if (!by_descriptor) {
    finish_open(answer(call(SYS_open, t.name.address, flags, mode)));
    return;
  }
  const uint64_t high = generator.percent(20) ? generator.next() << 32 : 0;
  finish_open(answer(call(SYS_openat, as_register(t.dirfd), t.name.address, flags | high, mode)));
}

void call_tmpfile() {
  const Target t = target(0, true);
  if (!t.safe) return look(t);
  const uint64_t flags = O_TMPFILE | (generator.percent(80) ? O_RDWR : O_WRONLY) |
                         (generator.percent(15) ? O_EXCL : 0);
  log_flags("tmpfile", flags);
  const uint64_t mode = some_mode();
  const long fd = answer(call(SYS_openat, as_register(t.dirfd), t.name.address, flags, mode));
  if (fd < 0) return;
  describe_descriptor(static_cast<int>(fd));
  static_cast<void>(!write(static_cast<int>(fd), "temporary", 9));
  say(" -> ");
  const Target to = target(1, true);
  if (to.safe) {
    const std::string link = "/proc/self/fd/" + std::to_string(fd);
    say(" linkat");
    answer(generator.percent(70)
               ? call(SYS_linkat, static_cast<uint64_t>(AT_FDCWD), at(link.c_str()),
                      as_register(to.dirfd), to.name.address, AT_SYMLINK_FOLLOW)
               : call(SYS_linkat, static_cast<uint64_t>(fd), at(""), as_register(to.dirfd),
                      to.name.address, AT_EMPTY_PATH));
  }
  close(static_cast<int>(fd));
}

}  // namespace names_fuzz
