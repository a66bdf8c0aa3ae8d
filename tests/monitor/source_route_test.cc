#include "monitor/source_route.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <vector>

#include "arch/unique_fd.h"

namespace callgate {
namespace {

// Control messages as either ABI lays them out: each is a level, a type and the length of its data.
struct Item {
  int level;
  int type;
  size_t data;
};

template <typename Word>
std::vector<std::byte> control_of(const std::vector<Item>& items) {
  std::vector<std::byte> out;
  for (const Item& item : items) {
    out.resize((out.size() + sizeof(Word) - 1) & ~(sizeof(Word) - 1));
    struct {
      Word length;
      int level, type;
    } header{};
    header.length = static_cast<Word>(sizeof header + item.data);
    header.level = item.level;
    header.type = item.type;
    const auto bytes = std::as_bytes(std::span(&header, 1));
    out.insert(out.end(), bytes.begin(), bytes.end());
    out.resize(out.size() + item.data);
  }
  return out;
}

bool routes(const std::vector<Item>& items, Abi abi) {
  auto answer = abi == Abi::I386 ? routes_elsewhere(control_of<uint32_t>(items), abi)
                                 : routes_elsewhere(control_of<uint64_t>(items), abi);
  EXPECT_TRUE(answer.ok());
  return answer.ok() && *answer;
}

TEST(SourceRoute, IsFoundAtAnyPlaceAmongControlMessages) {
  for (const Abi abi : {Abi::X86_64, Abi::I386}) {
    EXPECT_FALSE(routes({}, abi));
    EXPECT_FALSE(routes({{SOL_SOCKET, SCM_RIGHTS, 12}, {IPPROTO_IP, IP_TOS, 1}}, abi));
    EXPECT_FALSE(routes({{IPPROTO_IPV6, IPV6_PKTINFO, 20}, {IPPROTO_IPV6, IPV6_HOPLIMIT, 4}}, abi));
    EXPECT_TRUE(routes({{IPPROTO_IP, IP_RETOPTS, 8}}, abi));
    for (const size_t before : {0, 1, 3, 4, 5, 7, 8, 9}) {
      EXPECT_TRUE(routes({{IPPROTO_IP, IP_TOS, before}, {IPPROTO_IPV6, IPV6_RTHDR, 40}}, abi));
      EXPECT_TRUE(routes({{IPPROTO_IP, IP_TOS, before}, {IPPROTO_IPV6, 5, 24}}, abi));
      EXPECT_TRUE(routes({{IPPROTO_SCTP, 0, before}, {IPPROTO_SCTP, 7, 4}}, abi));
    }
  }
}

TEST(SourceRoute, AMalformedControlMessageIsEinvalAsItIsToTheKernel) {
  const UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const sockaddr_in to{.sin_family = AF_INET,
                       .sin_port = htons(9),
                       .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)},
                       .sin_zero = {}};
  // A level of nobody's: 1 would be SOL_SOCKET.
  for (const uint64_t length : {0, 1, 15, 16, 17, 24, 25, 32, 33, 1 << 20}) {
    std::vector<std::byte> control = control_of<uint64_t>({{250, 77, 8}});
    std::memcpy(control.data(), &length, sizeof length);
    msghdr header{};
    header.msg_name = const_cast<sockaddr_in*>(&to);
    header.msg_namelen = sizeof to;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    const bool einval = ::sendmsg(fd.get(), &header, MSG_DONTWAIT) < 0 && errno == EINVAL;
    auto answer = routes_elsewhere(control, Abi::X86_64);
    EXPECT_EQ(!answer.ok(), einval) << length;
    if (!answer.ok()) {
      EXPECT_EQ(answer.error().code, EINVAL);
    }
  }
}

// Why all this: with a routing header, and without any privilege, a datagram leaves for the
// header's first address.
TEST(SourceRoute, ARoutingHeaderGoesBeforeTheAddressOfTheCall) {
  const UniqueFd sniffer(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_IPV6)));
  const UniqueFd sender(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!sniffer.valid() || !sender.valid()) GTEST_SKIP() << "needs raw packets and IPv6";
  const timeval patience{10, 0};
  ::setsockopt(sniffer.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  struct {  // linux/seg6.h, without its flexible array
    uint8_t next_header = 0;
    uint8_t length = sizeof(in6_addr) * 2 / 8;
    uint8_t type = 4;  // a segment routing header
    uint8_t segments_left = 1;
    uint8_t first_segment = 1;
    uint8_t flags = 0;
    uint16_t tag = 0;
    in6_addr segments[2] = {{}, in6addr_loopback};
  } const route;
  ASSERT_EQ(::setsockopt(sender.get(), IPPROTO_IPV6, IPV6_RTHDR, &route, sizeof route), 0);
  sockaddr_in6 to{};
  to.sin6_family = AF_INET6;
  to.sin6_port = htons(9);
  to.sin6_addr.s6_addr[0] = 0x20;  // 2001:db8::9, where nobody is
  to.sin6_addr.s6_addr[1] = 0x01;
  to.sin6_addr.s6_addr[2] = 0x0d;
  to.sin6_addr.s6_addr[3] = 0xb8;
  to.sin6_addr.s6_addr[15] = 9;
  const std::string secret = "a secret of " + std::to_string(::getpid());
  ASSERT_EQ(::sendto(sender.get(), secret.data(), secret.size(), 0,
                     reinterpret_cast<const sockaddr*>(&to), sizeof to),
            static_cast<ssize_t>(secret.size()));
  // On the loopback interface every packet is seen; ours is the one with these bytes.
  for (int packets = 0; packets < 10000; ++packets) {
    std::array<char, 2048> packet{};
    const ssize_t n = ::recv(sniffer.get(), packet.data(), packet.size(), 0);
    ASSERT_GT(n, 0);
    if (std::string_view(packet.data(), static_cast<size_t>(n)).find(secret) == std::string::npos) {
      continue;
    }
    EXPECT_EQ(std::memcmp(&packet[24], &in6addr_loopback, sizeof(in6_addr)), 0)
        << "the packet's destination";
    return;
  }
  FAIL() << "the datagram was never seen";
}

}  // namespace
}  // namespace callgate
