// The indexed matcher against the plain one, on random policies and names.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/policy/fake_world.h"
#include "policy/network_index.h"
#include "policy/path_index.h"

namespace callgate {
namespace {

class Dice {
 public:
  explicit Dice(unsigned seed) : engine_(seed) {}
  size_t below(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(engine_); }
  template <typename T, size_t N>
  const T& of(const T (&choices)[N]) {
    return choices[below(N)];
  }

 private:
  std::mt19937 engine_;
};

Pattern random_pattern(Dice& dice) {
  static constexpr const char* kParts[] = {"a",  "b",     "ab",   "*",     "a*",  "*b",
                                           "**", "?",     "[ab]", "[!a]?", "a*b", "*a*",
                                           "**", "{a,b}", "b*a*", "\\*"};
  static constexpr const char* kEnds[] = {"", "", "/", "/**"};
  std::string text;
  const size_t count = dice.below(5);
  for (size_t i = 0; i < count; ++i) text += std::string("/") + dice.of(kParts);
  text += dice.of(kEnds);
  if (text.empty()) text = "/";
  Word word;
  word.text = text;
  word.columns.assign(text.size(), 1);
  std::vector<Pattern> patterns;
  const auto mistake = parse_pattern(word, &patterns);
  EXPECT_FALSE(mistake.has_value()) << text << ": " << mistake->what;
  return patterns[dice.below(patterns.size())];
}

std::string random_name(Dice& dice) {
  static constexpr const char* kParts[] = {"a",
                                           "b",
                                           "ab",
                                           "ba",
                                           "aab",
                                           "bab",
                                           "*",
                                           "\n",
                                           "\xff"
                                           "a"};
  std::string name;
  const size_t count = dice.below(6);
  for (size_t i = 0; i < count; ++i) name += std::string("/") + dice.of(kParts);
  return name.empty() ? "/" : name;
}

TEST(PathIndex, AgreesWithThePlainMatcher) {
  Dice dice(1);
  for (int round = 0; round < 1500; ++round) {
    PathIndex index;
    std::vector<std::pair<Pattern, unsigned>> rules;
    const size_t count = 1 + dice.below(round % 10 == 0 ? 60 : 10);
    for (size_t i = 0; i < count; ++i) {
      rules.emplace_back(random_pattern(dice), static_cast<unsigned>(1 + dice.below(127)));
      index.add(rules.back().first, rules.back().second, static_cast<int32_t>(i));
    }
    index.freeze();
    for (int asked = 0; asked < 40; ++asked) {
      const std::string name = random_name(dice);
      Slots expected = no_slots();
      for (size_t i = 0; i < count; ++i) {
        if (!pattern_matches(rules[i].first, name)) continue;
        for (size_t slot = 0; slot < kSlotCount; ++slot) {
          if ((rules[i].second >> slot & 1) != 0) expected[slot] = static_cast<int32_t>(i);
        }
      }
      ASSERT_EQ(index.find(name), expected) << name;
      // A statement that covers a pattern matches every name which the pattern matches.
      for (const auto& [pattern, slots] : rules) {
        if (!pattern_matches(pattern, name)) continue;
        const Slots covering = index.covering(pattern);
        for (const int32_t rule : covering) {
          if (rule < 0) continue;
          ASSERT_GE(*std::max_element(expected.begin(), expected.end()), rule)
              << pattern.text() << " by " << rules[static_cast<size_t>(rule)].first.text() << ' '
              << name;
        }
        for (size_t slot = 0; slot < kSlotCount; ++slot) {
          ASSERT_GE(expected[slot], covering[slot]) << pattern.text() << ' ' << name;
        }
      }
    }
  }
}

TEST(PathIndex, ManySiblingGlobsAgreeWithThePlainMatcher) {
  PathIndex index;
  std::vector<Pattern> patterns;
  for (int i = 0; i < 300; ++i) {
    static const char* kForms[] = {"/d/*x%*", "/d/%*", "/d/*%", "/d/[0-9]%?", "/d/q*%*", "/d/*%*z"};
    std::string text = kForms[i % 6];
    text.replace(text.find('%'), 1, std::to_string(i));
    Word word;
    word.text = text;
    word.columns.assign(text.size(), 1);
    ASSERT_FALSE(parse_pattern(word, &patterns).has_value());
    index.add(patterns.back(), 1, i);
  }
  index.freeze();
  Dice dice(2);
  for (int round = 0; round < 5000; ++round) {
    std::string name = "/d/";
    static constexpr const char* kParts[] = {"x", "q", "1", "2", "17", "99", "z", "120", "\xe9"};
    for (size_t i = dice.below(6); i > 0; --i) name += dice.of(kParts);
    int32_t expected = -1;
    for (size_t i = 0; i < patterns.size(); ++i) {
      if (pattern_matches(patterns[i], name)) expected = static_cast<int32_t>(i);
    }
    ASSERT_EQ(index.find(name)[0], expected) << name;
  }
}

// Everything a directory could hold, to a depth at which the small alphabet repeats itself.
// By value: `out` may move while its own element is being extended.
// NOLINTNEXTLINE(performance-unnecessary-value-param)
void names_below(std::string directory, int depth, std::vector<std::string>* out) {
  if (depth == 0) return;
  for (const char* part : {"a", "b", "ab"}) {
    out->push_back(directory + '/' + part);
    names_below(out->back(), depth - 1, out);
  }
}

TEST(Widening, IsNeverMissed) {
  Dice dice(3);
  int quiet = 0;
  for (int round = 0; round < 1500; ++round) {
    std::string text = "runtime none\n";
    static constexpr const char* kVerdicts[] = {"allow",     "allow all",  "deny",
                                                "deny read", "allow read", "deny stat"};
    const size_t count = 1 + dice.below(4);
    for (size_t i = 0; i < count; ++i) {
      text += std::string("path ") + dice.of(kVerdicts) + ' ' + random_pattern(dice).text() + '\n';
    }
    const Policy policy = policy_of(text);
    static constexpr const char* kNames[] = {"/a", "/b", "/a/b", "/b/a", "/ab", "/a/a"};
    const std::string from = dice.of(kNames);
    const std::string to = dice.of(kNames);
    const bool answer = policy.widens(from, to, true).has_value();
    std::vector<std::string> below = {""};
    names_below("", 3, &below);
    bool truth = false;
    for (const std::string& rest : below) {
      truth = truth || !(policy.granted(to + rest) - policy.granted(from + rest)).empty();
    }
    if (truth) {
      ASSERT_TRUE(answer) << text << from << " to " << to;
    }
    quiet += answer ? 0 : 1;
    ASSERT_FALSE(from == to && answer) << text << from;
  }
  EXPECT_GT(quiet, 300);  // it says no where that can be told
}

TEST(NetworkIndex, AgreesWithThePlainReading) {
  Dice dice(4);
  static constexpr const char* kVerdicts[] = {"allow", "deny", "kill"};
  static constexpr const char* kFamilies[] = {"tcp", "udp", "raw", "inet", "any"};
  static constexpr const char* kOps[] = {"", "connect", "bind,listen", "create", "send,connect"};
  static constexpr const char* kEnds[] = {"",
                                          "*",
                                          "10.0.0.0/8",
                                          "10.1.0.0/16:80",
                                          "10.1.2.3:80-90",
                                          "*:80",
                                          "[::1]:*",
                                          "[2001:db8::/32]:443",
                                          "[::ffff:10.1.2.3]:80 1.2.3.4",
                                          "0.0.0.0/0:1-100"};
  static constexpr const char* kOthers[] = {"unix /run/*",
                                            "unix connect @a*",
                                            "unix bind @abc /run/x",
                                            "unix create",
                                            "netlink route",
                                            "netlink bind audit",
                                            "netlink create 9",
                                            "any connect /run/**",
                                            "packet",
                                            "unix *"};
  for (int round = 0; round < 600; ++round) {
    std::string text = "runtime none\n";
    const size_t count = 1 + dice.below(8);
    for (size_t i = 0; i < count; ++i) {
      text += std::string("network ") + dice.of(kVerdicts) + ' ';
      if (dice.below(3) == 0) {
        text += std::string(dice.of(kOthers)) + '\n';
      } else {
        text += std::string(dice.of(kFamilies)) + ' ' + dice.of(kOps) + ' ' + dice.of(kEnds) + '\n';
      }
    }
    const Policy policy = policy_of(text);
    for (int asked = 0; asked < 60; ++asked) {
      NetQuestion question;
      question.op = static_cast<NetOp>(dice.below(kNetOpCount));
      static constexpr NetFamily kIp[] = {NetFamily::Tcp, NetFamily::Udp, NetFamily::Raw,
                                          NetFamily::Other};
      static constexpr uint16_t kPorts[] = {0, 79, 80, 81, 90, 91, 443, 65535};
      switch (dice.below(5)) {
        case 0: {
          static constexpr std::array<uint8_t, 4> kAddresses[] = {
              {10, 1, 2, 3}, {10, 1, 9, 9}, {10, 200, 0, 1}, {1, 2, 3, 4}, {0, 0, 0, 0}};
          question.family = dice.of(kIp);
          question.endpoint = Endpoint::v4(dice.of(kAddresses), dice.of(kPorts));
          break;
        }
        case 1: {
          std::array<uint8_t, 16> address{};
          if (dice.below(2) == 0) address = {0x20, 0x01, 0x0d, 0xb8};
          address[15] = static_cast<uint8_t>(dice.below(3));
          question.family = dice.of(kIp);
          question.endpoint = Endpoint::v6(address, dice.of(kPorts), 0);
          break;
        }
        case 2:
          question.family = NetFamily::Unix;
          question.endpoint.kind =
              dice.below(2) == 0 ? Endpoint::Kind::UnixPath : Endpoint::Kind::UnixAbstract;
          static constexpr const char* kNames[] = {"/run/x", "/run/y/z", "a", "abc", "/x"};
          question.endpoint.name = dice.of(kNames);
          break;
        case 3:
          question.family = NetFamily::Netlink;
          question.endpoint.kind = Endpoint::Kind::Netlink;
          question.endpoint.netlink_protocol = dice.below(2) == 0 ? 0 : 9;
          break;
        default:
          question.family = static_cast<NetFamily>(dice.below(kNetFamilyCount));
          break;
      }
      if (question.op == NetOp::Create && question.family != NetFamily::Netlink) {
        question.endpoint = {};
      }
      const auto matching = policy.matching(question);
      const Decision decision = policy.network(question);
      ASSERT_EQ(decision.rule, matching.empty() ? nullptr : matching.back())
          << text << net_family_name(question.family) << ' ' << net_op_name(question.op) << ' '
          << question.endpoint.text();
    }
  }
}

}  // namespace
}  // namespace callgate
