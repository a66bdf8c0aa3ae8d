// Another kind of monitor in miniature (seccomp_unotify(2)), for the attacks on its mistakes: they
// build it bare, and show that callgate lets nobody build one inside.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>

#include "tests/support/attack.h"

namespace attack {

// Has every call `nr` of this thread wait for whoever reads the listener that is returned; -1 where
// no filter may be added. It outranks SECCOMP_RET_TRACE.
inline int listen_to(long nr) {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(nr), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program{4, code};
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  return static_cast<int>(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                                    SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
}

// A call that waits for its answer.
class Notification {
 public:
  explicit Notification(int listener) : listener_(listener) {
    valid_ = ::ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request_) == 0;
  }
  [[nodiscard]] bool valid() const { return valid_; }
  // Whether it still waits: what such monitors take for a protection.
  [[nodiscard]] bool still_there() const {
    return ::ioctl(listener_, SECCOMP_IOCTL_NOTIF_ID_VALID, &request_.id) == 0;
  }
  // The string that an argument points to, now.
  [[nodiscard]] std::string text(int argument) const {
    const std::string file = "/proc/" + std::to_string(request_.pid) + "/mem";
    const int memory = ::open(file.c_str(), O_RDONLY);
    char buffer[4096]{};
    const auto at = static_cast<off_t>(request_.data.args[argument]);
    const ssize_t n = ::pread(memory, buffer, sizeof buffer - 1, at);
    ::close(memory);
    return n > 0 ? std::string(buffer) : std::string();
  }
  // Puts `fd` into the caller's table; its number there, or -1.
  [[nodiscard]] int install(int fd) const {
    seccomp_notif_addfd added{};
    added.id = request_.id;
    added.srcfd = static_cast<uint32_t>(fd);
    return ::ioctl(listener_, SECCOMP_IOCTL_NOTIF_ADDFD, &added);
  }
  void let_run() const { send(0, SECCOMP_USER_NOTIF_FLAG_CONTINUE); }
  void answer(int result) const { send(result, 0); }

 private:
  void send(int result, uint32_t flags) const {
    seccomp_notif_resp response{};
    response.id = request_.id;
    response.flags = flags;
    (result < 0 ? static_cast<void>(response.error = result)
                : static_cast<void>(response.val = result));
    ::ioctl(listener_, SECCOMP_IOCTL_NOTIF_SEND, &response);
  }
  int listener_;
  bool valid_ = false;
  seccomp_notif request_{};
};

}  // namespace attack
