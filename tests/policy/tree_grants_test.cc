// What a policy leaves to a kernel that knows whole trees alone.
#include "policy/tree_grants.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string>

#include "tests/policy/fake_world.h"

namespace callgate {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kPlain =
    "runtime none\n"
    "path allow read,execute /usr/\n"
    "path allow read /etc/ /work\n"
    "path allow /work/**\n"
    "path allow read,write /dev/null\n"
    "network deny all\n";

std::string obstacle_of(const std::string& text) { return policy_of(text).tree_grants().obstacle; }

TEST(TreeGrants, APlainPolicyIsAListOfTreesAndNames) {
  const Policy policy = policy_of(kPlain);
  const TreeGrants grants = policy.tree_grants();
  EXPECT_THAT(grants.obstacle, IsEmpty());
  ASSERT_EQ(grants.below.size(), 3U);
  EXPECT_EQ(grants.below[0].name, "/usr");
  EXPECT_EQ(grants.below[0].ops, PathOps(PathOp::Read));
  EXPECT_EQ(grants.below[2].name, "/work");
  EXPECT_EQ(grants.below[2].ops, TreeGrants::kOps);
  EXPECT_EQ(grants.below[2].rule->where(), "p.policy:4");
  ASSERT_EQ(grants.itself.size(), 4U);
  EXPECT_EQ(grants.itself[3].name, "/dev/null");
  EXPECT_TRUE(grants.covers(PathOp::Read, "/work"));
  EXPECT_FALSE(grants.covers(PathOp::Write, "/work"));
  EXPECT_TRUE(grants.covers(TreeGrants::kOps, "/work/a/b"));
  EXPECT_FALSE(grants.covers(PathOp::Read, "/workshop"));
  EXPECT_FALSE(grants.covers_below(PathOp::Read, "/"));
}

TEST(TreeGrants, WhatATreeCannotSayIsAnObstacleWithItsStatement) {
  const std::string plain = kPlain;
  struct Said {
    const char* statement;
    const char* obstacle;
  };
  for (const Said& said : {
           Said{"path deny read /usr/share/doc/", "exception"},
           Said{"path kill /etc/shadow", "exception"},
           Said{"path allow log read /srv/", "recorded"},
           Said{"path allow read /srv/*/x", "neither a whole tree nor one name"},
           Said{"path allow read /srv/**/*.h", "neither a whole tree nor one name"},
           Said{"path allow read /srv/**", "not to list it itself"},
           Said{"path allow /srv/", "create /srv itself"},
           Said{"path allow read,delete /srv/", "delete /srv itself"},
           Said{"path allow execute /opt/*/bin/**", "not to read it"},
           Said{"path allow execute /opt/tool", "not to read it"},
           Said{"path deny stat /usr/secret", "hides"},
           Said{"network allow unix connect /run/*", "sockets by their names"},
           Said{"network allow unix", "sockets by their names"},
       }) {
    const Policy policy = policy_of(plain + said.statement + "\n");
    const TreeGrants grants = policy.tree_grants();
    EXPECT_THAT(grants.obstacle, HasSubstr(said.obstacle)) << said.statement;
    ASSERT_NE(grants.rule, nullptr) << said.statement;
    EXPECT_EQ(grants.rule->where(), "p.policy:7") << said.statement;
  }
  EXPECT_THAT(obstacle_of("path allow read /usr/\n"), HasSubstr("runtime none"));
}

// The kernel's grant goes with the object when that is moved; the policy's stays with the name.
TEST(TreeGrants, WhatIsGrantedMoreAmongWhatMayBeMovedIsAnObstacle) {
  const std::string plain = kPlain;
  for (const char* statements :
       {"path allow read /f\npath allow read,create,delete /f/**\n"
        "path allow read,write,create,delete /f/x/**\n",
        "path allow read /f\npath allow delete /f/**\npath allow read,write /f/x/y\n",
        "path allow read /f\npath allow read,delete /f/**\n"
        "path allow read,create,delete /f/x/y/**\n"}) {
    const TreeGrants grants = policy_of(plain + statements).tree_grants();
    EXPECT_THAT(grants.obstacle, HasSubstr("with which it may be moved")) << statements;
  }
  for (const char* statements :
       {"path allow read /f\npath allow read,create /f/**\npath allow read,write,create /f/x/**\n",
        "path allow read /f\npath allow read,create,delete /f/**\npath allow read,delete /f/x/**\n",
        "path allow read,write,create /work/x/**\n", "path allow read,write /work/x\n"}) {
    EXPECT_THAT(obstacle_of(plain + statements), IsEmpty()) << statements;
  }
}

TEST(TreeGrants, WhatTheMonitorKeepsIsNone) {
  for (const char* statement :
       {"path deny execute /work/**", "path deny attributes /work/x",
        "path kill execute /usr/bin/su", "path allow execute /usr/*/x",
        "path allow attributes /srv/*", "path allow stat /srv/*/x", "path allow /work/x/",
        "path allow read /work/**", "network allow tcp connect 10.0.0.1:80",
        "network allow unix connect @name", "path allow execute /work/tool"}) {
    EXPECT_THAT(obstacle_of(std::string(kPlain) + statement + "\n"), IsEmpty()) << statement;
  }
}

TEST(TreeGrants, MovesAreLeftToTheKernelWhereNothingElseDependsOnTheName) {
  const std::string plain = kPlain;
  for (const char* statement :
       {"", "path allow execute /work/**", "path deny attributes /work/",
        "path allow execute /usr/*/x", "path allow read /more\npath allow /more/**",
        "path deny execute,attributes /**", "path deny attributes /work"}) {
    EXPECT_TRUE(policy_of(plain + statement + "\n").tree_grants().moves_change_nothing)
        << statement;
  }
  for (const char* statement :
       {"path allow execute /work/bin/**", "path allow execute /work/tool",
        "path deny attributes /work/x", "path deny attributes /work/*",
        "path deny execute /**/*.so", "path deny attributes /w*/x",
        "path allow read /more\npath allow read,write,create,delete /more/**",
        "path allow execute /work/**\npath allow read /more\npath allow /more/**"}) {
    const Policy policy = policy_of(plain + statement + "\n");
    const TreeGrants grants = policy.tree_grants();
    EXPECT_THAT(grants.obstacle, IsEmpty()) << statement;
    EXPECT_FALSE(grants.moves_change_nothing) << statement;
  }
}

// As the kernel adds up its rules: those of the directories above, and the object's own.
PathOps by_trees(const TreeGrants& grants, const std::string& name) {
  PathOps ops;
  for (const auto& grant : grants.below) {
    if (name.starts_with(grant.name == "/" ? "/" : grant.name + "/")) ops = ops | grant.ops;
    if (name == grant.name) ops = ops | (grant.ops & PathOps(PathOp::Read));
  }
  for (const auto& grant : grants.itself) {
    if (name == grant.name) ops = ops | grant.ops;
  }
  return ops;
}

TEST(TreeGrants, WithoutAnObstacleTheTreesGrantExactlyWhatThePolicyGrants) {
  std::mt19937 random(20261129);  // NOLINT: the same policies each time
  const auto pick = [&](auto& from) { return from[random() % from.size()]; };
  constexpr std::array<const char*, 6> kOperations = {"read",   "write",        "create",
                                                      "delete", "read,execute", "read,write"};
  constexpr std::array<const char*, 8> kNames = {"/a", "/a/b", "/a/b/c",   "/a/bc",
                                                 "/d", "/d/b", "/a/b/c/d", "/ab"};
  constexpr std::array<const char*, 4> kEnds = {"", "/", "/**", "/*"};
  int plain = 0;
  for (int round = 0; round < 4000; ++round) {
    std::string text = "runtime none\n";
    const size_t statements = 1 + random() % 5;
    for (size_t i = 0; i < statements; ++i) {
      text += std::string(random() % 12 == 0 ? "path deny " : "path allow ") +
              (random() % 4 == 0 ? "" : pick(kOperations)) + " " + pick(kNames) + pick(kEnds) +
              "\n";
    }
    const Policy policy = policy_of(text);
    const TreeGrants grants = policy.tree_grants();
    if (!grants.obstacle.empty()) continue;
    ++plain;
    for (const char* base : kNames) {
      for (const char* more : {"", "/x", "/x/y"}) {
        const std::string name = std::string(base) + more;
        EXPECT_EQ(policy.granted(name) & TreeGrants::kOps, by_trees(grants, name)) << text << name;
      }
    }
  }
  EXPECT_GT(plain, 200);
}

}  // namespace
}  // namespace callgate
