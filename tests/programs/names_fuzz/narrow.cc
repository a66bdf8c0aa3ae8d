#include "tests/programs/names_fuzz/narrow.h"

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

namespace names_fuzz {

#if defined(__x86_64__)

namespace {

struct Narrow {
  long nr;
  int i386;
  unsigned pointers;  // a bit for each argument that is one
};

// arch/x86/entry/syscalls/syscall_32.tbl. Where the old number takes 16-bit users or 32-bit times,
// the newer one.
constexpr Narrow kTable[] = {{SYS_open, 5, 1},           {SYS_creat, 8, 1},
                             {SYS_link, 9, 3},           {SYS_unlink, 10, 1},
                             {SYS_chdir, 12, 1},         {SYS_mknod, 14, 1},
                             {SYS_chmod, 15, 1},         {SYS_access, 33, 1},
                             {SYS_rename, 38, 3},        {SYS_mkdir, 39, 1},
                             {SYS_rmdir, 40, 1},         {SYS_symlink, 83, 3},
                             {SYS_readlink, 85, 3},      {SYS_truncate, 92, 1},
                             {SYS_fchmod, 94, 0},        {SYS_fchdir, 133, 0},
                             {SYS_lchown, 198, 1},       {SYS_fchown, 207, 0},
                             {SYS_chown, 212, 1},        {SYS_setxattr, 226, 7},
                             {SYS_lsetxattr, 227, 7},    {SYS_fsetxattr, 228, 6},
                             {SYS_getxattr, 229, 7},     {SYS_lgetxattr, 230, 7},
                             {SYS_listxattr, 232, 3},    {SYS_llistxattr, 233, 3},
                             {SYS_removexattr, 235, 3},  {SYS_lremovexattr, 236, 3},
                             {SYS_fremovexattr, 237, 2}, {SYS_inotify_add_watch, 292, 2},
                             {SYS_openat, 295, 2},       {SYS_mkdirat, 296, 2},
                             {SYS_mknodat, 297, 2},      {SYS_fchownat, 298, 2},
                             {SYS_unlinkat, 301, 2},     {SYS_renameat, 302, 10},
                             {SYS_linkat, 303, 10},      {SYS_symlinkat, 304, 5},
                             {SYS_readlinkat, 305, 6},   {SYS_fchmodat, 306, 2},
                             {SYS_faccessat, 307, 2},    {SYS_renameat2, 353, 10},
                             {SYS_statx, 383, 18},       {SYS_utimensat, 412, 6},
                             {437 /*openat2*/, 437, 6},  {439 /*faccessat2*/, 439, 2},
                             {452 /*fchmodat2*/, 452, 2}};

const Narrow* find(long nr) {
  const auto* found = std::ranges::find(kTable, nr, &Narrow::nr);
  return found == std::end(kTable) ? nullptr : found;
}

// r8 to r11 survive int 0x80 since Linux 4.17 (entry_64_compat.S).
long enter(int nr, const Arguments& a) {
  long result = 0;
  asm volatile("int $0x80"
               : "=a"(result)
               : "a"(static_cast<long>(nr)), "b"(a[0]), "c"(a[1]), "d"(a[2]), "S"(a[3]), "D"(a[4])
               : "memory");
  return static_cast<int>(result);
}

}  // namespace

bool has_narrow_entry() {
  static const bool there = [] {  // without IA32 emulation the instruction faults
    constexpr int kGetpid = 20;
    const pid_t child = fork();
    if (child == 0) _exit(enter(kGetpid, {}) == getpid() ? 0 : 1);
    int status = -1;
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
  }();
  return there;
}

bool fits_narrow_entry(long nr, const Arguments& arguments) {
  const Narrow* narrow = find(nr);
  if (narrow == nullptr || !has_narrow_entry()) return false;
  for (size_t i = 0; i < arguments.size(); ++i) {
    if ((narrow->pointers >> i & 1) != 0 && arguments[i] >> 32 != 0) return false;
  }
  return true;
}

long call_narrowly(long nr, const Arguments& arguments) {
  const long result = enter(find(nr)->i386, arguments);
  if (result >= 0 || result < -4095) return result;
  errno = static_cast<int>(-result);
  return -1;
}

#else

bool has_narrow_entry() { return false; }
bool fits_narrow_entry(long, const Arguments&) { return false; }
long call_narrowly(long, const Arguments&) { return -1; }

#endif

}  // namespace names_fuzz
