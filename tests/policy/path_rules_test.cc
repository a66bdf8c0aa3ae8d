// Path statements: precedence, operations, patterns, links and new names.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/policy/fake_world.h"

namespace callgate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr PathOps kFive = {PathOp::Read, PathOp::Write, PathOp::Create, PathOp::Delete,
                           PathOp::Attributes};

TEST(PathRules, TheThreeLinesOfTheReadmeAreACompletePolicy) {
  const Policy policy = policy_of(
      "path allow /tmp/*\n"
      "path deny /etc/passwd\n"
      "network deny all\n");
  EXPECT_TRUE(allows(policy, PathOp::Read, "/tmp/a.pdf"));
  EXPECT_FALSE(allows(policy, PathOp::Execute, "/tmp/a.pdf"));
  EXPECT_FALSE(allows(policy, PathOp::Read, "/tmp/sub/a.pdf"));
  const Decision decision = policy.path(PathOp::Read, "/etc/passwd");
  EXPECT_EQ(decision.verdict, Verdict::Deny);
  EXPECT_EQ(decision.error, EACCES);
  ASSERT_NE(decision.rule, nullptr);
  EXPECT_EQ(decision.rule->where(), "p.policy:2");
  EXPECT_EQ(decision.rule->text, "path deny /etc/passwd");
  EXPECT_FALSE(policy.network({NetFamily::Tcp, NetOp::Create, {}}).allowed());
  EXPECT_TRUE(allows(policy, PathOp::Read, "/usr/lib/x86_64-linux-gnu/libc.so.6"));
}

TEST(PathRules, AnEmptyPolicyGrantsNothingButTheRuntimeList) {
  const Policy policy = policy_of("");
  for (const char* name : {"/home/u/x", "/root/x", "/tmp/x", "/var/x", "/etc/passwd", "/etc/shadow",
                           "/", "/usr/bin/ls", "pipe:[1]", ""}) {
    EXPECT_EQ(policy.granted(name), PathOps(PathOp::Stat)) << name;
  }
  EXPECT_EQ(policy_of("runtime none").granted("/usr/bin/prog"), PathOps(PathOp::Stat));
  EXPECT_TRUE(allows(policy, PathOp::Execute, "/usr/bin/prog"));
}

TEST(PathRules, TheRuntimeListMakesLibrariesExecutableAndProgramsUnderLibNot) {
  const Policy policy = policy_of("");
  EXPECT_TRUE(allows(policy, PathOp::Execute, "/usr/lib/x86_64-linux-gnu/libc.so.6"));
  EXPECT_TRUE(allows(policy, PathOp::Execute, "/usr/lib/ld-linux-x86-64.so.2"));
  EXPECT_TRUE(allows(policy, PathOp::Execute, "/usr/local/lib/libx.so"));
  EXPECT_FALSE(allows(policy, PathOp::Execute, "/usr/lib/gcc/x86_64-linux-gnu/12/cc1"));
  EXPECT_FALSE(allows(policy, PathOp::Execute, "/usr/lib/git-core/git"));
  EXPECT_TRUE(allows(policy, PathOp::Write, "/dev/null"));
  EXPECT_FALSE(allows(policy, PathOp::Create, "/dev/null"));
  EXPECT_TRUE(allows(policy, PathOp::Read, "/proc/self/maps"));
  EXPECT_FALSE(allows(policy, PathOp::Write, "/proc/self/mem"));
  EXPECT_TRUE(allows(policy, PathOp::Write, "/dev/pts/3"));
}

TEST(PathRules, TheLastMatchingStatementDecides) {
  const Policy policy = policy_of(
      "path allow /srv/**\n"
      "path deny as ENOENT /srv/secret/\n"
      "path allow read /srv/secret/public\n"
      "path kill write /srv/secret/*\n");
  EXPECT_TRUE(allows(policy, PathOp::Read, "/srv/secret/public"));
  EXPECT_EQ(policy.path(PathOp::Read, "/srv/secret/x").error, ENOENT);
  EXPECT_EQ(policy.path(PathOp::Write, "/srv/secret/x").verdict, Verdict::Kill);
  const PathOps both = {PathOp::Read, PathOp::Write};
  EXPECT_EQ(policy.path(both, "/srv/secret/x").verdict, Verdict::Kill);
  EXPECT_EQ(policy.path(both, "/srv/secret/x").op, PathOp::Write);
  EXPECT_EQ(policy.path(both, "/srv/secret/d/x").op, PathOp::Read);
  std::vector<int> lines;
  for (const Statement* rule : policy.matching(PathOp::Read, "/srv/secret/public")) {
    lines.push_back(rule->position.line);
  }
  EXPECT_THAT(lines, ElementsAre(1, 2, 3));
}

TEST(PathRules, UnnamedOperationsAreFiveForAllowAndSixForDeny) {
  const Policy policy = policy_of(
      "runtime none\npath allow /a\npath allow all /b\npath allow execute,stat /b\n"
      "path allow all /c\npath deny /c\npath deny stat /d\npath deny all /e\n");
  EXPECT_EQ(policy.granted("/a"), kFive | PathOp::Stat);
  EXPECT_EQ(policy.granted("/b"), PathOps::all());
  EXPECT_EQ(policy.granted("/c"), PathOps(PathOp::Stat));
  EXPECT_EQ(policy.granted("/d"), PathOps());
  EXPECT_EQ(policy.granted("/e"), PathOps());
  EXPECT_EQ(policy.granted("/other"), PathOps(PathOp::Stat));
}

TEST(PathRules, ADirectoryIsNotWhatLiesBelowIt) {
  const Policy policy = policy_of("runtime none\npath allow read /a/**\npath allow read /b/\n");
  EXPECT_FALSE(allows(policy, PathOp::Read, "/a"));
  EXPECT_TRUE(allows(policy, PathOp::Read, "/a/x/y"));
  EXPECT_TRUE(allows(policy, PathOp::Read, "/b"));
  EXPECT_TRUE(allows(policy, PathOp::Read, "/b/x/y"));
  EXPECT_FALSE(allows(policy, PathOp::Read, "/bb"));
  EXPECT_FALSE(allows(policy_of("runtime none\npath allow read /"), PathOp::Read, "/x"));
  EXPECT_TRUE(allows(policy_of("runtime none\npath allow read /"), PathOp::Read, "/"));
  EXPECT_TRUE(allows(policy_of("runtime none\npath allow read /**"), PathOp::Read, "/"));
}

TEST(PathRules, WildcardsKeepToTheirComponent) {
  const Policy policy = policy_of(
      "runtime none\n"
      "path allow read /h/*.txt /q/?x /s/[a-c][!0-9] /b/{x,y{1,2}}/z /m/**/end\n");
  const auto read = [&](std::string_view name) { return allows(policy, PathOp::Read, name); };
  EXPECT_TRUE(read("/h/.txt"));
  EXPECT_TRUE(read("/h/.hidden.txt"));
  EXPECT_TRUE(read("/h/a\n\xff.txt"));
  EXPECT_FALSE(read("/h/a/b.txt"));
  EXPECT_TRUE(read("/q/.x"));
  EXPECT_FALSE(read("/q/x"));
  EXPECT_TRUE(read("/s/bz"));
  EXPECT_FALSE(read("/s/b1"));
  EXPECT_FALSE(read("/s/dz"));
  EXPECT_TRUE(read("/b/x/z"));
  EXPECT_TRUE(read("/b/y2/z"));
  EXPECT_FALSE(read("/b/y/z"));
  EXPECT_TRUE(read("/m/end"));
  EXPECT_TRUE(read("/m/a/end/b/end"));
  EXPECT_FALSE(read("/m/a/end/b"));
}

TEST(PathRules, QuotesAndBackslashesProtect) {
  const Policy policy = policy_of(
      "runtime none\n"
      "path allow read \"/a b/#c\" /d\\ e /f\\*g \"/h i/*\"   # a comment\n");
  const auto read = [&](std::string_view name) { return allows(policy, PathOp::Read, name); };
  EXPECT_TRUE(read("/a b/#c"));
  EXPECT_TRUE(read("/d e"));
  EXPECT_TRUE(read("/f*g"));
  EXPECT_FALSE(read("/fxg"));
  EXPECT_TRUE(read("/h i/x"));
}

TEST(PathRules, VariablesAreInsertedAsPlainText) {
  FakeWorld world;
  world.variables["HOME"] = "/home/[u]*";
  const Policy policy = policy_of(
      "runtime none\n"
      "define WORK ${HOME}/w\n"
      "define GLOB \"/g/*\"\n"
      "path allow read ~/x ${WORK}/* ${GLOB}\n",
      world);
  EXPECT_TRUE(allows(policy, PathOp::Read, "/home/[u]*/x"));
  EXPECT_TRUE(allows(policy, PathOp::Read, "/home/[u]*/w/x"));
  EXPECT_FALSE(allows(policy, PathOp::Read, "/home/uu/x"));
  EXPECT_TRUE(allows(policy, PathOp::Read, "/g/*"));
  EXPECT_FALSE(allows(policy, PathOp::Read, "/g/x"));
}

TEST(PathRules, AnUnknownProgramMatchesNothing) {
  FakeWorld world;
  world.variables["PROGRAM"] = "";
  const Policy policy = policy_of(
      "path allow all ${PROGRAM} ${PROGRAM}/**\n"
      "network allow unix ${PROGRAM}\n",
      world);
  EXPECT_EQ(policy.granted("/x"), PathOps(PathOp::Stat));
  Endpoint endpoint;
  endpoint.kind = Endpoint::Kind::UnixPath;
  endpoint.name = "/x";
  EXPECT_FALSE(policy.network({NetFamily::Unix, NetOp::Connect, endpoint}).allowed());
}

TEST(PathRules, APatternThroughALinkMatchesTheObject) {
  FakeWorld world;
  world.links = {{"/bin", "/usr/bin"}, {"/usr/bin/sh", "/usr/bin/dash"}};
  const Policy policy = policy_of("path allow execute /bin/sh /bin/x*\npath deny /bin/sh\n", world);
  EXPECT_EQ(policy.path(PathOp::Execute, "/usr/bin/dash").rule->position.line, 2);
  EXPECT_EQ(policy.path(PathOp::Delete, "/usr/bin/sh").rule->position.line, 2);
  EXPECT_TRUE(allows(policy, PathOp::Execute, "/usr/bin/xyz"));
  ASSERT_FALSE(policy.warnings().empty());
  EXPECT_EQ(policy.warnings()[0],
            "p.policy:1:20: warning: \"/bin/sh\" leads through a symbolic link; what is matched "
            "is \"/usr/bin/dash\"");
}

TEST(PathRules, TheLongestExistingPrefixIsResolved) {
  FakeWorld world;
  world.links = {{"/var/run", "/run"}};
  world.missing = {"/var/run/new/dir/x", "/var/run/new/dir", "/var/run/new"};
  const Policy policy = policy_of("path allow /var/run/new/dir/x\n", world);
  EXPECT_TRUE(allows(policy, PathOp::Create, "/run/new/dir/x"));
}

TEST(PathRules, NamesThatDifferByProcessAreMatchedAsWritten) {
  FakeWorld world;
  world.links = {
      {"/proc/self", "/proc/4711"}, {"/dev/stdin", "/dev/pts/9"}, {"/dev/fd", "/proc/4711/fd"}};
  const Policy policy = policy_of("path allow read /proc/self/exe /dev/fd/3 /proc/mounts\n", world);
  EXPECT_TRUE(allows(policy, PathOp::Read, "/proc/self/exe"));
  EXPECT_TRUE(allows(policy, PathOp::Read, "/dev/fd/3"));
  EXPECT_TRUE(allows(policy, PathOp::Read, "/proc/self/mounts"));
}

TEST(NewNames, AFileMayGoWhereNothingMoreIsGranted) {
  const Policy policy =
      policy_of("path allow /a/**\npath allow read /r/**\npath allow all /x/**\n");
  EXPECT_FALSE(policy.widens("/a/1", "/a/2", false));
  EXPECT_FALSE(policy.widens("/a/1", "/r/2", false));
  const auto wider = policy.widens("/r/1", "/a/2", false);
  ASSERT_TRUE(wider.has_value());
  EXPECT_EQ(wider->op, PathOp::Write);
  EXPECT_EQ(wider->rule->position.line, 1);
  EXPECT_FALSE(wider->allowed());
  EXPECT_EQ(policy.widens("/a/1", "/x/2", false)->op, PathOp::Execute);
}

TEST(NewNames, ADirectoryMayMoveWithinASubtreeThatStatementsCannotTellApart) {
  const Policy tmp = policy_of("path allow /tmp/**\n");
  EXPECT_FALSE(tmp.widens("/tmp/a", "/tmp/b", true));
  EXPECT_FALSE(tmp.widens("/tmp/a", "/tmp/c/d", true));
  const Policy all = policy_of("path allow all /**\n");
  EXPECT_FALSE(all.widens("/home/a", "/srv/b", true));
  const Policy star = policy_of("path allow all /**\npath deny /**/secret\npath deny /t/*/x\n");
  EXPECT_FALSE(star.widens("/t/a", "/t/b", true));
  EXPECT_TRUE(star.widens("/t/a", "/u/b", true));
}

TEST(NewNames, ARefusalBelowTheOldNameForbidsTheMove) {
  const Policy policy = policy_of("path allow /tmp/**\npath deny /tmp/a/secret\n");
  const auto wider = policy.widens("/tmp/a", "/tmp/b", true);
  ASSERT_TRUE(wider.has_value());
  EXPECT_EQ(wider->rule->position.line, 1);
  EXPECT_FALSE(policy.widens("/tmp/b", "/tmp/a", true));
}

TEST(NewNames, AGrantBelowTheNewNameForbidsTheMove) {
  const Policy policy = policy_of("path allow /w/**\npath allow execute /w/bin/*\n");
  EXPECT_EQ(policy.widens("/w/src", "/w/bin", true)->op, PathOp::Execute);
  EXPECT_FALSE(policy.widens("/w/bin", "/w/src", true));
}

TEST(NewNames, ADirectoryBringsNothingToWhereItMayNotBeCreated) {
  const Policy policy = policy_of("path allow /h/**\npath deny /h/.ssh/**\n");
  EXPECT_FALSE(policy.widens("/h/x", "/h/.ssh", true));
  EXPECT_TRUE(policy.can_plant("/h/x", "/h/.ssh"));
  EXPECT_FALSE(policy.can_plant("/h/x", "/h/y"));
  EXPECT_TRUE(policy_of("path allow /h/**\npath deny create /h/a/b/c\n").can_plant("/h/x", "/h/a"));
  EXPECT_FALSE(policy_of("path allow /h/**\npath deny read /h/a/b\n").can_plant("/h/x", "/h/a"));
  EXPECT_FALSE(policy_of("path allow /h/**\npath deny /**/.git/**\n").can_plant("/h/x", "/h/a"));
  EXPECT_TRUE(policy_of("path allow /h/**\npath deny /**/.git/**\n").can_plant("/h/x", "/h/.git"));
  EXPECT_TRUE(policy_of("path allow /h/**\n").can_plant("/h/x", "/i"));
}

TEST(NewNames, ASocketIsReachedByNoNameThatGrantsMore) {
  const Policy policy = policy_of(
      "path allow /t/**\nnetwork allow unix connect,send /t/mine/**\nnetwork allow unix bind "
      "/t/b/*\n");
  EXPECT_EQ(policy.socket_change("/t/bus", "/t/mine/x", false), NetOp::Connect);
  EXPECT_EQ(policy.socket_change("/t/d", "/t/mine/d", true), NetOp::Connect);
  EXPECT_EQ(policy.socket_change("/t/d", "/t/mine", true), NetOp::Connect);
  EXPECT_FALSE(policy.socket_change("/t/mine/x", "/t/mine/y", false));
  EXPECT_FALSE(policy.socket_change("/t/mine/x", "/t/c", true));
  EXPECT_EQ(policy.socket_change("/t/b/s", "/t/c", false), NetOp::Bind);
  EXPECT_FALSE(policy.socket_change("/t/c", "/t/b/s", false));
  EXPECT_FALSE(policy.socket_change("/t/c", "/t/e", true));
  const Policy all =
      policy_of("path allow /t/**\nnetwork allow unix\nnetwork deny unix connect /t/a\n");
  EXPECT_EQ(all.socket_change("/t/a", "/t/b", false), NetOp::Connect);
  EXPECT_FALSE(all.socket_change("/t/b", "/t/c", false));
  EXPECT_TRUE(policy.needs().sockets);
  EXPECT_FALSE(policy_of("network deny all\n").needs().sockets);
}

TEST(Needs, FollowWhatThePolicyCanTellApart) {
  const auto needs = [](const std::string& text) { return policy_of(text).needs(); };
  PolicyNeeds all = needs("path allow all /**\nnetwork allow all\nsignal allow all\n");
  EXPECT_FALSE(all.paths || all.attributes || all.execute || all.stat || all.network ||
               all.signals);
  EXPECT_TRUE(needs("").paths);
  EXPECT_FALSE(needs("").stat);
  EXPECT_TRUE(needs("").network);
  EXPECT_TRUE(needs("").signals);
  EXPECT_TRUE(needs("path allow /**").execute);
  EXPECT_FALSE(needs("path allow /**").paths);
  EXPECT_TRUE(needs("path allow all /**\npath deny read /x").paths);
  EXPECT_FALSE(needs("path allow all /**\npath deny execute /x").paths);
  EXPECT_FALSE(needs("path deny read /x\npath allow all /**").paths);
  EXPECT_TRUE(needs("path allow log all /**").paths);
  EXPECT_TRUE(needs("path deny stat /x").stat);
  EXPECT_FALSE(needs("path allow stat /x").stat);
  EXPECT_FALSE(needs("network deny tcp\nnetwork allow all").network);
  EXPECT_TRUE(needs("network allow all\nnetwork deny tcp").network);
  EXPECT_TRUE(needs("signal allow all\nsignal deny sandbox").signals);
}

TEST(Warnings, NameStatementsThatCanNeverDecide) {
  const auto lines = [](const std::string& text) {
    std::vector<std::string> out;
    const Policy policy = policy_of(text);
    for (const std::string& warning : policy.warnings()) {
      EXPECT_THAT(warning, HasSubstr("warning: this statement can never decide"));
      out.push_back(warning.substr(0, warning.find(": ")));
    }
    return out;
  };
  EXPECT_THAT(lines("path deny /etc/passwd\npath allow /etc/**\n"), IsEmpty());
  EXPECT_THAT(lines("path deny read /etc/passwd\npath allow /etc/**\n"),
              ElementsAre("p.policy:1:1"));
  EXPECT_THAT(lines("path allow /a/*/b\npath deny /a/*/b\n"), ElementsAre("p.policy:1:1"));
  EXPECT_THAT(lines("path allow /a/x*\npath deny /a/*\n"), ElementsAre("p.policy:1:1"));
  EXPECT_THAT(lines("path allow /a/*\npath deny /a/x*\n"), IsEmpty());
  EXPECT_THAT(lines("path allow /a/\npath deny /a/**\n"), IsEmpty());
  EXPECT_THAT(lines("path allow read /a/**/x/y\npath deny /a/**/y\n"), ElementsAre("p.policy:1:1"));
  EXPECT_THAT(lines("path allow read /a/**/x\npath deny /a/*/x\n"), IsEmpty());
  EXPECT_THAT(lines("path allow /a /b\npath deny /a\n"), IsEmpty());
  EXPECT_THAT(lines("network allow tcp\nnetwork deny all\n"), ElementsAre("p.policy:1:1"));
  EXPECT_THAT(lines("network allow tcp connect 1.2.3.4:80\nnetwork deny tcp connect 1.0.0.0/8\n"),
              IsEmpty());  // it still lets tcp sockets be made
  EXPECT_THAT(lines("network deny tcp connect 1.2.3.4:80\nnetwork allow tcp connect 1.0.0.0/8\n"),
              ElementsAre("p.policy:1:1"));
  EXPECT_THAT(lines("signal allow sandbox\nsignal deny all\n"), ElementsAre("p.policy:1:1"));
  EXPECT_THAT(lines("limit nofile 10\nlimit nofile 20\n"), ElementsAre("p.policy:1:1"));
}

TEST(Warnings, SayWhatDoesNotExist) {
  FakeWorld world;
  world.missing = {"/gone"};
  const Policy policy = policy_of("path allow /gone\n", world);
  EXPECT_THAT(policy.warnings(),
              ElementsAre("p.policy:1:12: warning: \"/gone\" does not exist now"));
}

TEST(Warnings, SayThatADirectoryIsNamedAlone) {
  FakeWorld world;
  world.directories = {"/", "/dir", "/a b"};
  const auto warnings = [&](const std::string& text) {
    return policy_of("runtime none\n" + text, world).warnings_of_directories(world);
  };
  const auto count = [&](const std::string& text) { return warnings(text).size(); };
  EXPECT_THAT(warnings("path allow /**\npath deny /dir\n"),
              ElementsAre("p.policy:3:1: warning: \"/dir\" is a directory, and this speaks of it "
                          "alone: what is in it can still be read (expected \"/dir/\", which is "
                          "both)"));
  EXPECT_THAT(warnings("path allow /dir\n"),
              ElementsAre(testing::HasSubstr("is not granted (expected \"/dir/\"")));
  EXPECT_THAT(warnings("path allow /\n"), ElementsAre(testing::HasSubstr("(expected \"/**\"")));
  EXPECT_EQ(count("path allow \"/a b\"\n"), 1);
  EXPECT_EQ(count("path allow /**\npath kill write /dir\n"), 1);
  EXPECT_EQ(count("path allow /**\npath deny write /dir\npath deny read /dir/**\n"), 1);
  // What may well be meant: listing, hiding, keeping it where it is; what others speak of.
  EXPECT_EQ(count("path allow read /dir\n"), 0);
  EXPECT_EQ(count("path allow /**\npath deny stat,delete /dir\n"), 0);
  EXPECT_EQ(count("path allow /dir /dir/*.txt\n"), 0);
  EXPECT_EQ(count("path allow /**\npath deny /dir /dir/**/x\n"), 0);
  EXPECT_EQ(count("path deny /dir\n"), 0);
  EXPECT_EQ(count("path allow /**\npath deny /file\npath deny /dir/\n"), 0);
}

TEST(PathRules, ARefusalInADirectoryThatIgnoresCaseIsWarnedOf) {
  FakeWorld world;
  world.loose = {"/media/stick", "/fold"};
  const auto warnings = [&](const std::string& statement) {
    return std::ranges::count_if(
        policy_of("runtime none\n" + statement, world).warnings(),
        [](const std::string& text) { return text.find(" ignores case: ") != std::string::npos; });
  };
  EXPECT_EQ(warnings("path deny read /media/stick/Secret"), 1);
  EXPECT_EQ(warnings("path deny read /media/stick/*.key"), 1);
  EXPECT_EQ(warnings("path kill read /fold/a/b/**"), 1);
  EXPECT_EQ(warnings("path deny read /media/stick/** /media/stick/*"), 0);
  EXPECT_EQ(warnings("path deny read /media/Secret"), 0);
  EXPECT_EQ(warnings("path allow read /media/stick/Secret"), 0);
}

}  // namespace
}  // namespace callgate
