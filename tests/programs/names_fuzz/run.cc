// Execution, and sockets by name.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

#include "tests/programs/names_fuzz/call.h"
#include "tests/programs/names_fuzz/calls.h"
#include "tests/programs/names_fuzz/text.h"

namespace names_fuzz {
namespace {

// What cannot be read cannot be watched either: that refusal is callgate's own. So for a program,
// its interpreter, and that one's.
bool is_unreadable(const Target& t) {
  if (!t.name.readable) return false;
  const auto here = static_cast<uint64_t>(AT_FDCWD);
  auto directory = static_cast<uint64_t>(t.dirfd);
  std::string path = t.name.text;
  if (path.empty()) path = "/proc/self/fd/" + std::to_string(t.dirfd);
  for (int level = 0; level < 6; ++level) {
    constexpr uint64_t kEffective = 0x200;  // AT_EACCESS
    if (call(SYS_faccessat2, directory, at(path.c_str()), R_OK, kEffective) != 0) {
      return errno == EACCES;
    }
    const auto fd = static_cast<int>(
        call(SYS_openat, directory, at(path.c_str()), uint64_t{O_RDONLY | O_NONBLOCK | O_CLOEXEC}));
    char begins[256] = {};
    const bool script =
        fd >= 0 && read(fd, begins, sizeof begins - 1) > 2 && begins[0] == '#' && begins[1] == '!';
    close(fd);
    if (!script) return false;
    path = strtok(begins + 2, " \t\n");
    directory = here;
  }
  return false;
}

long send_to(const std::string& how, int fd, sockaddr_un& address, socklen_t length) {
  iovec piece{const_cast<char*>("x"), 1};
  mmsghdr messages[2] = {};
  for (mmsghdr& message : messages) {
    message.msg_hdr.msg_name = &address;
    message.msg_hdr.msg_namelen = length;
    message.msg_hdr.msg_iov = &piece;
    message.msg_hdr.msg_iovlen = 1;
  }
  const auto socket = static_cast<uint64_t>(fd);
  if (how == "sendmsg") return call(SYS_sendmsg, socket, at(&messages[0].msg_hdr), MSG_NOSIGNAL);
  if (how == "sendmmsg") return call(SYS_sendmmsg, socket, at(messages), 2, MSG_NOSIGNAL);
  return sendto(fd, "x", 1, MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), length);
}

}  // namespace

// The errno of a failed call, or how the program ended: it tells its arguments by its status.
void call_execute() {
  const bool by_descriptor = generator.percent(40);
  const Target t = target(0, by_descriptor);
  if (!t.safe) return look(t);
  const uint64_t flags = by_descriptor && generator.percent(40) ? at_flags() : 0;
  log_flags(by_descriptor ? "execveat" : "execve", flags);
  const uint64_t fd = as_register(t.dirfd);
  if (is_unreadable(t)) {
    say(" unreadable");
    return;
  }
  int pipes[2];
  if (pipe2(pipes, O_CLOEXEC) != 0) return;
  const pid_t child = fork();
  if (child == 0) {
    char* argv[] = {const_cast<char*>("name"), const_cast<char*>(kExecuted), nullptr};
    char* envp[] = {nullptr};
    if (by_descriptor) {
      call(SYS_execveat, fd, t.name.address, at(argv), at(envp), flags);
    } else {
      call(SYS_execve, t.name.address, at(argv), at(envp));
    }
    const int error = errno;
    static_cast<void>(!write(pipes[1], &error, sizeof error));
    _exit(0);
  }
  close(pipes[1]);
  int error = 0;
  if (read(pipes[0], &error, sizeof error) == sizeof error) {
    say(std::string(" = ") + strerrorname_np(error));
  } else {
    say(" = runs");
  }
  close(pipes[0]);
  int status = 0;
  waitpid(child, &status, 0);
  log_flags("status", static_cast<uint64_t>(status));
}

void call_socket() {
  static int bound[2] = {-1, -1};  // somebody to call upon, at whatever name is left to it
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string path = some_path().substr(0, sizeof address.sun_path - 1);
  if (path.empty()) path = some_name().substr(0, 60);
  memcpy(address.sun_path, path.c_str(), path.size());
  const auto length =
      offsetof(sockaddr_un, sun_path) + path.size() + (generator.percent(50) ? 1 : 0);
  static const char* kinds[] = {"bind",    "bind",   "bind",    "connect",
                                "connect", "sendto", "sendmsg", "sendmmsg"};
  const std::string kind = generator.of(kinds);
  const bool binds = kind == "bind";
  const bool sends = kind.starts_with("send");
  const int type = generator.percent(sends ? 15 : 60) ? SOCK_STREAM : SOCK_DGRAM;
  say(shown(path) + " " + kind + (type == SOCK_STREAM ? " stream" : " datagram"));
  if (!contained(AT_FDCWD, path)) {
    say(" outside");
    return;
  }
  const int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return;
  if (sends) {
    answer(send_to(kind, fd, address, static_cast<socklen_t>(length)));
    close(fd);
    return;
  }
  const long done =
      answer(call(binds ? SYS_bind : SYS_connect, static_cast<uint64_t>(fd), at(&address), length));
  sockaddr_un name{};
  socklen_t size = sizeof name;
  const int named = binds ? getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size)
                          : getpeername(fd, reinterpret_cast<sockaddr*>(&name), &size);
  if (named == 0 && size >= offsetof(sockaddr_un, sun_path)) {
    say(" " + shown(std::string(name.sun_path, size - offsetof(sockaddr_un, sun_path))));
  }
  if (done == 0 && binds && (type == SOCK_DGRAM || listen(fd, 50) == 0)) {
    int& other = bound[type == SOCK_DGRAM ? 1 : 0];
    if (other >= 0) close(other);
    other = fd;
    return;
  }
  close(fd);
}

}  // namespace names_fuzz
