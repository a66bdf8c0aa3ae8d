#include "monitor/socket_address.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <vector>

#include "arch/unique_fd.h"

namespace callgate {
namespace {

SocketFacts facts(int domain, int type, int protocol = 0) {
  SocketFacts made;
  made.domain = domain;
  made.type = type;
  made.protocol = protocol;
  return made;
}

template <typename T>
std::span<const std::byte> bytes_of(const T& address, size_t size = sizeof(T)) {
  return std::as_bytes(std::span(&address, 1)).first(size);
}

sockaddr_in v4(uint32_t address, uint16_t port, sa_family_t family = AF_INET) {
  sockaddr_in in{};
  in.sin_family = family;
  in.sin_addr.s_addr = htonl(address);
  in.sin_port = htons(port);
  return in;
}

TEST(SocketAddress, ASocketIsWhatItWasMadeAs) {
  EXPECT_EQ(net_family(facts(AF_INET, SOCK_STREAM)), NetFamily::Tcp);
  EXPECT_EQ(net_family(facts(AF_INET6, SOCK_STREAM, IPPROTO_MPTCP)), NetFamily::Tcp);
  EXPECT_EQ(net_family(facts(AF_INET, SOCK_STREAM, IPPROTO_SCTP)), NetFamily::Other);
  EXPECT_EQ(net_family(facts(AF_INET6, SOCK_DGRAM)), NetFamily::Udp);
  EXPECT_EQ(net_family(facts(AF_INET, SOCK_DGRAM, IPPROTO_ICMP)), NetFamily::Raw);
  EXPECT_EQ(net_family(facts(AF_INET, SOCK_RAW, IPPROTO_TCP)), NetFamily::Raw);
  EXPECT_EQ(net_family(facts(AF_INET, SOCK_SEQPACKET, IPPROTO_SCTP)), NetFamily::Other);
  EXPECT_EQ(net_family(facts(AF_UNIX, SOCK_DGRAM)), NetFamily::Unix);
  EXPECT_EQ(net_family(facts(AF_NETLINK, SOCK_RAW)), NetFamily::Netlink);
  EXPECT_EQ(net_family(facts(AF_PACKET, SOCK_RAW)), NetFamily::Packet);
  EXPECT_EQ(net_family(facts(AF_VSOCK, SOCK_STREAM)), NetFamily::Vsock);
  EXPECT_EQ(net_family(facts(AF_ALG, SOCK_SEQPACKET)), NetFamily::Other);
}

TEST(SocketAddress, AnIpv4AddressIsReadInHostOrder) {
  const auto address = v4(0x7f000001, 80);
  auto endpoint = read_endpoint(bytes_of(address), facts(AF_INET, SOCK_STREAM), NetOp::Connect);
  ASSERT_TRUE(endpoint.ok());
  EXPECT_EQ(*endpoint, Endpoint::v4({127, 0, 0, 1}, 80));
}

TEST(SocketAddress, AMappedIpv6AddressIsIpv4) {
  sockaddr_in6 mapped{};
  mapped.sin6_family = AF_INET6;
  mapped.sin6_port = htons(443);
  mapped.sin6_addr.s6_addr[10] = mapped.sin6_addr.s6_addr[11] = 0xff;
  mapped.sin6_addr.s6_addr[12] = 10;
  mapped.sin6_addr.s6_addr[15] = 7;
  auto endpoint = read_endpoint(bytes_of(mapped), facts(AF_INET6, SOCK_STREAM), NetOp::Connect);
  ASSERT_TRUE(endpoint.ok());
  EXPECT_EQ(*endpoint, Endpoint::v4({10, 0, 0, 7}, 443));
}

// What the kernel calls too short is EINVAL here as well, and what it takes is read.
TEST(SocketAddress, LengthsAreJudgedAsTheKernelJudgesThem) {
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  six.sin6_addr = in6addr_loopback;
  six.sin6_port = htons(9);
  const auto four = v4(INADDR_LOOPBACK, 9);
  for (const int domain : {AF_INET, AF_INET6}) {
    const UniqueFd probe(::socket(domain, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!probe.valid()) continue;  // a host without IPv6
    for (socklen_t size = 0; size <= (domain == AF_INET ? sizeof four : sizeof six); ++size) {
      const UniqueFd fd(::socket(domain, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      const auto* address = domain == AF_INET ? reinterpret_cast<const sockaddr*>(&four)
                                              : reinterpret_cast<const sockaddr*>(&six);
      const bool kernel_says_einval = ::connect(fd.get(), address, size) != 0 && errno == EINVAL;
      const std::span whole(reinterpret_cast<const std::byte*>(address), size);
      auto endpoint = read_endpoint(whole, facts(domain, SOCK_DGRAM), NetOp::Connect);
      const bool einval = !endpoint.ok() && endpoint.error().code == EINVAL;
      EXPECT_EQ(einval, kernel_says_einval) << "domain " << domain << " size " << size;
    }
  }
}

TEST(SocketAddress, AfUnspecBindsAndSendsAsIpv4AndDissolvesAConnection) {
  const auto address = v4(0x0a000001, 53, AF_UNSPEC);
  const auto udp = facts(AF_INET, SOCK_DGRAM);
  for (const NetOp op : {NetOp::Bind, NetOp::Send}) {
    auto endpoint = read_endpoint(bytes_of(address), udp, op);
    ASSERT_TRUE(endpoint.ok());
    EXPECT_EQ(*endpoint, Endpoint::v4({10, 0, 0, 1}, 53)) << net_op_name(op);
  }
  auto dissolved = read_endpoint(bytes_of(address), udp, NetOp::Connect);
  ASSERT_TRUE(dissolved.ok());
  EXPECT_EQ(dissolved->kind, Endpoint::Kind::None);
}

// IPV6_ADDRFORM makes an IPv4 socket of a connected IPv6 one, and nobody tells us: what the kernel
// then takes for an IPv4 address must be read as one.
TEST(SocketAddress, AfUnspecIsAnAddressForASocketThatTurnedIntoIpv4) {
  const auto any = v4(INADDR_LOOPBACK, 0);
  const UniqueFd receiver(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(receiver.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any), 0);
  sockaddr_in at{};
  socklen_t size = sizeof at;
  ASSERT_EQ(::getsockname(receiver.get(), reinterpret_cast<sockaddr*>(&at), &size), 0);

  const UniqueFd sender(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!sender.valid()) GTEST_SKIP() << "a host without IPv6";
  sockaddr_in6 mapped{};
  mapped.sin6_family = AF_INET6;
  mapped.sin6_port = htons(9);
  mapped.sin6_addr.s6_addr[10] = mapped.sin6_addr.s6_addr[11] = 0xff;
  mapped.sin6_addr.s6_addr[12] = 127;
  mapped.sin6_addr.s6_addr[15] = 1;
  ASSERT_EQ(::connect(sender.get(), reinterpret_cast<sockaddr*>(&mapped), sizeof mapped), 0);
  const int ipv4 = AF_INET;
  ASSERT_EQ(::setsockopt(sender.get(), IPPROTO_IPV6, IPV6_ADDRFORM, &ipv4, sizeof ipv4), 0);

  at.sin_family = AF_UNSPEC;
  ASSERT_EQ(::sendto(sender.get(), "x", 1, 0, reinterpret_cast<sockaddr*>(&at), sizeof at), 1);
  char byte = 0;
  EXPECT_EQ(::recv(receiver.get(), &byte, 1, 0), 1) << "the kernel took it for an address";
  const auto made_as = facts(AF_INET6, SOCK_DGRAM);
  for (const NetOp op : {NetOp::Send, NetOp::Bind}) {
    auto endpoint = read_endpoint(bytes_of(at), made_as, op);
    ASSERT_TRUE(endpoint.ok());
    EXPECT_EQ(*endpoint, Endpoint::v4({127, 0, 0, 1}, ntohs(at.sin_port))) << net_op_name(op);
  }
  // Too short for one it is no address to either kind.
  auto nothing = read_endpoint(bytes_of(at, 8), made_as, NetOp::Send);
  ASSERT_TRUE(nothing.ok());
  EXPECT_EQ(nothing->kind, Endpoint::Kind::None);
}

TEST(SocketAddress, AfUnspecIsAnIpv6AddressForARawIpv6Socket) {
  sockaddr_in6 six{};
  six.sin6_family = AF_UNSPEC;
  six.sin6_addr = in6addr_loopback;
  auto endpoint = read_endpoint(bytes_of(six), facts(AF_INET6, SOCK_RAW, IPPROTO_UDP), NetOp::Send);
  ASSERT_TRUE(endpoint.ok());
  EXPECT_EQ(*endpoint, Endpoint::v6(std::to_array(six.sin6_addr.s6_addr), 0, 0));
  const UniqueFd raw(::socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_UDP));
  if (!raw.valid()) GTEST_SKIP() << "needs the right to raw sockets and IPv6";
  const char header[8] = {0, 9, 0, 9, 0, 8, 0, 0};
  EXPECT_EQ(
      ::sendto(raw.get(), header, sizeof header, 0, reinterpret_cast<sockaddr*>(&six), sizeof six),
      static_cast<ssize_t>(sizeof header))
      << "the kernel took it for an address";
}

// What an address says of itself does not choose how it is read.
TEST(SocketAddress, TheSocketSaysHowAnAddressIsRead) {
  sockaddr_un path{};
  path.sun_family = AF_UNIX;
  std::strcpy(path.sun_path, "/run/x");
  const auto ip = v4(0x0a000001, 53);
  const auto unspecified = v4(0x0a000001, 53, AF_UNSPEC);
  // packet_snd never looks at the family.
  for (const auto bytes : {bytes_of(path), bytes_of(ip), bytes_of(unspecified)}) {
    auto endpoint = read_endpoint(bytes, facts(AF_PACKET, SOCK_DGRAM), NetOp::Send);
    ASSERT_TRUE(endpoint.ok());
    EXPECT_EQ(endpoint->kind, Endpoint::Kind::Other);
  }
  for (const int domain : {AF_INET, AF_INET6}) {
    auto endpoint = read_endpoint(bytes_of(path), facts(domain, SOCK_DGRAM), NetOp::Connect);
    ASSERT_TRUE(endpoint.ok());
    EXPECT_EQ(endpoint->kind, Endpoint::Kind::Other);
  }
  for (const NetOp op : {NetOp::Bind, NetOp::Send}) {
    auto endpoint = read_endpoint(bytes_of(unspecified), facts(AF_NETLINK, SOCK_RAW, 9), op);
    ASSERT_TRUE(endpoint.ok());
    EXPECT_EQ(endpoint->netlink_protocol, 9);
  }
  // An SMC socket connects to an IP address.
  auto smc = read_endpoint(bytes_of(ip), facts(43, SOCK_STREAM), NetOp::Connect);
  ASSERT_TRUE(smc.ok());
  EXPECT_EQ(*smc, Endpoint::v4({10, 0, 0, 1}, 53));
}

TEST(SocketAddress, AUnixAddressThatTheKernelDoesNotTakeIsEinval) {
  const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto local = facts(AF_UNIX, SOCK_DGRAM);
  std::array<char, sizeof(sockaddr_storage)> long_name{};
  long_name.fill('x');
  const sa_family_t family = AF_UNIX;
  std::memcpy(long_name.data(), &family, sizeof family);
  const auto ip = v4(INADDR_LOOPBACK, 9);
  for (const auto bytes : {bytes_of(long_name), bytes_of(ip)}) {
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(bytes.data()),
                        static_cast<socklen_t>(bytes.size())),
              -1);
    EXPECT_EQ(errno, EINVAL);
    auto endpoint = read_endpoint(bytes, local, NetOp::Connect);
    ASSERT_FALSE(endpoint.ok());
    EXPECT_EQ(endpoint.error().code, EINVAL);
  }
  const auto unspecified = v4(0, 0, AF_UNSPEC);
  EXPECT_EQ(
      ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&unspecified), sizeof unspecified), 0);
  auto dissolved = read_endpoint(bytes_of(unspecified), local, NetOp::Connect);
  ASSERT_TRUE(dissolved.ok());
  EXPECT_EQ(dissolved->kind, Endpoint::Kind::None);
}

TEST(SocketAddress, UnixNamesArePathsAbstractOrNone) {
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  const auto local = facts(AF_UNIX, SOCK_STREAM);
  auto unnamed = read_endpoint(bytes_of(un, sizeof(sa_family_t)), local, NetOp::Bind);
  ASSERT_TRUE(unnamed.ok());
  EXPECT_EQ(unnamed->kind, Endpoint::Kind::UnixUnnamed);

  std::memcpy(un.sun_path, "\0abc\0d", 6);
  auto abstract = read_endpoint(bytes_of(un, sizeof(sa_family_t) + 6), local, NetOp::Connect);
  ASSERT_TRUE(abstract.ok());
  EXPECT_EQ(abstract->kind, Endpoint::Kind::UnixAbstract);
  EXPECT_EQ(abstract->name, std::string("abc\0d", 5)) << "every byte of the length belongs to it";

  std::strcpy(un.sun_path, "/run/x");
  auto path = read_endpoint(bytes_of(un), local, NetOp::Connect);
  ASSERT_TRUE(path.ok());
  EXPECT_EQ(path->kind, Endpoint::Kind::UnixPath);
  EXPECT_EQ(path->name, "/run/x") << "a path ends with its NUL";

  std::memset(un.sun_path, 'p', sizeof un.sun_path);
  auto full = read_endpoint(bytes_of(un), local, NetOp::Connect);
  ASSERT_TRUE(full.ok());
  EXPECT_EQ(full->name.size(), sizeof un.sun_path) << "or with the address, which needs no NUL";
}

TEST(SocketAddress, AnAddressTooShortForAFamilyIsEinval) {
  const std::byte one{};
  for (const size_t size : {0, 1}) {
    auto endpoint =
        read_endpoint(std::span(&one, size), facts(AF_INET, SOCK_STREAM), NetOp::Connect);
    ASSERT_FALSE(endpoint.ok());
    EXPECT_EQ(endpoint.error().code, EINVAL);
  }
}

TEST(SocketAddress, NetlinkIsToldByItsProtocol) {
  sockaddr_nl nl{};
  nl.nl_family = AF_NETLINK;
  auto endpoint =
      read_endpoint(bytes_of(nl), facts(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), NetOp::Bind);
  ASSERT_TRUE(endpoint.ok());
  EXPECT_EQ(endpoint->kind, Endpoint::Kind::Netlink);
  EXPECT_EQ(endpoint->netlink_protocol, NETLINK_ROUTE);
}

TEST(SocketAddress, ADescriptorsSocketIsKnownByItsInode) {
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  struct stat st {};
  ASSERT_EQ(::fstat(fd.get(), &st), 0);
  auto inode = socket_inode(::getpid(), fd.get());
  ASSERT_TRUE(inode.ok());
  EXPECT_EQ(*inode, st.st_ino);
  auto file = socket_inode(::getpid(), 1 << 20);
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.error().code, EBADF);
  const UniqueFd pipe_like(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  auto other = socket_inode(::getpid(), pipe_like.get());
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().code, ENOTSOCK);
}

// A child holds a socket; the kernel is asked about it through a duplicate.
Result<SocketFacts> queried(int domain, int type, int protocol, const sockaddr* address,
                            socklen_t size) {
  int ready[2];
  if (::pipe(ready) != 0) return last_error();
  const UniqueFd fd(::socket(domain, type, protocol));
  if (!fd.valid()) return last_error();
  if (address != nullptr && ::bind(fd.get(), address, size) != 0) return last_error();
  struct stat st {};
  ::fstat(fd.get(), &st);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ready[1]);
    char byte;
    static_cast<void>(!::read(ready[0], &byte, 1));
    _exit(0);
  }
  ::close(ready[0]);
  auto facts = query_socket(child, fd.get(), st.st_ino);
  auto other = query_socket(child, fd.get(), st.st_ino + 1);
  EXPECT_FALSE(other.ok()) << "another inode is another socket";
  ::close(ready[1]);
  ::waitpid(child, nullptr, 0);
  return facts;
}

TEST(SocketAddress, ASocketNotMadeUnderOurEyesIsAskedAbout) {
  auto plain = queried(AF_INET, SOCK_DGRAM, 0, nullptr, 0);
  if (!plain.ok() && (plain.error().code == EPERM || plain.error().code == ENOSYS)) {
    GTEST_SKIP() << "pidfd_getfd is not allowed here";
  }
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(plain->domain, AF_INET);
  EXPECT_EQ(plain->type, SOCK_DGRAM);
  EXPECT_EQ(plain->protocol, IPPROTO_UDP);
  EXPECT_FALSE(plain->bound);

  const auto loopback = v4(INADDR_LOOPBACK, 0);
  auto bound = queried(AF_INET, SOCK_STREAM, 0, reinterpret_cast<const sockaddr*>(&loopback),
                       sizeof loopback);
  ASSERT_TRUE(bound.ok());
  EXPECT_TRUE(bound->bound);

  sockaddr_un abstract{};
  abstract.sun_family = AF_UNIX;
  auto autobound = queried(AF_UNIX, SOCK_STREAM, 0, reinterpret_cast<const sockaddr*>(&abstract),
                           sizeof(sa_family_t));
  ASSERT_TRUE(autobound.ok());
  EXPECT_EQ(autobound->domain, AF_UNIX);
  EXPECT_TRUE(autobound->bound);
}

}  // namespace
}  // namespace callgate
