#include "monitor/lab_namespace.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "arch/unique_fd.h"

namespace callgate {
namespace {

bool write_to(const char* path, const std::string& text) {
  const UniqueFd fd(open(path, O_WRONLY | O_CLOEXEC));
  return fd.valid() &&
         ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

// Root within is the user without: whoever makes a user namespace may say that and no more.
bool map_user(uid_t user, gid_t group) {
  return write_to("/proc/self/setgroups", "deny") &&
         write_to("/proc/self/uid_map", "0 " + std::to_string(user) + " 1") &&
         write_to("/proc/self/gid_map", "0 " + std::to_string(group) + " 1");
}

[[noreturn]] void end_as(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

std::string failure(const char* what) {
  return std::string("no namespace to be had: ") + what + ": " + std::strerror(errno);
}

}  // namespace

bool user_namespaces_are_to_be_had() {
  const pid_t child = fork();
  if (child == 0) _exit(unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 ? 0 : 1);
  int status = 1;
  while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return child > 0 && status == 0;
}

std::string enter_lab_namespaces(LabNamespaces wanted) {
  const uid_t user = geteuid();
  const gid_t group = getegid();
  const int flags =
      (user != 0 ? CLONE_NEWUSER : 0) | CLONE_NEWNS | (wanted.pids ? CLONE_NEWPID : 0);
  if (unshare(flags) != 0) return failure("unshare");
  if (user != 0 && !map_user(user, group)) return failure("user map");
  // What is mounted within must not show outside.
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return failure("mount");
  if (!wanted.pids) return {};
  const pid_t first = fork();
  if (first < 0) return failure("fork");
  if (first > 0) end_as(first);
  // The end of who stays behind is the end of them all.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) {
    return failure("/proc");
  }
  return {};
}

}  // namespace callgate
