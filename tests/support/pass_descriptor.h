// A descriptor that travels in a message (SCM_RIGHTS, unix(7)).
#pragma once

#include "tests/support/attack.h"

namespace attack {

class RightsMessage {
 public:
  RightsMessage() {
    message_.msg_iov = &vector_;
    message_.msg_iovlen = 1;
    message_.msg_control = control_;
    message_.msg_controllen = sizeof control_;
  }
  RightsMessage(const RightsMessage&) = delete;
  RightsMessage& operator=(const RightsMessage&) = delete;
  msghdr* get() { return &message_; }

 private:
  char byte_ = 'x';
  iovec vector_{&byte_, 1};
  alignas(cmsghdr) char control_[CMSG_SPACE(sizeof(int))]{};
  msghdr message_{};
};

inline bool send_descriptor(int socket, int fd) {
  RightsMessage message;
  cmsghdr* header = CMSG_FIRSTHDR(message.get());
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  return ::sendmsg(socket, message.get(), 0) == 1;
}

// -1: nothing came.
inline int descriptor_in(const msghdr* message) {
  const cmsghdr* header = CMSG_FIRSTHDR(message);
  if (header == nullptr) return -1;
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return fd;
}
inline int receive_descriptor(int socket) {
  RightsMessage message;
  if (::recvmsg(socket, message.get(), 0) != 1) return -1;
  return descriptor_in(message.get());
}
inline int receive_descriptor_by_mmsg(int socket) {
  RightsMessage message;
  mmsghdr several{};
  several.msg_hdr = *message.get();
  if (::recvmmsg(socket, &several, 1, 0, nullptr) != 1) return -1;
  return descriptor_in(&several.msg_hdr);
}

}  // namespace attack
