// Network statements: families, endpoints, creating sockets, addresses as the kernel reads them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/policy/fake_world.h"

namespace callgate {
namespace {

using testing::ElementsAre;

Endpoint v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port) {
  return Endpoint::v4({a, b, c, d}, port);
}
Endpoint v6(uint8_t last, uint16_t port) {
  std::array<uint8_t, 16> address{};
  address[15] = last;
  return Endpoint::v6(address, port, 0);
}
Endpoint mapped(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port) {
  return Endpoint::v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d}, port, 0);
}
Endpoint unix_name(Endpoint::Kind kind, std::string name) {
  Endpoint endpoint;
  endpoint.kind = kind;
  endpoint.name = std::move(name);
  return endpoint;
}
bool allows(const Policy& policy, NetFamily family, NetOp op, const Endpoint& endpoint = {}) {
  return policy.network({family, op, endpoint}).allowed();
}

TEST(Network, GarfinkelsExampleBindsTcpPort80AndNoUdp) {
  const Policy policy = policy_of("network allow tcp bind *:80\nnetwork deny udp\n");
  EXPECT_TRUE(allows(policy, NetFamily::Tcp, NetOp::Bind, v4(0, 0, 0, 0, 80)));
  EXPECT_TRUE(allows(policy, NetFamily::Tcp, NetOp::Bind, v6(0, 80)));
  EXPECT_FALSE(allows(policy, NetFamily::Tcp, NetOp::Bind, v4(0, 0, 0, 0, 81)));
  EXPECT_FALSE(allows(policy, NetFamily::Udp, NetOp::Bind, v4(0, 0, 0, 0, 80)));
  EXPECT_TRUE(allows(policy, NetFamily::Tcp, NetOp::Create));
  EXPECT_FALSE(allows(policy, NetFamily::Udp, NetOp::Create));
  EXPECT_TRUE(policy.network_depends_on_type());
}

TEST(Network, ASocketThatSomeRuleLetsBeUsedCanBeMade) {
  const Policy policy = policy_of(
      "network allow tcp connect 10.0.0.0/8:443\nnetwork allow udp\nnetwork deny udp send 1.2.3.4\n"
      "network allow raw\nnetwork deny raw create\n");
  EXPECT_TRUE(allows(policy, NetFamily::Tcp, NetOp::Create));
  EXPECT_TRUE(allows(policy, NetFamily::Udp, NetOp::Create));
  EXPECT_FALSE(allows(policy, NetFamily::Raw, NetOp::Create));
  EXPECT_FALSE(allows(policy, NetFamily::Packet, NetOp::Create));
  EXPECT_FALSE(allows(policy_of("network deny all"), NetFamily::Other, NetOp::Create));
}

TEST(Network, AddressesMatchByPrefixAndPort) {
  const Policy policy =
      policy_of("network allow tcp connect 10.0.0.0/8:443 [::1]:* [2001:db8::]/32:8000-8100\n");
  EXPECT_TRUE(allows(policy, NetFamily::Tcp, NetOp::Connect, v4(10, 9, 8, 7, 443)));
  EXPECT_TRUE(allows(policy, NetFamily::Tcp, NetOp::Connect, mapped(10, 9, 8, 7, 443)));
  EXPECT_FALSE(allows(policy, NetFamily::Tcp, NetOp::Connect, v4(10, 9, 8, 7, 80)));
  EXPECT_FALSE(allows(policy, NetFamily::Tcp, NetOp::Connect, v4(11, 9, 8, 7, 443)));
  EXPECT_FALSE(allows(policy, NetFamily::Tcp, NetOp::Send, v4(10, 9, 8, 7, 443)));
  EXPECT_TRUE(allows(policy, NetFamily::Tcp, NetOp::Connect, v6(1, 1)));
  const auto db8 = Endpoint::v6({0x20, 1, 0xd, 0xb8, 9}, 8100, 0);
  EXPECT_TRUE(allows(policy, NetFamily::Tcp, NetOp::Connect, db8));
}

TEST(Network, TheUnspecifiedDestinationIsLoopback) {
  const Policy policy = policy_of("network allow inet connect,send 127.0.0.1 [::1]\n");
  EXPECT_TRUE(allows(policy, NetFamily::Tcp, NetOp::Connect, v4(0, 0, 0, 0, 5)));
  EXPECT_TRUE(allows(policy, NetFamily::Udp, NetOp::Send, v6(0, 5)));
  EXPECT_FALSE(allows(policy, NetFamily::Tcp, NetOp::Bind, v4(0, 0, 0, 0, 5)));
  const Policy denied = policy_of("network allow tcp\nnetwork deny tcp connect 127.0.0.0/8\n");
  EXPECT_FALSE(allows(denied, NetFamily::Tcp, NetOp::Connect, mapped(0, 0, 0, 0, 5)));
}

TEST(Network, ListenWithoutAnAddressNeedsARuleForEveryEndpoint) {
  EXPECT_FALSE(allows(policy_of("network allow tcp listen *:80"), NetFamily::Tcp, NetOp::Listen));
  EXPECT_TRUE(allows(policy_of("network allow tcp listen *"), NetFamily::Tcp, NetOp::Listen));
  EXPECT_TRUE(allows(policy_of("network allow tcp"), NetFamily::Tcp, NetOp::Listen));
}

TEST(Network, UnixSocketsGoByName) {
  using Kind = Endpoint::Kind;
  FakeWorld world;
  world.links = {{"/var/run", "/run"}};
  const Policy policy =
      policy_of("network allow unix connect /var/run/user/*/bus @x11/* @\\*\n", world);
  const auto connect = [&](Kind kind, const char* name) {
    return allows(policy, NetFamily::Unix, NetOp::Connect, unix_name(kind, name));
  };
  EXPECT_TRUE(connect(Kind::UnixPath, "/run/user/1000/bus"));
  EXPECT_FALSE(connect(Kind::UnixPath, "/run/user/1000/other"));
  EXPECT_TRUE(connect(Kind::UnixAbstract, "x11/a/b"));
  EXPECT_TRUE(connect(Kind::UnixAbstract, "*"));
  EXPECT_FALSE(connect(Kind::UnixAbstract, "y"));
  EXPECT_TRUE(connect(Kind::UnixUnnamed, ""));
}

TEST(Network, MakingAUnixSocketIsFreeUnlessCreateIsNamed) {
  EXPECT_TRUE(allows(policy_of("network deny all"), NetFamily::Unix, NetOp::Create));
  EXPECT_TRUE(allows(policy_of("network deny unix"), NetFamily::Unix, NetOp::Create));
  EXPECT_FALSE(allows(policy_of("network deny unix create"), NetFamily::Unix, NetOp::Create));
  EXPECT_FALSE(allows(policy_of("network deny any create"), NetFamily::Unix, NetOp::Create));
}

TEST(Network, NetlinkGoesByProtocol) {
  const Policy policy = policy_of("network allow netlink route\nnetwork allow netlink bind 16\n");
  Endpoint endpoint;
  endpoint.kind = Endpoint::Kind::Netlink;
  endpoint.netlink_protocol = 0;
  EXPECT_TRUE(allows(policy, NetFamily::Netlink, NetOp::Send, endpoint));
  EXPECT_TRUE(allows(policy, NetFamily::Netlink, NetOp::Create, endpoint));
  EXPECT_TRUE(allows(policy, NetFamily::Netlink, NetOp::Create));
  endpoint.netlink_protocol = 16;
  EXPECT_FALSE(allows(policy, NetFamily::Netlink, NetOp::Send, endpoint));
  EXPECT_TRUE(allows(policy, NetFamily::Netlink, NetOp::Bind, endpoint));
  endpoint.netlink_protocol = 9;
  EXPECT_FALSE(allows(policy, NetFamily::Netlink, NetOp::Create, endpoint));
}

TEST(Network, HostNamesAreResolvedOnce) {
  FakeWorld world;
  world.hosts["example.org"] = {v4(192, 0, 2, 7, 0), v6(9, 0)};
  const Policy policy = policy_of("network allow tcp connect example.org:443\n", world);
  EXPECT_TRUE(allows(policy, NetFamily::Tcp, NetOp::Connect, v4(192, 0, 2, 7, 443)));
  EXPECT_TRUE(allows(policy, NetFamily::Tcp, NetOp::Connect, v6(9, 443)));
  EXPECT_FALSE(allows(policy, NetFamily::Tcp, NetOp::Connect, v4(192, 0, 2, 7, 80)));
  EXPECT_THAT(policy.warnings(),
              ElementsAre("p.policy:1:27: warning: the host \"example.org\" was resolved once, "
                          "now, to 192.0.2.7, [::9]"));
}

TEST(Network, DependsOnTypeOnlyWhereAnswersCanDiffer) {
  const auto depends = [](const char* text) { return policy_of(text).network_depends_on_type(); };
  EXPECT_FALSE(depends(""));
  EXPECT_FALSE(depends("network allow all"));
  EXPECT_FALSE(depends("network allow any connect *:80"));
  EXPECT_FALSE(depends("network allow unix\nnetwork allow netlink route"));
  EXPECT_FALSE(depends("network allow tcp\nnetwork deny all"));
  EXPECT_TRUE(depends("network allow tcp"));
  EXPECT_TRUE(depends("network allow all\nnetwork deny raw"));
}

TEST(Network, JudgesAcceptWhereASocketCanBeThatMayNotAccept) {
  const auto judges = [](const char* text, bool given) {
    return policy_of(text).judges_accept(given);
  };
  const char* server =
      "network deny all\nnetwork allow tcp bind 127.0.0.1:*\nnetwork allow tcp listen,accept";
  EXPECT_FALSE(judges(server, false)) << "no other family's sockets listen";
  EXPECT_TRUE(judges(server, true)) << "but one that was there from the start may";
  EXPECT_FALSE(judges("", true)) << "who listens may accept";
  EXPECT_FALSE(judges("network allow all", true));
  EXPECT_FALSE(judges("network deny all", false));
  EXPECT_TRUE(judges("network deny tcp accept", false)) << "who is bound may listen";
  EXPECT_TRUE(judges("network deny all\nnetwork allow tcp listen", false));
  EXPECT_TRUE(judges("network deny all\nnetwork allow tcp listen 127.0.0.1:80", false));
  EXPECT_TRUE(judges("network deny all\nnetwork allow unix connect /run/giver", false))
      << "it may be sent a socket";
  EXPECT_TRUE(judges("network deny all\nnetwork allow unix bind /tmp/here", false));
  EXPECT_FALSE(judges("network deny all\nnetwork allow unix create", false));
  EXPECT_TRUE(judges("network allow any create,bind\nnetwork deny any listen,accept", false))
      << "an AF_ALG socket accepts without listening";
  EXPECT_TRUE(
      judges("network deny all\nnetwork allow tcp listen\nnetwork allow tcp accept log", false));
}

TEST(Endpoints, AreWrittenAsTheyAreRead) {
  EXPECT_EQ(v4(127, 0, 0, 1, 80).text(), "127.0.0.1:80");
  EXPECT_EQ(mapped(127, 0, 0, 1, 80), v4(127, 0, 0, 1, 80));
  EXPECT_EQ(v6(1, 80).text(), "[::1]:80");
  EXPECT_EQ(Endpoint::v6({0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 1, 2).text(),
            "[fe80::1%2]:1");
  EXPECT_EQ(unix_name(Endpoint::Kind::UnixPath, "/run/x").text(), "unix:/run/x");
  EXPECT_EQ(unix_name(Endpoint::Kind::UnixAbstract, "name").text(), "unix:@name");
}

}  // namespace
}  // namespace callgate
