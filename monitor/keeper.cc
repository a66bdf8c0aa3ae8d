#include "monitor/keeper.h"

#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

namespace callgate {
namespace {

// Async-signal-safe: only system calls, in the fresh copy of the monitor's memory.
[[noreturn]] void keep(uid_t uid, gid_t gid, pid_t monitor) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  if (syscall(SYS_geteuid) == 0) syscall(SYS_setgroups, 0, nullptr);
  bool ok =
      syscall(SYS_setresgid, gid, gid, gid) == 0 && syscall(SYS_setresuid, uid, uid, uid) == 0;
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};  // NOLINT: the kernel's interface
  ok = ok && syscall(SYS_capset, &header, none) == 0;
  // Both are cleared by a change of user, so they come last.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_DUMPABLE, 1);
  prctl(PR_SET_NAME, "callgate-keeper");
  if (!ok || getppid() != monitor) _exit(1);
  // Being stopped says that all of the above is done; it never needs to run again.
  for (;;) kill(getpid(), SIGSTOP);
}

}  // namespace

Keepers::~Keepers() {
  while (!keepers_.empty()) retire_one();
}

void Keepers::retire_one() {
  const auto oldest = std::min_element(
      keepers_.begin(), keepers_.end(),
      [](const auto& a, const auto& b) { return a.second.needed < b.second.needed; });
  kill(oldest->second.pid, SIGKILL);
  waitpid(oldest->second.pid, nullptr, __WALL);
  keepers_.erase(oldest);
}

Result<std::string> Keepers::path_to(int fd, const Credentials& credentials) {
  const std::pair ids(credentials.fsuid, credentials.fsgid);
  auto found = keepers_.find(ids);
  if (found == keepers_.end()) {
    constexpr size_t kMost = 64;  // a root run's program may become many users, one after the other
    if (keepers_.size() >= kMost) retire_one();
    const pid_t monitor = getpid();
    const long pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
    if (pid < 0) return last_error();
    if (pid == 0) keep(ids.first, ids.second, monitor);
    // Until it has changed its user and become dumpable the tracee could not pass through it.
    int status = 0;
    pid_t waited = -1;
    do {
      waited = waitpid(static_cast<pid_t>(pid), &status, __WALL | WUNTRACED);
    } while (waited < 0 && errno == EINTR);
    if (waited != pid || !WIFSTOPPED(status)) return Error{EPERM};
    found = keepers_.emplace(ids, Keeper{static_cast<pid_t>(pid), 0}).first;
  }
  found->second.needed = ++uses_;
  return "/proc/" + std::to_string(found->second.pid) + "/fd/" + std::to_string(fd);
}

bool Keepers::is_keeper(pid_t pid) const {
  return std::any_of(keepers_.begin(), keepers_.end(),
                     [pid](const auto& entry) { return entry.second.pid == pid; });
}

void Keepers::forget(pid_t pid) {
  std::erase_if(keepers_, [pid](const auto& entry) { return entry.second.pid == pid; });
}

}  // namespace callgate
