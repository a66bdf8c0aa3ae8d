// Names made, removed and moved.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "tests/programs/names_fuzz/call.h"
#include "tests/programs/names_fuzz/calls.h"
#include "tests/programs/names_fuzz/text.h"

namespace names_fuzz {

void call_create() {
  const bool by_descriptor = generator.percent(60);
  const Target t = target(0, by_descriptor);
  if (!t.safe) return look(t);
  const uint64_t mode = some_mode();
  switch (generator.below(3)) {
    case 0:
      log_flags(by_descriptor ? "mkdirat" : "mkdir", mode);
      answer(by_descriptor ? call(SYS_mkdirat, as_register(t.dirfd), t.name.address, mode)
                           : call(SYS_mkdir, t.name.address, mode));
      return;
    case 1: {
      static const mode_t types[] = {S_IFIFO, S_IFIFO, S_IFREG, S_IFSOCK,
                                     0,       S_IFDIR, S_IFLNK, 0170000};
      const uint64_t type = generator.of(types) | mode;
      log_flags(by_descriptor ? "mknodat" : "mknod", type);
      answer(by_descriptor ? call(SYS_mknodat, as_register(t.dirfd), t.name.address, type, 0)
                           : call(SYS_mknod, t.name.address, type, 0));
      return;
    }
    default: {
      say(" <- ");
      const Name text = name_argument(1, some_path());
      say(by_descriptor ? " symlinkat" : " symlink");
      answer(by_descriptor ? call(SYS_symlinkat, text.address, as_register(t.dirfd), t.name.address)
                           : call(SYS_symlink, text.address, t.name.address));
    }
  }
}

void call_remove() {
  const bool by_descriptor = generator.percent(50);
  const Target t = target(0, by_descriptor);
  if (!t.safe) return look(t);
  if (by_descriptor) {
    static const uint64_t choices[] = {0,  0, 0, AT_REMOVEDIR, AT_REMOVEDIR, AT_SYMLINK_NOFOLLOW,
                                       0x1};
    const uint64_t flags = generator.of(choices);
    log_flags("unlinkat", flags);
    answer(call(SYS_unlinkat, as_register(t.dirfd), t.name.address, flags));
  } else if (generator.percent(60)) {
    say(" unlink");
    answer(call(SYS_unlink, t.name.address));
  } else {
    say(" rmdir");
    answer(call(SYS_rmdir, t.name.address));
  }
}

void call_two() {
  const int kind = generator.below(10);
  const bool by_descriptor = kind >= 4;
  const Target from = target(0, by_descriptor);
  say(" -> ");
  const Target to = target(1, by_descriptor);
  if (!from.safe || !to.safe) return look(from);
  const uint64_t a = from.name.address;
  const uint64_t b = to.name.address;
  switch (kind) {
    case 0:
    case 1:
      say(" rename");
      answer(call(SYS_rename, a, b));
      return;
    case 2:
    case 3:
      say(" link");
      answer(call(SYS_link, a, b));
      return;
    case 4:
      say(" renameat");
      answer(call(SYS_renameat, as_register(from.dirfd), a, as_register(to.dirfd), b));
      return;
    case 5:
    case 6:
    case 7: {
      static const uint64_t choices[] = {0, 0, 1 /*NOREPLACE*/, 1, 2 /*EXCHANGE*/, 2, 3, 8};
      const uint64_t flags = generator.of(choices);
      log_flags("renameat2", flags);
      answer(call(SYS_renameat2, as_register(from.dirfd), a, as_register(to.dirfd), b, flags));
      return;
    }
    default: {
      static const uint64_t choices[] = {0,
                                         0,
                                         0,
                                         AT_SYMLINK_FOLLOW,
                                         AT_SYMLINK_FOLLOW,
                                         AT_EMPTY_PATH,
                                         AT_EMPTY_PATH | AT_SYMLINK_FOLLOW,
                                         AT_SYMLINK_NOFOLLOW,
                                         AT_EMPTY_PATH | 0x40000000,
                                         1};
      const uint64_t flags = generator.of(choices);
      log_flags("linkat", flags);
      answer(call(SYS_linkat, as_register(from.dirfd), a, as_register(to.dirfd), b, flags));
    }
  }
}

}  // namespace names_fuzz
