// The language as it is written: words, statements, includes, and what is said of mistakes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "policy/diagnostic.h"
#include "tests/policy/fake_world.h"

namespace callgate {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST(Mistakes, ShowTheLineACaretAndTheNearestWord) {
  EXPECT_EQ(mistake_in("path alow read /x\n"),
            "p.policy:1:6: unknown verdict \"alow\" (expected allow, deny or kill)\n"
            "  path alow read /x\n"
            "       ^\n"
            "  did you mean \"allow\"?\n");
  EXPECT_EQ(mistake_in("\n\tpath allow raed,write /x # why\n"),
            "p.policy:2:13: unknown operation \"raed\" (expected read, write, create, delete, "
            "attributes, execute, stat or all)\n"
            "   path allow raed,write /x # why\n"
            "              ^\n"
            "  did you mean \"read\"?\n");
  EXPECT_EQ(mistake_in("path Deny /x"),
            "p.policy:1:6: unknown verdict \"Deny\" (expected allow, deny or kill)\n"
            "  path Deny /x\n"
            "       ^\n"
            "  did you mean \"deny\"?\n");
  EXPECT_EQ(mistake_in("path allow read\n"),
            "p.policy:1:16: the pattern is missing (expected an absolute path, such as "
            "/usr/share/**)\n"
            "  path allow read\n"
            "                 ^\n");
  EXPECT_EQ(mistake_in("path allow read src/*"),
            "p.policy:1:17: the pattern \"src/*\" is not absolute (expected / or ~/ or a variable "
            "at its beginning)\n"
            "  path allow read src/*\n"
            "                  ^\n"
            "  did you mean \"${CWD}/src/*\"?\n");
  EXPECT_EQ(
      mistake_in("path ask /x"),
      "p.policy:1:6: the verdict \"ask\" is not supported yet (expected allow, deny or kill)\n"
      "  path ask /x\n"
      "       ^\n");
}

TEST(Mistakes, SuggestWhatCanBeMeant) {
  const struct {
    const char* text;
    const char* suggestion;
  } kCases[] = {{"path allow $HOME/x", "${HOME}/x"},
                {"path allow $TMP", "${TMP}"},
                {"path allow ./src/*", "${CWD}/src/*"},
                {"network allow tcp connect 80", "*:80"},
                {"network allow tcp :80-90", "*:80-90"},
                {"network allow tcp ::1", "[::1]:*"},
                {"network allow tcp ::1:443", "[::1]:443"},
                {"path allow \u201c/x\u201d", "/x"},
                {"limit nofile 1GB", "1G"}};
  for (const auto& one : kCases) {
    EXPECT_THAT(mistake_in(one.text),
                HasSubstr("did you mean \"" + std::string(one.suggestion) + "\"?"))
        << one.text;
  }
  for (const char* text : {"path allow ../x", "path allow $HOMES/x", "path allow C:\\x"}) {
    EXPECT_THAT(mistake_in(text), Not(HasSubstr("did you mean"))) << text;
  }
}

TEST(Mistakes, AreNoneWhereASeparatorIsEscaped) {
  for (const char* text : {"path deny /a\\, /b", "path deny /a\\; /b", "path deny /{a,}",
                           "path deny /a,b /c;d", "path deny /a\\\\\\, /b"}) {
    EXPECT_EQ(mistake_in(text), "") << text;
  }
}

TEST(Mistakes, PointAtTheByteThatIsWrong) {
  const struct {
    const char* text;
    const char* begins;
  } kCases[] = {
      {"allow /x", "p.policy:1:1: unknown statement \"allow\""},
      {"path", "p.policy:1:5: the verdict is missing"},
      {"path deny /a, /b", "p.policy:1:13: \",\" ends a pattern (expected a blank between"},
      {"path deny /a; path deny /b", "p.policy:1:13: \";\" ends a pattern"},
      {"path deny /a\\\\, /b", "p.policy:1:15: \",\" ends a pattern"},
      {"network deny unix /a, /b", "p.policy:1:21: \",\" ends a pattern"},
      {"network deny unix @a, @b", "p.policy:1:21: \",\" ends a pattern"},
      {"path allow /a network deny all", "p.policy:1:15: \"network\" is no pattern"},
      {"path deny as EPREM /x", "p.policy:1:14: unknown errno \"EPREM\""},
      {"path allow as EPERM /x", "p.policy:1:12: only deny can say `as`"},
      {"path allow read write /x", "p.policy:1:17: \"write\" is no pattern"},
      {"path allow read,,write /x", "p.policy:1:17: a comma without a word before it"},
      {"path allow exec /x", "p.policy:1:12: unknown operation \"exec\""},
      {"path allow /a/../b", "p.policy:1:15: a pattern cannot hold .."},
      {"path allow /a/x**", "p.policy:1:16: ** shares a component"},
      {"path allow /a/[z-a]", "p.policy:1:17: this range runs backwards"},
      {"path allow /a/[bc", "p.policy:1:15: this [ is never closed"},
      {"path allow /a/{b,c", "p.policy:1:15: this { is never closed"},
      {"path allow /a/b}", "p.policy:1:16: this } closes nothing"},
      {"path allow /{a,b{c,[z-a]}}", "p.policy:1:22: this range runs backwards"},
      {"path allow ${HOMER}/x", "p.policy:1:12: the variable \"HOMER\" is not defined"},
      {"path allow ${HOME/x", "p.policy:1:12: this ${ is never closed"},
      {"path allow ~bob/x", "p.policy:1:12: only ~/ is known"},
      {"path allow \"/a b", "p.policy:1:12: this quote is never closed"},
      {"path allow \"\"", "p.policy:1:12: the pattern is empty"},
      {"path allow /a#b", "p.policy:1:14: a # inside a word"},
      {"path allow /a\\", "p.policy:1:14: a backslash ends the line"},
      {"path allow\xc2\xa0/a", "p.policy:1:11: this blank is a no-break space"},
      {"\xef\xbb\xbfpath allow /a", "p.policy:1:1: this blank is a byte order mark"},
      {"path allow /a\x1b[2J", "p.policy:1:14: the control character \\x1b"},
      {"path allow /a\rb", "p.policy:1:14: the control character \\x0d"},
      {"network allow", "p.policy:1:14: the family is missing"},
      {"network allow tpc", "p.policy:1:15: unknown family \"tpc\""},
      {"network allow all connect", "p.policy:1:19: `all` is a whole statement"},
      {"network allow tcp conect *:80", "p.policy:1:19: unknown network operation \"conect\""},
      {"network allow tcp 10.0.0.0/33", "p.policy:1:28: the prefix \"33\" is not a length"},
      {"network allow tcp 1.2.3.4:99999", "p.policy:1:27: \"99999\" is not a port"},
      {"network allow tcp 1.2.3.4:9-1", "p.policy:1:27: the range \"9-1\" runs backwards"},
      {"network allow tcp ::1", "p.policy:1:19: an IPv6 address stands in brackets"},
      {"network allow tcp 1.2.3", "p.policy:1:19: \"1.2.3\" is not an address"},
      {"network allow tcp /run/x", "p.policy:1:19: \"/run/x\" is a unix endpoint"},
      {"network allow unix 1.2.3.4", "p.policy:1:20: \"1.2.3.4\" is not a unix endpoint"},
      {"network allow netlink rout", "p.policy:1:23: unknown netlink protocol \"rout\""},
      {"network allow vsock 3", "p.policy:1:21: vsock sockets have no endpoints"},
      {"network allow tcp no.such.host:80", "p.policy:1:19: the host \"no.such.host\" cannot be"},
      {"signal allow everyone", "p.policy:1:14: unknown target"},
      {"signal allow all x", "p.policy:1:18: \"x\" is too much here"},
      {"syscall deny mkdirr", "p.policy:1:14: unknown system call \"mkdirr\""},
      {"syscall deny log mkdir", "p.policy:1:14: a syscall statement cannot log"},
      {"syscall deny mkdir when arg7 == 1", "p.policy:1:25: unknown argument"},
      {"syscall deny mkdir when arg1 = 1", "p.policy:1:30: unknown comparison"},
      {"syscall deny mkdir when arg1 == x", "p.policy:1:33: \"x\" is not a number"},
      {"limit nofiles 3", "p.policy:1:7: unknown resource \"nofiles\""},
      {"limit nofile 3x", "p.policy:1:14: \"3x\" is not a limit"},
      {"limit nofile 99999999T", "p.policy:1:14: \"99999999T\" is not a limit"},
      {"environment set A", "p.policy:1:17: \"A\" has no value"},
      {"environment keep A=1", "p.policy:1:19: only `set` gives a value"},
      {"define HOME /x", "p.policy:1:8: HOME is a built-in variable"},
      {"define 1X /x", "p.policy:1:8: \"1X\" cannot name a variable"},
      {"runtime nothing", "p.policy:1:9: unknown runtime"},
      {"include \"nothing\"", "p.policy:1:9: unknown profile \"nothing\""},
  };
  for (const auto& wrong : kCases) {
    EXPECT_THAT(mistake_in(wrong.text), StartsWith(wrong.begins)) << wrong.text;
  }
}

TEST(Mistakes, EscapeWhatThePolicySays) {
  const std::string said = mistake_in(std::string("path \x1b[31m /x\n"));
  EXPECT_EQ(said.find('\x1b'), std::string::npos);
  EXPECT_EQ(mistake_in(std::string("path allow /\0x", 14)),
            "p.policy:1:13: a NUL byte (expected text)\n"
            "  path allow /\\x00x\n"
            "              ^\n");
  const std::string bidi = mistake_in("path \xe2\x80\xae/x");
  EXPECT_EQ(bidi.find("\xe2\x80\xae"), std::string::npos);
}

TEST(Mistakes, ShowNothingThatCannotBeSeen) {
  for (const char* hidden :
       {"\xc2\x9b", "\xc2\xad", "\xd8\x9c", "\xe1\xa0\x8e", "\xe2\x80\x8b", "\xe2\x80\xae",
        "\xe2\x81\xa9", "\xe3\x85\xa4", "\xef\xb8\x8f", "\xef\xbb\xbf", "\xf3\xa0\x81\x81"}) {
    EXPECT_EQ(escape_foreign(hidden).find(hidden), std::string::npos) << escape_foreign(hidden);
  }
  EXPECT_EQ(escape_foreign("na\xc3\xafve \xe6\x97\xa5"), "na\xc3\xafve \xe6\x97\xa5");
}

TEST(Mistakes, ShowTheNeighbourhoodOfAFaultInALongLine) {
  const std::string path(30000, 'x');
  const std::string said = mistake_in("path allow /" + path + " bad/ /" + path);
  EXPECT_LT(said.size(), 600u);
  EXPECT_THAT(said, AllOf(StartsWith("p.policy:1:30014: "), HasSubstr("bad/ /xxx")));
}

TEST(Mistakes, AreFoundInAnyTextWithoutACrash) {
  const std::string seed =
      "path deny as EPERM log read,write \"/a b/{x,[a-z]*}/**\" ~/x # c\ndefine X ${HOME}/y\n"
      "network allow tcp connect,bind 10.0.0.0/8:1-2 [::1/64]:* *:80\nlimit as 3K\n"
      "network deny unix @a{b,c}* ${X}/\nsyscall deny mkdir when arg0 & 0x1 == 1\n"
      "environment set A=b\ninclude x\nnetwork kill netlink route,\\\nsignal allow all\n";
  std::mt19937 dice(7);
  for (int round = 0; round < 3000; ++round) {
    std::string text = seed;
    for (auto changes = dice() % 6; changes > 0; --changes) {
      const size_t at = dice() % text.size();
      switch (dice() % 3) {
        case 0:
          text[at] = static_cast<char>(dice());
          break;
        case 1:
          text.erase(at, dice() % 5);
          break;
        default:
          text.insert(at, 1, "{}[]\"\\$~/*,:@#-"[dice() % 16]);
          break;
      }
    }
    const std::string said = mistake_in(text);
    if (!said.empty()) {
      EXPECT_THAT(said, StartsWith("p.policy:"));
    }
  }
  EXPECT_THAT(mistake_in("path allow /" + std::string(20000, '{')), HasSubstr("too deep"));
  std::string groups;
  for (int i = 0; i < 15000; ++i) groups += "{a}";
  EXPECT_THAT(mistake_in("path allow /" + groups), HasSubstr("too many braces"));
  std::string escaped;
  for (int i = 0; i < 100; ++i) escaped += "\\{\\}";
  EXPECT_EQ(mistake_in("path allow /" + escaped), "");  // none of them opens a group
  EXPECT_THAT(mistake_in("path allow /" + escaped + groups), HasSubstr("too many braces"));
  EXPECT_THAT(mistake_in("path allow /{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}"),
              HasSubstr("too many patterns"));
}

// Neither takes memory that its few bytes do not warrant.
TEST(Mistakes, StopAPolicyThatWouldGrowWithoutBound) {
  std::string doubling = "define A /xxxxxxxxxxxxxxx\n";
  for (int i = 0; i < 40; ++i) doubling += "define A ${A}${A}\n";
  EXPECT_THAT(mistake_in(doubling), AllOf(StartsWith("p.policy:14:14: "), HasSubstr("too long")));
  std::string braces;
  for (int i = 0; i < 10; ++i) braces += "{a,b}";
  EXPECT_THAT(mistake_in("path allow /" + braces + std::string(60000, 'x')),
              AllOf(StartsWith("p.policy:1:12: "), HasSubstr("too many patterns")));
  EXPECT_EQ(mistake_in("path allow /" + braces + std::string(4000, 'x')), "");
}

TEST(Lines, EndWithNewlineOrNothingOrCarriageReturn) {
  for (const char* text : {"path allow /x", "path allow /x\n", "path allow /x\r\n\r\n# end\r\n",
                           "\t path\tallow  /x\t\n"}) {
    EXPECT_TRUE(allows(policy_of(text), PathOp::Read, "/x")) << text;
  }
  const std::string longest = "path allow /" + std::string(65536 - 12, 'x');
  EXPECT_EQ(mistake_in(longest), "");
  EXPECT_THAT(mistake_in(longest + "x"), StartsWith("p.policy:1:65537: the line is too long"));
}

TEST(Lines, LogMayFollowTheVerdictOrEndTheStatement) {
  const Policy policy = policy_of(
      "path deny log /a\npath deny as EPERM log /b\npath deny /c log\nnetwork deny tcp log\n"
      "signal allow all log\n");
  for (const char* name : {"/a", "/b", "/c"}) EXPECT_TRUE(policy.path(PathOp::Read, name).log);
  EXPECT_TRUE(policy.network({NetFamily::Tcp, NetOp::Create, {}}).log);
  EXPECT_TRUE(policy.signal(false).log);
  EXPECT_TRUE(policy.signal(false).allowed());
}

TEST(Lines, OperationListsMayHoldBlanks) {
  for (const char* ops : {"read,write", "read, write", "read ,write", "read , write"}) {
    const Policy policy = policy_of("path allow " + std::string(ops) + " /x");
    EXPECT_EQ(policy.granted("/x"), PathOps({PathOp::Read, PathOp::Write, PathOp::Stat})) << ops;
  }
}

TEST(Statements, AboutTheProcess) {
  const Policy policy = policy_of(
      "syscall deny as ENOSYS mkdir rmdir when arg1 & 0x3 == 1\n"
      "limit nofile 2K\nlimit core 0\nlimit as unlimited\n"
      "environment keep LC_* PATH\nenvironment drop LD_*\n"
      "environment set GREETING=\"hello  world\" H=${HOME}/x\n");
  ASSERT_EQ(policy.syscall_rules().size(), 2u);
  const SyscallRule& rule = policy.syscall_rules()[1];
  EXPECT_EQ(rule.name, "rmdir");
  EXPECT_EQ(rule.error, ENOSYS);
  EXPECT_EQ(rule.when->op, SyscallRule::Op::MaskedEq);
  EXPECT_EQ(rule.when->mask, 3u);
  EXPECT_EQ(rule.when->value, 1u);
  EXPECT_EQ(policy.limits()[0].value, 2048u);
  EXPECT_EQ(policy.limits()[2].value, UINT64_MAX);
  ASSERT_EQ(policy.environment().size(), 5u);
  EXPECT_EQ(policy.environment()[0].name, "LC_*");
  EXPECT_EQ(policy.environment()[3].value, "hello  world");
  EXPECT_EQ(policy.environment()[4].value, "/home/u/x");
  EXPECT_THAT(policy.describe(), AllOf(HasSubstr("deny (ENOSYS) rmdir when arg1 & 3 == 1"),
                                       HasSubstr("nofile 2048"), HasSubstr("[runtime:2]")));
}

TEST(Signals, StayInsideUnlessAllowedOut) {
  EXPECT_TRUE(policy_of("").signal(true).allowed());
  EXPECT_FALSE(policy_of("").signal(false).allowed());
  EXPECT_EQ(policy_of("").signal(false).error, EPERM);
  EXPECT_FALSE(policy_of("signal deny sandbox").signal(true).allowed());
  EXPECT_FALSE(policy_of("signal deny all").signal(true).allowed());
  EXPECT_FALSE(policy_of("signal allow sandbox").signal(false).allowed());
}

TEST(Includes, StandInPlace) {
  FakeWorld world;
  world.profiles["base"] = "path allow /a /b\ndefine X /c\n";
  world.files["d/main.policy"] =
      "path deny /a\ninclude base\ninclude more.policy\npath allow ${X}\n";
  world.files["d/more.policy"] = "path deny /b\n";
  const std::vector<PolicySource> sources = {{"d/main.policy"}};
  auto loaded = load_policy(sources, world);
  ASSERT_TRUE(std::holds_alternative<Policy>(loaded)) << std::get<PolicyError>(loaded).message;
  const Policy& policy = std::get<Policy>(loaded);
  EXPECT_EQ(policy.path(PathOp::Read, "/a").rule->where(), "profile:base:1");
  EXPECT_EQ(policy.path(PathOp::Read, "/b").rule->where(), "d/more.policy:1");
  EXPECT_TRUE(allows(policy, PathOp::Read, "/c"));
}

TEST(Includes, ShowNoProfilesNameAsItIs) {
  FakeWorld world;
  world.profiles = {{"a\x1b[2J", ""}};
  EXPECT_THAT(mistake_in("include b\n", world), HasSubstr("(expected a\\x1b[2J, or a path"));
}

TEST(Includes, ThatCannotBeReadAreMistakes) {
  FakeWorld world;
  world.files["a.policy"] = "include b.policy\n";
  world.files["b.policy"] = "\ninclude a.policy\n";
  world.unreadable = {{"/dir", EISDIR}, {"/no.policy", EACCES}};
  world.profiles["pdf-reader"] = "";
  world.profiles["loop"] = "include loop";
  const auto load = [&](const char* word) {
    const std::vector<PolicySource> sources = {{word}};
    auto loaded = load_policy(sources, world);
    const auto* error = std::get_if<PolicyError>(&loaded);
    return error == nullptr ? std::string() : error->message;
  };
  EXPECT_EQ(load("a.policy"),
            "b.policy:2:9: including \"a.policy\" again would never end (expected no cycle)\n"
            "  include a.policy\n"
            "          ^\n");
  EXPECT_THAT(load("loop"), StartsWith("profile:loop:1:9: including \"loop\" again"));
  EXPECT_EQ(load("/dir"),
            "/dir: \"/dir\" cannot be read: Is a directory (expected a policy file)\n");
  EXPECT_EQ(
      load("pdfreader"),
      "pdfreader: unknown profile \"pdfreader\" (expected loop or pdf-reader, or a path ending "
      "in .policy)\n  did you mean \"pdf-reader\"?\n");
  EXPECT_THAT(mistake_in("include /no.policy", world),
              StartsWith("p.policy:1:9: \"/no.policy\" cannot be read: Permission denied"));
  EXPECT_THAT(mistake_in("include \"pdf-raeder\"", world),
              HasSubstr("did you mean \"pdf-reader\"?"));
}

TEST(Sources, AreReadInOrderAsOnePolicy) {
  FakeWorld world;
  world.files["a.policy"] = "path allow /x\nruntime none\n";
  world.files["b.policy"] = "path deny /x\n";
  const std::vector<PolicySource> sources = {{"a.policy"}, {"b.policy"}};
  auto loaded = load_policy(sources, world);
  const Policy& policy = std::get<Policy>(loaded);
  EXPECT_EQ(policy.path(PathOp::Read, "/x").rule->where(), "b.policy:1");
  EXPECT_EQ(policy.statements().size(), 2u);
}

}  // namespace
}  // namespace callgate
