// attack: unseen-fd-sources
// class: state
// severity: critical
// trap: A descriptor need not come from open or socket. A helper outside the sandbox, whose socket
//   the policy allows, sends a directory descriptor of $S as SCM_RIGHTS; openat(it, "key").
// naive: The number is not in its table. Unknown means allowed, or a crash.
// kernel: recvmsg installs whatever the sender passed (unix(7)); openat starts the walk there.
// sealed: Every number is unknown until it is used. The walk begins at /proc/<tid>/fd/<n>, whose
//   name the kernel tells, and the name that results is judged.
// source: Garfinkel, NDSS 2003; pidfd_getfd(2); phylum-dev/birdcage#32
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network allow unix connect $T/giver.sock
// report: $S/key
#include "tests/support/attack.h"

namespace attack {
namespace {

int receive_directory() {
  int s = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = un(work("giver.sock"));
  if (::connect(s, as_sockaddr(address), sizeof address) != 0) return -1;
  char byte = 0;
  iovec vector{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (::recvmsg(s, &message, 0) != 1) return -1;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr) return -1;
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return fd;
}

}  // namespace

void strike() {
  int directory = receive_directory();
  must(directory >= 0, "the allowed helper gave a descriptor");
  take(::openat(directory, "key", O_RDONLY));
  if (::fchdir(directory) == 0) take("key");
  held("openat from a received descriptor");
}

// The same among ourselves: a directory of $T passed over a socketpair.
void twin() {
  int pair[2];
  must(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
  pid_t child = spawn([&] {
    int directory = ::open(work("").c_str(), O_RDONLY | O_DIRECTORY);
    char byte = 'x';
    iovec vector{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &directory, sizeof directory);
    must(::sendmsg(pair[0], &message, 0) == 1, "sendmsg");
  });
  char byte = 0;
  iovec vector{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  must(::recvmsg(pair[1], &message, 0) == 1, "recvmsg");
  int directory = -1;
  std::memcpy(&directory, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof directory);
  must(reap(child) == 0, "sender");
  int fd = ::openat(directory, "ok.dat", O_RDONLY);
  must(fd >= 0 && read_all(fd) == "harmless\n", "openat(received, ok.dat)");
  twin_ok();
}

}  // namespace attack
