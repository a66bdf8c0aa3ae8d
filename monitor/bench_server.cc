#include "monitor/bench_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <string>

#include "arch/unique_fd.h"
#include "monitor/clock.h"

namespace callgate {
namespace {

constexpr const char* kFile = "served";
constexpr size_t kBody = 1024;
constexpr int kConnections = 8;  // the client's, at a time
constexpr std::string_view kEnd = "\r\n\r\n";

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

const std::string& header() {
  static const std::string text =
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " + std::to_string(kBody) +
      std::string(kEnd);
  return text;
}

bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

// The body as a file server finds it: opened, read and closed for each request.
std::string read_body() {
  std::string body(kBody, '\0');
  UniqueFd file(::open(kFile, O_RDONLY | O_CLOEXEC));
  if (!file.valid() || ::read(file.get(), body.data(), body.size()) != ssize_t{kBody}) return {};
  return body;
}

// One request, of which the client sends no more before it is answered. False: close.
bool answer(int connection) {
  static const std::string kept_body(kBody, 'x');
  std::array<char, 4096> bytes{};
  size_t length = 0;
  std::string_view request;
  do {
    const ssize_t n = ::recv(connection, bytes.data() + length, bytes.size() - length, 0);
    if (n <= 0) return false;
    length += static_cast<size_t>(n);
    request = std::string_view(bytes.data(), length);
  } while (!request.ends_with(kEnd) && length < bytes.size());
  const std::string body = request.starts_with("GET /file ") ? read_body() : kept_body;
  if (!send_all(connection, header() + body)) return false;
  return request.find("Connection: close") == std::string_view::npos;
}

void watch(int poller, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
}

Result<UniqueFd> open_connection(int port) {
  UniqueFd connection(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback(port);
  if (!connection.valid() ||
      ::connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
          0) {
    return last_error();
  }
  const int on = 1;
  setsockopt(connection.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return connection;
}

bool read_answer(int connection) {
  std::array<char, 4096> bytes{};
  size_t missing = header().size() + kBody;
  while (missing > 0) {
    const ssize_t n = ::recv(connection, bytes.data(), bytes.size(), 0);
    if (n <= 0 || static_cast<size_t>(n) > missing) return false;
    missing -= static_cast<size_t>(n);
  }
  return true;
}

}  // namespace

Status serve_http() {
  UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (!listener.valid() || ::bind(listener.get(), generic, size) != 0 ||
      ::listen(listener.get(), SOMAXCONN) != 0 ||
      ::getsockname(listener.get(), generic, &size) != 0) {
    return last_error();
  }
  UniqueFd file(::open(kFile, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  const std::string body(kBody, 'f');
  if (!file.valid() || ::write(file.get(), body.data(), body.size()) != ssize_t{kBody}) {
    return last_error();
  }
  UniqueFd poller(epoll_create1(EPOLL_CLOEXEC));
  watch(poller.get(), listener.get());
  watch(poller.get(), STDIN_FILENO);
  const std::string port = std::to_string(ntohs(address.sin_port)) + "\n";
  if (::write(STDOUT_FILENO, port.data(), port.size()) < 0) return last_error();
  for (;;) {
    std::array<epoll_event, 64> events{};
    const int ready = epoll_wait(poller.get(), events.data(), events.size(), -1);
    for (int i = 0; i < ready; ++i) {
      const int fd = events[static_cast<size_t>(i)].data.fd;
      if (fd == STDIN_FILENO) return Unit{};
      if (fd == listener.get()) {
        const int connection = ::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC);
        if (connection >= 0) watch(poller.get(), connection);
      } else if (!answer(fd)) {
        ::close(fd);
      }
    }
  }
}

Result<double> ask_http(int port, std::string_view kind, int milliseconds) {
  const bool keeps = kind != "new";
  const std::string request = std::string("GET /") + (kind == "file" ? "file" : "") +
                              " HTTP/1.1\r\nHost: bench\r\n" +
                              (keeps ? "" : "Connection: close\r\n") + "\r\n";
  std::array<UniqueFd, kConnections> connections;
  int64_t answered = 0;
  const int64_t start = clock_ns(CLOCK_MONOTONIC);
  int64_t elapsed = 0;
  while (elapsed < milliseconds * int64_t{1'000'000}) {
    for (UniqueFd& connection : connections) {
      if (!connection.valid()) {
        CALLGATE_TRY(connection, open_connection(port));
      }
      if (!send_all(connection.get(), request)) return Error{EPIPE};
    }
    for (UniqueFd& connection : connections) {
      if (!read_answer(connection.get())) return Error{EPROTO};
      if (!keeps) connection.reset();
    }
    answered += kConnections;
    elapsed = clock_ns(CLOCK_MONOTONIC) - start;
  }
  return static_cast<double>(answered) * 1e9 / static_cast<double>(elapsed);
}

}  // namespace callgate
