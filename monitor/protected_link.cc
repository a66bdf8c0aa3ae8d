#include "monitor/protected_link.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "monitor/proc_files.h"

namespace callgate {

// fs.protected_symlinks as may_follow_link() in fs/namei.c applies it.
bool link_is_protected(int directory, const struct stat& link) {
  static const bool enabled = [] {
    auto text = read_whole_file("/proc/sys/fs/protected_symlinks");
    return text.ok() && !text->empty() && (*text)[0] == '1';
  }();
  if (!enabled) return false;
  struct stat st {};
  if (::fstat(directory, &st) != 0) return true;
  constexpr mode_t kSharedSticky = S_ISVTX | S_IWOTH;
  if ((st.st_mode & kSharedSticky) != kSharedSticky) return false;
  const auto fsuid = static_cast<uid_t>(syscall(SYS_setfsuid, -1));
  return link.st_uid != fsuid && link.st_uid != st.st_uid;
}

}  // namespace callgate
