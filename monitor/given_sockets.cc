#include "monitor/given_sockets.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>

namespace callgate {
namespace {

// A unix socket can be sent others; any that listens can be accepted from.
bool leads_to_accept(int fd) {
  int domain = 0;
  socklen_t size = sizeof domain;
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0) {
    return errno != ENOTSOCK && errno != EBADF;
  }
  int listens = 0;
  size = sizeof listens;
  return domain == AF_UNIX || getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 ||
         listens != 0;
}

bool gives_sockets(const SessionOptions& options) {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (leads_to_accept(fd)) return true;
  }
  if (!options.inherit_descriptors) return false;
  const std::unique_ptr<DIR, int (*)(DIR*)> all(opendir("/proc/self/fd"), closedir);
  if (all == nullptr) return true;
  while (const dirent* entry = readdir(all.get())) {
    const int fd = std::atoi(entry->d_name);  // "." and "..": 0, which was looked at
    if ((fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0 && leads_to_accept(fd)) return true;
  }
  return false;
}

}  // namespace

bool accept_matters(const SessionOptions& options, const Policy& policy) {
  // In an audit nothing is refused, so any socket may come to listen.
  return policy.judges_accept(!options.enforce || gives_sockets(options));
}

}  // namespace callgate
