#include "monitor/audit_fold.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <vector>

namespace callgate {
namespace {

Event denied(const std::string& name, pid_t pid = 6) {
  Event event;
  event.pid = pid;
  event.executable = std::make_shared<const std::string>("/usr/bin/cat");
  event.call = "openat";
  event.operation = "read";
  event.objects.push_back({name, name, {}});
  event.verdict = Verdict::Deny;
  event.result = -EACCES;
  return event;
}

Event allowed(const std::string& name) {
  Event event = denied(name);
  event.verdict = Verdict::Allow;
  event.result = 3;
  return event;
}

// What is written in full, and the counts by id (0: by kind).
struct Log {
  AuditFold fold;
  uint64_t in_full = 0;
  std::map<uint64_t, uint64_t> counts;
  std::vector<std::string> kinds;
  int lines = 0;

  explicit Log(AuditFold::Limits limits)
      : fold(limits, [this](const AuditFold::Count& count) {
          ++lines;
          counts[count.id] += count.count;
          if (count.id == 0) {
            kinds.push_back(count.kind != nullptr ? count.kind->operation : "of any kind");
          }
        }) {}
  AuditFold::Answer take(const Event& event, size_t bytes = 100) {
    const AuditFold::Answer answer = fold.on_event(event);
    if (answer.in_full) {
      ++in_full;
      fold.spend(event.verdict != Verdict::Allow, bytes);
    }
    return answer;
  }
};

TEST(AuditFold, RecordsTheFirstInFullAndCountsTheRest) {
  Log log({.repeats = 3});
  for (int i = 0; i < 1'000'000; ++i) log.take(denied("/secret"));
  log.fold.finish();
  EXPECT_EQ(log.in_full, 3u);
  EXPECT_EQ(log.counts[1], 999'997u);
  EXPECT_LE(log.lines, 5);
}

TEST(AuditFold, TellsEventsApartByWhoDoesWhatToWhichWithWhichOutcome) {
  Log log({.repeats = 1});
  Event other = denied("/secret");
  EXPECT_EQ(log.take(denied("/secret")).id, 1u);
  EXPECT_EQ(log.take(denied("/secret", 7)).id, 2u);
  EXPECT_EQ(log.take(denied("/other")).id, 3u);
  other.operation = "write";
  EXPECT_EQ(log.take(other).id, 4u);
  other.result = -EPERM;
  EXPECT_EQ(log.take(other).id, 5u);
  Event opened = allowed("/a");
  EXPECT_TRUE(log.take(opened).in_full);
  opened.result = 4;  // another descriptor is no other outcome
  EXPECT_FALSE(log.take(opened).in_full);
}

TEST(AuditFold, KeepsItsMemoryWithinBounds) {
  Log log({.repeats = 1, .distinct = 10});
  for (int i = 0; i < 100; ++i) log.take(denied("/secret/" + std::to_string(i)));
  EXPECT_EQ(log.in_full, 100u);  // told apart or not: there is room
  EXPECT_FALSE(log.take(denied("/secret/5")).in_full);
  EXPECT_EQ(log.take(denied("/secret/50")).id, 0u);
  Log small({.repeats = 1, .remembered_bytes = 1000});
  for (int i = 0; i < 100; ++i) small.take(denied(std::string(90, 'x') + std::to_string(i)));
  EXPECT_EQ(small.take(denied(std::string(90, 'x') + "99")).id, 0u);
}

TEST(AuditFold, CountsByKindOnceTheBytesAreSpent) {
  Log log({.refused_bytes = 1000});
  for (int i = 0; i < 1'000'000; ++i) log.take(denied("/secret/" + std::to_string(i)));
  log.fold.finish();
  EXPECT_EQ(log.in_full, 10u);
  EXPECT_EQ(log.counts[0], 999'990u);
  EXPECT_LE(log.lines, 6);
  EXPECT_THAT(log.kinds, testing::Each("read"));
}

TEST(AuditFold, GoesOnCountingUnderTheNumberOfWhatWasRecorded) {
  Log log({.refused_bytes = 150});
  log.take(denied("/secret"));
  log.take(denied("/secret"));
  log.take(denied("/secret"));
  log.take(denied("/secret"));
  log.fold.finish();
  EXPECT_EQ(log.in_full, 2u);
  EXPECT_EQ(log.counts[1], 2u);
}

TEST(AuditFold, WhatIsAllowedCannotCrowdOutWhatIsRefused) {
  Log log({.allowed_bytes = 1000, .refused_bytes = 1000});
  for (int i = 0; i < 1000; ++i) log.take(allowed("/tmp/" + std::to_string(i)));
  EXPECT_FALSE(log.fold.has_room());
  EXPECT_EQ(log.in_full, 10u);
  EXPECT_TRUE(log.take(denied("/secret")).in_full);
}

TEST(AuditFold, TellsOnlySoManyKindsApart) {
  Log log({.refused_bytes = 0, .kinds = 2});
  for (int i = 0; i < 5; ++i) {
    Event event = denied("/secret");
    event.operation = "operation " + std::to_string(i);
    log.take(event);
  }
  log.fold.finish();
  EXPECT_EQ(log.counts[0], 5u);
  EXPECT_THAT(log.kinds,
              testing::UnorderedElementsAre("operation 0", "operation 1", "of any kind"));
}

}  // namespace
}  // namespace callgate
