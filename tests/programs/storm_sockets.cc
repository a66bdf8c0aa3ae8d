// Names of sockets that change without pause, against connect, send and bind: a link that leads now
// to one listener, now to another, and a directory that is now itself, now a link to $S.
#include <poll.h>

#include "tests/programs/storm.h"

namespace {

using namespace storm;

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  must(path.size() < sizeof address.sun_path, path);
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

class Socket {
 public:
  explicit Socket(int type) : fd_(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0)) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  bool connects(const std::string& path) const {
    const sockaddr_un address = address_of(path);
    return ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  bool binds(const std::string& path) const {
    const sockaddr_un address = address_of(path);
    return ::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  bool sends(const std::string& path) const {
    const sockaddr_un address = address_of(path);
    return ::sendto(fd_, "x", 1, MSG_DONTWAIT, reinterpret_cast<const sockaddr*>(&address),
                    sizeof address) == 1;
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

// Says what is harmless to one caller, or takes one datagram; comes back soon in any case.
void serve(int stream, int datagram) {
  pollfd waiting[] = {{stream, POLLIN, 0}, {datagram, POLLIN, 0}};
  if (::poll(waiting, 2, 50) <= 0) return;
  if ((waiting[0].revents & POLLIN) != 0) {
    const int peer = ::accept(stream, nullptr, nullptr);
    if (peer >= 0) {
      ::send(peer, kHarmless.data(), kHarmless.size(), MSG_NOSIGNAL);
      ::close(peer);
    }
  }
  char byte = 0;
  if ((waiting[1].revents & POLLIN) != 0) ::recv(datagram, &byte, 1, MSG_DONTWAIT);
}

bool calls(const char* leaf) {
  const Socket socket(SOCK_STREAM);
  if (!socket.connects(work(leaf))) return false;
  timeval patience{5, 0};  // its server may have been stopped
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return harmless(::dup(socket.get()), leaf);
}

}  // namespace

int main() {
  must(::mkdir(work("dir").c_str(), 0755) == 0, "dir");
  const Socket stream(SOCK_STREAM);
  const Socket datagram(SOCK_DGRAM);
  must(stream.binds(work("dir/broker.sock")) && ::listen(stream.get(), 64) == 0, "broker.sock");
  must(datagram.binds(work("dir/dgram.sock")), "dgram.sock");
  must(::symlink(work("dir.link/broker.sock").c_str(), work("way").c_str()) == 0, "way");
  must(::symlink(work("dir/broker.sock").c_str(), work("way.link").c_str()) == 0, "way.link");
  must(::symlink(secret("").c_str(), work("dir.link").c_str()) == 0, "dir.link");
  Storm storm;
  storm.weather([] { exchange(work("way"), work("way.link")); });
  storm.weather([] { exchange(work("dir"), work("dir.link")); }, 2);
  storm.weather([&] { serve(stream.get(), datagram.get()); });
  storm.traveller(
      "connect by link", [] { return calls("way"); }, 2);
  storm.traveller(
      "connect by directory", [] { return calls("dir/broker.sock"); }, 2);
  storm.traveller("send", [] {
    const Socket socket(SOCK_DGRAM);
    return socket.sends(work("dir/dgram.sock"));
  });
  storm.traveller("bind", [] {
    const std::string path = work("dir/bound");
    ::unlink(path.c_str());
    const Socket socket(SOCK_STREAM);
    return socket.binds(path);
  });
  return storm.last();
}
