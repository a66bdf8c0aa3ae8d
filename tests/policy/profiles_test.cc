// The shipped profiles are read whole, and grant what they say and no more.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "policy/tree_grants.h"
#include "tests/policy/fake_world.h"
#include "tests/support/source_tree.h"

namespace callgate {
namespace {

// The shipped files; everything else is a map.
class ShippedWorld : public FakeWorld {
 public:
  ShippedWorld() {
    for (const auto& entry :
         std::filesystem::directory_iterator(source_tree() / "policy/profiles")) {
      std::stringstream text;
      text << std::ifstream(entry.path()).rdbuf();
      profiles[entry.path().stem()] = text.str();
    }
  }
};

Policy profile(const std::string& name) {
  ShippedWorld world;
  return policy_of("include \"" + name + "\"\n", world);
}

TEST(Profiles, AreReadWithoutAWarningAndOpenWithAComment) {
  ShippedWorld world;
  EXPECT_GE(world.profiles.size(), 6u);
  for (const auto& [name, text] : world.profiles) {
    EXPECT_TRUE(text.starts_with("# " + name + ": ")) << name;
    const Policy policy = policy_of("include " + name, world);
    for (const std::string& warning : policy.warnings()) ADD_FAILURE() << warning;
    if (name != "offline") {
      for (const char* secret : {"/etc/shadow", "/home/u/.ssh/id", "/root/x", "/var/mail/u"}) {
        EXPECT_EQ(policy.granted(secret), PathOps(PathOp::Stat)) << name << ' ' << secret;
      }
    }
  }
}

TEST(Profiles, APdfReaderReadsFontsAndHasNoNetwork) {
  const Policy policy = profile("pdf-reader");
  EXPECT_TRUE(allows(policy, PathOp::Read, "/usr/share/fonts/truetype/x.ttf"));
  EXPECT_FALSE(allows(policy, PathOp::Read, "/etc/passwd"));
  EXPECT_FALSE(allows(policy, PathOp::Execute, "/usr/bin/sh"));
  EXPECT_FALSE(policy.network({NetFamily::Tcp, NetOp::Create, {}}).allowed());
}

TEST(Profiles, ACompilerRunsItsToolsAndWritesWhereItWorks) {
  const Policy policy = profile("compiler");
  EXPECT_TRUE(allows(policy, PathOp::Execute, "/usr/lib/gcc/x86_64-linux-gnu/12/cc1"));
  EXPECT_TRUE(allows(policy, PathOp::Create, "/work/a.o"));
  EXPECT_TRUE(allows(policy, PathOp::Execute, "/work/conftest"));
  EXPECT_FALSE(allows(policy, PathOp::Write, "/usr/bin/gcc"));
}

TEST(Profiles, ShellToolsRunAndPutWhatTheyMakeIntoTheWorkingDirectory) {
  const Policy policy = profile("shell-tools");
  EXPECT_TRUE(allows(policy, PathOp::Execute, "/usr/bin/bash"));
  EXPECT_TRUE(allows(policy, PathOp::Create, "/tmp/x"));
  EXPECT_FALSE(allows(policy, PathOp::Execute, "/tmp/x"));
}

TEST(Profiles, ANetworkClientReachesTheWebAndResolvesNames) {
  const Policy policy = profile("network-client");
  const auto asks = [&](NetFamily family, NetOp op, uint16_t port) {
    return policy.network({family, op, Endpoint::v4({192, 0, 2, 1}, port)}).allowed();
  };
  EXPECT_TRUE(asks(NetFamily::Tcp, NetOp::Connect, 443));
  EXPECT_TRUE(asks(NetFamily::Udp, NetOp::Send, 53));
  EXPECT_FALSE(asks(NetFamily::Tcp, NetOp::Connect, 22));
  EXPECT_FALSE(asks(NetFamily::Udp, NetOp::Connect, 5000));
  EXPECT_FALSE(asks(NetFamily::Tcp, NetOp::Bind, 80));
}

TEST(Profiles, OfflineMeansEveryFileAndNoConnection) {
  const Policy policy = profile("offline");
  EXPECT_FALSE(policy.needs().paths);
  EXPECT_TRUE(policy.needs().network);
  EXPECT_FALSE(policy.network({NetFamily::Tcp, NetOp::Create, {}}).allowed());
}

TEST(Profiles, PlainTreesAreWhatTheySay) {
  const Policy policy = profile("plain-trees");
  const TreeGrants grants = policy.tree_grants();
  EXPECT_EQ(grants.obstacle, "");
  EXPECT_TRUE(grants.moves_change_nothing);
  EXPECT_TRUE(allows(policy, PathOp::Execute, "/work/conftest"));
  EXPECT_TRUE(allows(policy, PathOp::Delete, "/tmp/x"));
  EXPECT_FALSE(allows(policy, PathOp::Write, "/usr/bin/gcc"));
  EXPECT_FALSE(policy.network({NetFamily::Tcp, NetOp::Create, {}}).allowed());
}

}  // namespace
}  // namespace callgate
