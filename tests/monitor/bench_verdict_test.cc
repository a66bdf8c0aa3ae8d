#include "monitor/bench_verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace callgate {
namespace {

using testing::IsEmpty;
using testing::SizeIs;
using Kind = Target::Kind;

BenchWork work(std::string_view name, std::vector<Target> targets,
               BenchGroup group = BenchGroup::Micro) {
  return {name, group, "a work", "us", LoopWork{}, BenchPolicy::Usual, {}, std::move(targets)};
}

Outcome judged(const BenchWork& work, std::map<Contestant, Samples> samples) {
  const WorkResult result{&work, "", std::move(samples)};
  auto outcomes = judge_targets(result, std::span(&result, 1));
  EXPECT_THAT(outcomes, SizeIs(1));
  return outcomes.at(0);
}

TEST(BenchVerdict, AMonitorIsHeldToItsLimitOverBare) {
  const BenchWork one = work("one", {{Kind::OverBare, 2}});
  const Outcome met =
      judged(one, {{Contestant::Bare, {{1, 1}, ""}}, {Contestant::Sealed, {{2, 2}, ""}}});
  EXPECT_TRUE(met.met);
  EXPECT_DOUBLE_EQ(met.measured.value_or(0), 2);
  EXPECT_EQ(met.text, "sealed at most 2x bare");
  EXPECT_FALSE(
      judged(one, {{Contestant::Bare, {{1, 1}, ""}}, {Contestant::Sealed, {{2.1, 2.1}, ""}}}).met);
}

TEST(BenchVerdict, ARateMustNotFallBelowItsShare) {
  const BenchWork one = work("one", {{Kind::OfBare, 0.95}});
  EXPECT_FALSE(
      judged(one, {{Contestant::Bare, {{100}, ""}}, {Contestant::Sealed, {{94}, ""}}}).met);
  EXPECT_TRUE(judged(one, {{Contestant::Bare, {{100}, ""}}, {Contestant::Sealed, {{96}, ""}}}).met);
}

TEST(BenchVerdict, WhatAPeerAddsIsComparedWithWhatCallgateAdds) {
  const BenchWork one = work("one", {{Kind::PeerAdds, 6, Contestant::Strace}});
  const Outcome outcome = judged(one, {{Contestant::Bare, {{1}, ""}},
                                       {Contestant::Sealed, {{11}, ""}},
                                       {Contestant::Strace, {{71}, ""}}});
  EXPECT_TRUE(outcome.met);
  EXPECT_DOUBLE_EQ(outcome.measured.value_or(0), 7);
}

TEST(BenchVerdict, NothingIsMetThatWasNotMeasured) {
  const BenchWork one = work("one", {{Kind::PeerAdds, 6, Contestant::Strace}});
  const Outcome outcome =
      judged(one, {{Contestant::Bare, {{1}, ""}}, {Contestant::Sealed, {{11}, ""}}});
  EXPECT_FALSE(outcome.measured.has_value());
  EXPECT_FALSE(outcome.met);
}

TEST(BenchVerdict, GrowthIsMeasuredAgainstTheOtherWork) {
  const BenchWork base = work("base", {});
  const BenchWork grown = work("grown", {{Kind::OverWork, 1.1, Contestant::Bare, "base"}});
  const std::vector<WorkResult> all = {{&base, "", {{Contestant::Sealed, {{10, 20}, ""}}}},
                                       {&grown, "", {{Contestant::Sealed, {{12, 24}, ""}}}}};
  const auto outcomes = judge_targets(all[1], all);
  ASSERT_THAT(outcomes, SizeIs(1));
  EXPECT_DOUBLE_EQ(outcomes[0].measured.value_or(0), 1.2);
  EXPECT_FALSE(outcomes[0].met);
  EXPECT_THAT(judge_targets(all[0], all), IsEmpty());
}

TEST(BenchVerdict, TheMeanIsOverTheWholeWorksThatWereRunAndOverAllOfThem) {
  const BenchWork one = work("one", {}, BenchGroup::Whole);
  const BenchWork two = work("two", {}, BenchGroup::Whole);
  const BenchWork loop = work("loop", {});
  std::vector<WorkResult> all = {
      {&one, "", {{Contestant::Bare, {{1}, ""}}, {Contestant::Sealed, {{2}, ""}}}},
      {&two, "", {{Contestant::Bare, {{1}, ""}}, {Contestant::Sealed, {{8}, ""}}}},
      {&loop, "", {{Contestant::Bare, {{1}, ""}}, {Contestant::Sealed, {{100}, ""}}}}};
  EXPECT_DOUBLE_EQ(whole_mean(all, Contestant::Sealed).value_or(0), 4);
  EXPECT_FALSE(whole_mean(all, Contestant::Proot).has_value());
  all[1].skipped = "not there: make";
  EXPECT_DOUBLE_EQ(whole_mean(all, Contestant::Sealed).value_or(0), 2);
}

TEST(BenchWorks, EachHasANameOfItsOwnAndTargetsThatCanBeJudged) {
  std::set<std::string_view> names;
  for (const BenchWork& each : bench_works()) {
    EXPECT_TRUE(names.insert(each.name).second) << each.name;
    for (const Target& target : each.targets) {
      if (target.kind != Kind::OverWork) continue;
      EXPECT_TRUE(std::any_of(bench_works().begin(), bench_works().end(),
                              [&](const auto& other) {
                                return other.name == target.work && other.group == each.group;
                              }))
          << each.name << " is compared with " << target.work;
    }
  }
}

}  // namespace
}  // namespace callgate
