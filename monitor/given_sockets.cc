#include "monitor/given_sockets.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>

namespace callgate {
namespace {

// Of whatever kind: others can be sent over it, or somebody outside who has it too lets it listen.
bool may_be_socket(int fd) {
  struct stat info {};
  return fstat(fd, &info) == 0 ? S_ISSOCK(info.st_mode) : errno != EBADF;
}

bool gives_sockets(const SessionOptions& options) {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (may_be_socket(fd)) return true;
  }
  if (!options.inherit_descriptors) return false;
  const std::unique_ptr<DIR, int (*)(DIR*)> all(opendir("/proc/self/fd"), closedir);
  if (all == nullptr) return true;
  while (const dirent* entry = readdir(all.get())) {
    const int fd = std::atoi(entry->d_name);  // "." and "..": 0, which was looked at
    if ((fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0 && may_be_socket(fd)) return true;
  }
  return false;
}

}  // namespace

bool accept_matters(const SessionOptions& options, const Policy& policy) {
  // In an audit nothing is refused, so any socket may come to listen.
  return policy.judges_accept(!options.enforce || gives_sockets(options));
}

}  // namespace callgate
