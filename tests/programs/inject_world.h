// The world of a sweep: what a victim may touch, what it must not, and how to tell that it did. It
// owns the listeners; the tree is there already (tests/e2e/injection_test.py).
#pragma once

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/programs/inject.h"
#include "tests/programs/inject_step.h"

namespace inject {

// What must not be touched, and what may.
class World {
 public:
  explicit World(std::string tree) : tree_(std::move(tree)) {
    shared = map_shared(at("t/shared"), true);
    Arguments& good = shared->good;
    Arguments& bad = shared->bad;
    set(good.file, "t/me");
    set(bad.file, "s/key");
    set(good.inner, "t/dir/inner");
    set(bad.inner, "s/key");
    set(good.directory, "t/dir");
    set(bad.directory, "s");
    set(good.program, "t/program");
    set(bad.program, "s/program");
    bad.how.flags = O_WRONLY | O_CREAT | O_TRUNC;
    bad.how.mode = 0600;
    good.server = unix_address("t/server");
    bad.server = unix_address("s/server");
    good.own = unix_address("t/dir/own");
    bad.own = unix_address("s/own");
    listen_unix(good.server, false);
    listen_unix(bad.server, true);
    good.tcp = listen_inet(SOCK_STREAM, false);
    bad.tcp = listen_inet(SOCK_STREAM, true);
    good.udp = listen_inet(SOCK_DGRAM, false);
    bad.udp = listen_inet(SOCK_DGRAM, true);
    write_policy();
    print_ = print();
  }

  Shared* shared = nullptr;

  [[nodiscard]] std::string at(std::string_view leaf) const {
    return tree_ + "/" + std::string(leaf);
  }

  // The allowed names are links into the secret tree, or are themselves again.
  void swap() {
    swapped_ = !swapped_;
    constexpr unsigned kExchange = 2;
    for (const char* leaf : {"me", "dir", "program", "server"}) {
      const std::string name = at(std::string("t/") + leaf);
      const std::string link = at(std::string("t/link-") + leaf);
      if (::syscall(SYS_renameat2, AT_FDCWD, name.c_str(), AT_FDCWD, link.c_str(), kExchange) !=
          0) {
        fatal("renameat2 " + link);
      }
    }
  }
  void restore() {
    if (swapped_) swap();
  }

  // Empty when nothing forbidden has been done.
  std::string damage() {
    for (const Listener& listener : listeners_) {
      while (take(listener)) {
        if (listener.forbidden) return "contact at a forbidden socket";
      }
    }
    if (shared->breaches.load() > 0) return "a denied call was carried out";
    return print() == print_ ? "" : "the secret tree changed";
  }

 private:
  void write_policy() const {
    std::ofstream policy(at("policy"));
    const auto port = [](const sockaddr_in& address) {
      return "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    };
    policy << "path allow " << at("t/**") << "\n"
           << "path allow execute " << at("t/program") << " " << at("t/victim") << "\n"
           << "network allow unix connect " << at("t/server") << "\n"
           << "network allow unix bind " << at("t/dir/own") << "\n"
           << "network allow tcp connect " << port(shared->good.tcp) << "\n"
           << "network allow udp send " << port(shared->good.udp) << "\n";
    if (!policy.flush()) fatal("the policy");
  }

  struct Listener {
    int fd;
    bool stream;
    bool forbidden;
  };

  void set(char (&to)[256], std::string_view leaf) const {
    std::snprintf(to, sizeof to, "%s", at(leaf).c_str());
  }
  [[nodiscard]] sockaddr_un unix_address(std::string_view leaf) const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path, sizeof address.sun_path, "%s", at(leaf).c_str());
    return address;
  }
  void add(int fd, int type, bool forbidden) {
    if (type == SOCK_STREAM && ::listen(fd, 1024) != 0) fatal("listen");
    listeners_.push_back({fd, type == SOCK_STREAM, forbidden});
  }
  void listen_unix(const sockaddr_un& address, bool forbidden) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ::unlink(address.sun_path);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fatal("bind");
    add(fd, SOCK_STREAM, forbidden);
  }
  sockaddr_in listen_inet(int type, bool forbidden) {
    const int fd = ::socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fatal("bind");
    socklen_t length = sizeof address;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
    add(fd, type, forbidden);
    return address;
  }
  static bool take(const Listener& listener) {
    char byte = 0;
    if (!listener.stream) return ::recv(listener.fd, &byte, 1, 0) >= 0;
    const int peer = ::accept(listener.fd, nullptr, nullptr);
    if (peer >= 0) ::close(peer);
    return peer >= 0;
  }
  [[nodiscard]] std::string print() const {
    std::string out;
    for (const char* leaf : {"s", "s/key", "s/program", "s/inner"}) {
      struct stat st {};
      if (::stat(at(leaf).c_str(), &st) != 0) return "gone";
      out += std::to_string(st.st_ctim.tv_sec) + "." + std::to_string(st.st_ctim.tv_nsec) + "," +
             std::to_string(st.st_mtim.tv_nsec) + "," + std::to_string(st.st_nlink) + " ";
    }
    return out;
  }

  std::string tree_;
  std::vector<Listener> listeners_;
  std::string print_;
  bool swapped_ = false;
};

}  // namespace inject
