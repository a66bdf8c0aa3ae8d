// attack: mirror-before-exit
// class: state
// severity: high
// models: naive
// trap: Enter a call that would change what a number or a relative name means, and let it fail: dup3
//   with a bad flag, dup2 past the descriptor limit, close of a number that is not open, chdir to a
//   name below a file, a rename into itself and one to another file system, a connect that is granted
//   and cannot be. Then use the old object.
// naive: Updates its tables when the call is entered. It now believes the UDP socket to be TCP, the
//   working directory to be $T, and another socket to have a peer.
// kernel: A failed call changes nothing; the result is known only at the exit stop.
// sealed: The mirror learns from results, at exit stops, and the verdict asks the kernel what the
//   number refers to now.
// source: Garfinkel, NDSS 2003, "incorrectly mirroring OS state"
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network allow tcp bind *:$PORT
//   network allow udp send 127.0.0.1:$OK_UDP
//   network allow udp create
//   network allow udp connect 255.255.255.255:9
// report: udp bind
// report: :$PORT
// report: $S/key
// report: 127.0.0.1:$UDP
#include "tests/support/attack.h"

namespace attack {
namespace {

int fail_then_bind(int kind, int other) {
  const int x = socket_of(kind);
  const int y = socket_of(other);
  must(::syscall(SYS_dup3, y, x, 0x40000000) == -1, "dup3 with an unknown flag");
  must(::dup2(y, 1 << 30) == -1, "dup2 past the limit");
  must(::dup3(y, y, 0) == -1, "dup3 onto itself");
  must(::close(-1) == -1, "close of nothing");
  const int error = bind_error(x, "0.0.0.0");
  ::close(x);
  ::close(y);
  return error;
}

// Stands in `directory`; then makes calls that would leave it or take it away, and fail.
void stay_in(const std::string& directory) {
  must(::chdir(directory.c_str()) == 0, "chdir");
  must(::chdir(work("ok.dat/..").c_str()) == -1, "chdir below a file");
  must(::chdir(work("none").c_str()) == -1, "chdir to nothing");
  const std::string above = work("");
  must(::rename(above.c_str(), work("below").c_str()) == -1, "rename of a directory into itself");
  must(::rename(directory.c_str(), "/proc/elsewhere") == -1, "rename to another file system");
}

// Sends to `port` from a socket that a failed connect left without a peer; 0 or errno.
int fail_then_send(int port) {
  const int s = socket_of(SOCK_DGRAM);
  sockaddr_in everyone = v4("255.255.255.255", 9);
  must(::connect(s, as_sockaddr(everyone), sizeof everyone) == -1,
       "a broadcast that was not asked for (socket(7), SO_BROADCAST)");
  sockaddr_in to = v4("127.0.0.1", port);
  const int error = ::sendto(s, "x", 1, 0, as_sockaddr(to), sizeof to) == 1 ? 0 : errno;
  ::close(s);
  return error;
}

}  // namespace

void strike() {
  if (way("directory")) {
    stay_in(secret(""));
    take("key");
  }
  if (way("connect")) {
    errno = fail_then_send(number("ATTACK_UDP"));
    if (errno == 0) prey_taken("sent");
  }
  if (way("descriptor")) {
    errno = fail_then_bind(SOCK_DGRAM, SOCK_STREAM);
    if (errno == 0) prey_taken("UDP bound");
  }
  held("the old objects");
}

void twin() {
  must(::mkdir(work("here").c_str(), 0755) == 0, "mkdir");
  spill(work("here/file"), "content");
  stay_in(work("here"));
  must(reads("file", "content"), "the directory is still the old one");
  errno = fail_then_bind(SOCK_STREAM, SOCK_DGRAM);
  must(errno == 0, "bind of a TCP socket");
  errno = fail_then_send(number("ATTACK_OK_UDP"));
  must(errno == 0, "send to who is allowed");
  twin_ok();
}

}  // namespace attack
