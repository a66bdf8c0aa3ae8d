// What a socket was made as: told by socket(2), and by the kernel alone when asked in time.
#pragma once

namespace callgate {

struct SocketFacts {
  int domain = -1;
  int type = -1;  // without SOCK_NONBLOCK and SOCK_CLOEXEC
  int protocol = 0;
  bool bound = false;  // a bind succeeded; decides what listen means
};

}  // namespace callgate
