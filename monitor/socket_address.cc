#include "monitor/socket_address.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "arch/unique_fd.h"
#include "monitor/proc_files.h"

namespace callgate {
namespace {

constexpr unsigned kPidfdThread = 0200;  // PIDFD_THREAD (O_EXCL), since 6.9

template <typename T>
T copy_as(std::span<const std::byte> bytes) {
  T value{};
  std::memcpy(&value, bytes.data(), std::min(sizeof value, bytes.size()));
  return value;
}

Endpoint from_v4(std::span<const std::byte> bytes) {
  const auto address = copy_as<sockaddr_in>(bytes);
  std::array<uint8_t, 4> octets{};
  std::memcpy(octets.data(), &address.sin_addr, octets.size());
  return Endpoint::v4(octets, ntohs(address.sin_port));
}

Endpoint from_v6(std::span<const std::byte> bytes) {
  const auto address = copy_as<sockaddr_in6>(bytes);
  std::array<uint8_t, 16> octets{};
  std::memcpy(octets.data(), &address.sin6_addr, octets.size());
  return Endpoint::v6(octets, ntohs(address.sin6_port), address.sin6_scope_id);
}

Endpoint from_unix(std::span<const std::byte> bytes) {
  Endpoint endpoint;
  const auto* text = reinterpret_cast<const char*>(bytes.data()) + offsetof(sockaddr_un, sun_path);
  const size_t size = bytes.size() - offsetof(sockaddr_un, sun_path);
  if (size == 0) {
    endpoint.kind = Endpoint::Kind::UnixUnnamed;
  } else if (text[0] == '\0') {
    endpoint.kind = Endpoint::Kind::UnixAbstract;
    endpoint.name.assign(text + 1, size - 1);
  } else {
    endpoint.kind = Endpoint::Kind::UnixPath;
    endpoint.name.assign(text, strnlen(text, size));
  }
  return endpoint;
}

Endpoint of_kind(Endpoint::Kind kind) {
  Endpoint endpoint;
  endpoint.kind = kind;
  return endpoint;
}

Result<Endpoint> read_ip(std::span<const std::byte> bytes, sa_family_t family) {
  constexpr size_t kV6Least = offsetof(sockaddr_in6, sin6_scope_id);  // SIN6_LEN_RFC2133
  switch (family) {
    case AF_INET:
      if (bytes.size() < sizeof(sockaddr_in)) return Error{EINVAL};
      return from_v4(bytes);
    case AF_INET6:
      if (bytes.size() < kV6Least) return Error{EINVAL};
      return from_v6(bytes);
    default:
      return of_kind(Endpoint::Kind::Other);
  }
}

// AF_UNSPEC on an IP socket. connect gives up the peer. Otherwise IPv4 sockets take it for AF_INET
// (inet_bind, udp_sendmsg, raw_sendmsg). A raw IPv6 socket takes it for AF_INET6 (rawv6_sendmsg).
// For UDP over IPv6 it means no address at all, but IPV6_ADDRFORM turns a connected IPv6 socket
// into an IPv4 one behind our back: so there, too, it is read as IPv4, unless it is too short for
// that.
Result<Endpoint> read_unspecified_ip(std::span<const std::byte> bytes, const SocketFacts& facts,
                                     NetOp op) {
  if (op == NetOp::Connect) return Endpoint{};
  if (facts.domain == AF_INET) return read_ip(bytes, AF_INET);
  const NetFamily family = net_family(facts);
  if (family != NetFamily::Udp && family != NetFamily::Tcp) return read_ip(bytes, AF_INET6);
  if (op == NetOp::Send && bytes.size() < sizeof(sockaddr_in)) return Endpoint{};
  return read_ip(bytes, AF_INET);
}

Result<UniqueFd> duplicate_of(pid_t tid, int fd) {
  UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, tid, kPidfdThread)));
  if (!process.valid()) process.reset(static_cast<int>(syscall(SYS_pidfd_open, tid, 0)));
  if (!process.valid()) return last_error();
  UniqueFd copy(static_cast<int>(syscall(SYS_pidfd_getfd, process.get(), fd, 0)));
  if (!copy.valid()) return last_error();
  return copy;
}

}  // namespace

std::string net_operation_text(NetFamily family, NetOp op) {
  return std::string(net_family_name(family)) + " " + std::string(net_op_name(op));
}

NetFamily net_family(const SocketFacts& facts) {
  switch (facts.domain) {
    case AF_INET:
    case AF_INET6:
      switch (facts.type) {
        case SOCK_STREAM:
          return facts.protocol == 0 || facts.protocol == IPPROTO_TCP ||
                         facts.protocol == IPPROTO_MPTCP
                     ? NetFamily::Tcp
                     : NetFamily::Other;
        case SOCK_DGRAM:
          if (facts.protocol == IPPROTO_ICMP || facts.protocol == IPPROTO_ICMPV6) {
            return NetFamily::Raw;
          }
          return facts.protocol == 0 || facts.protocol == IPPROTO_UDP ||
                         facts.protocol == IPPROTO_UDPLITE
                     ? NetFamily::Udp
                     : NetFamily::Other;
        case SOCK_RAW:
          return NetFamily::Raw;
        default:
          return NetFamily::Other;
      }
    case AF_UNIX:
      return NetFamily::Unix;
    case AF_NETLINK:
      return NetFamily::Netlink;
    case AF_PACKET:
      return NetFamily::Packet;
    case AF_VSOCK:
      return NetFamily::Vsock;
    default:
      return NetFamily::Other;
  }
}

Result<Endpoint> read_endpoint(std::span<const std::byte> bytes, const SocketFacts& facts,
                               NetOp op) {
  if (bytes.size() < sizeof(sa_family_t)) return Error{EINVAL};
  const auto family = copy_as<sa_family_t>(bytes);
  // The socket, not the address, says how its bytes are read.
  switch (facts.domain) {
    case AF_INET:
    case AF_INET6:
      return family == AF_UNSPEC ? read_unspecified_ip(bytes, facts, op) : read_ip(bytes, family);
    case AF_UNIX:
      if (family == AF_UNSPEC && op == NetOp::Connect) return Endpoint{};
      if (family != AF_UNIX || bytes.size() > sizeof(sockaddr_un)) return Error{EINVAL};
      return from_unix(bytes);
    case AF_NETLINK: {
      if (family == AF_UNSPEC && op == NetOp::Connect) return Endpoint{};
      Endpoint endpoint = of_kind(Endpoint::Kind::Netlink);
      endpoint.netlink_protocol = facts.protocol;
      return endpoint;
    }
    case AF_VSOCK:
      if (family == AF_UNSPEC && op == NetOp::Connect) return Endpoint{};
      return of_kind(Endpoint::Kind::Other);
    case AF_PACKET:  // never looks at the family in an address it sends to
      return of_kind(Endpoint::Kind::Other);
    default:  // SMC and RDS, for two, carry IP addresses
      return read_ip(bytes, family);
  }
}

Result<uint64_t> socket_inode(pid_t tid, int fd) {
  auto link = read_link("/proc/" + std::to_string(tid) + "/fd/" + std::to_string(fd));
  if (!link.ok()) return link.error().code == ENOENT ? Error{EBADF} : link.error();
  constexpr std::string_view kPrefix = "socket:[";
  if (!link->starts_with(kPrefix)) return Error{ENOTSOCK};
  uint64_t inode = 0;
  std::from_chars(link->data() + kPrefix.size(), link->data() + link->size(), inode);
  return inode;
}

Result<int64_t> socket_timeout_ns(pid_t tid, int fd, int option) {
  CALLGATE_TRY(const UniqueFd copy, duplicate_of(tid, fd));
  timeval timeout{};
  socklen_t size = sizeof timeout;
  if (getsockopt(copy.get(), SOL_SOCKET, option, &timeout, &size) != 0) return last_error();
  return timeout.tv_sec * int64_t{1'000'000'000} + timeout.tv_usec * int64_t{1'000};
}

Result<SocketFacts> query_socket(pid_t tid, int fd, uint64_t inode) {
  CALLGATE_TRY(const UniqueFd copy, duplicate_of(tid, fd));
  struct stat st {};
  if (::fstat(copy.get(), &st) != 0) return last_error();
  if (st.st_ino != inode) return Error{EBADF};  // another table, or another object by now
  SocketFacts facts;
  socklen_t size = sizeof facts.domain;
  if (getsockopt(copy.get(), SOL_SOCKET, SO_DOMAIN, &facts.domain, &size) != 0 ||
      getsockopt(copy.get(), SOL_SOCKET, SO_TYPE, &facts.type, &size) != 0 ||
      getsockopt(copy.get(), SOL_SOCKET, SO_PROTOCOL, &facts.protocol, &size) != 0) {
    return last_error();
  }
  sockaddr_storage bound{};
  size = sizeof bound;
  if (getsockname(copy.get(), reinterpret_cast<sockaddr*>(&bound), &size) == 0) {
    facts.bound = bound.ss_family == AF_UNIX
                      ? size > sizeof(sa_family_t)
                      : (bound.ss_family == AF_INET &&
                         reinterpret_cast<sockaddr_in*>(&bound)->sin_port != 0) ||
                            (bound.ss_family == AF_INET6 &&
                             reinterpret_cast<sockaddr_in6*>(&bound)->sin6_port != 0);
  }
  return facts;
}

}  // namespace callgate
