#include "monitor/record_writer.h"

#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <csignal>
#include <ctime>

namespace callgate {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

bool raises_sigpipe(int fd) {
  struct stat info {};
  return fstat(fd, &info) != 0 || S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode);
}

// write(2) without its SIGPIPE, whatever the disposition of that signal is.
ssize_t write_unsignalled(int fd, std::string_view bytes) {
  if (!raises_sigpipe(fd)) return ::write(fd, bytes.data(), bytes.size());
  sigset_t pipe_only;
  sigset_t pending;
  sigset_t before;
  sigemptyset(&pipe_only);
  sigaddset(&pipe_only, SIGPIPE);
  sigemptyset(&pending);
  sigpending(&pending);
  pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
  const ssize_t written = ::write(fd, bytes.data(), bytes.size());
  const int error = errno;
  if (written < 0 && error == EPIPE && sigismember(&pending, SIGPIPE) == 0) {
    const timespec now{};
    while (sigtimedwait(&pipe_only, nullptr, &now) < 0 && errno == EINTR) {
    }
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return written;
}

// Waits until the descriptor takes bytes. A pipe with one free page reports POLLOUT, so a write
// of up to PIPE_BUF then does not block (fs/pipe.c, pipe_poll).
Status wait_writable(int fd, Clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now()).count();
    pollfd wanted{fd, POLLOUT, 0};
    const int ready = poll(&wanted, 1, static_cast<int>(std::clamp<int64_t>(left, 0, INT_MAX)));
    if (ready > 0) return Unit{};  // POLLERR and POLLHUP too: the write says which error it is
    if (ready == 0) return Error{ETIMEDOUT};
    if (errno != EINTR) return last_error();
  }
}

}  // namespace

bool write_record(int fd, std::string_view record, milliseconds patience) {
  const Clock::time_point deadline = Clock::now() + patience;
  for (;;) {
    if (!wait_writable(fd, deadline).ok()) return false;
    const ssize_t written = write_unsignalled(fd, record);
    if (written >= 0) return static_cast<size_t>(written) == record.size();
    if (errno != EINTR && errno != EAGAIN) return false;
    if (Clock::now() >= deadline) return false;
  }
}

Status write_all(int fd, std::string_view bytes, milliseconds patience) {
  Clock::time_point deadline = Clock::now() + patience;
  while (!bytes.empty()) {
    CALLGATE_TRY([[maybe_unused]] Unit ready, wait_writable(fd, deadline));
    const size_t piece = raises_sigpipe(fd) ? size_t{PIPE_BUF} : bytes.size();
    const ssize_t written = write_unsignalled(fd, bytes.substr(0, piece));
    if (written < 0) {
      if (errno != EINTR && errno != EAGAIN) return last_error();
      if (Clock::now() >= deadline) return Error{ETIMEDOUT};
      continue;
    }
    bytes.remove_prefix(static_cast<size_t>(written));
    deadline = Clock::now() + patience;
  }
  return Unit{};
}

}  // namespace callgate
