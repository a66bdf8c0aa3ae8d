#include "monitor/lab_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace callgate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

LabRow row(const std::string& call, LabRow::Moment moment = LabRow::Moment::None, pid_t tid = 7) {
  LabRow made;
  made.pid = 7;
  made.tid = tid;
  made.call.set(call);
  made.moment = moment;
  return made;
}

std::vector<uint64_t> numbers(const LabStory& story) {
  std::vector<uint64_t> out;
  for (const LabRow& at : story.rows) out.push_back(at.number);
  return out;
}

TEST(SharedText, EndsInDotsWhenItDoesNotFit) {
  SharedText<8> text;
  text.set("12345678");
  EXPECT_EQ(text.view(), "12345678");
  text.set("123456789");
  EXPECT_EQ(text.view(), "12345...");
  text.set("");
  EXPECT_EQ(text.view(), "");
}

TEST(LabRecord, FoldsEqualCallsInARow) {
  auto record = LabRecord::create();
  ASSERT_TRUE(record.ok());
  for (int i = 0; i < 5; ++i) record->add(row("open"));
  record->add(row("open", LabRow::Moment::None, 8));
  record->add(row("open"));
  const LabStory story = record->story();
  ASSERT_THAT(story.rows, SizeIs(3));
  EXPECT_EQ(story.rows[0].count, 5u);
  EXPECT_EQ(story.rows[1].tid, 8);
  EXPECT_THAT(numbers(story), ElementsAre(1, 6, 7));
  EXPECT_EQ(story.concerning, 7u);
}

TEST(LabRecord, KeepsTheFirstCallsAndThoseAroundTheDecidingOne) {
  auto record = LabRecord::create();
  ASSERT_TRUE(record.ok());
  for (int i = 1; i <= 1000; ++i) {
    record->add(row("call " + std::to_string(i),
                    i == 500 ? LabRow::Moment::PreyReached : LabRow::Moment::None));
  }
  const LabStory story = record->story();
  EXPECT_EQ(story.deciding, 500u);
  EXPECT_EQ(story.moment, LabRow::Moment::PreyReached);
  EXPECT_THAT(numbers(story),
              ElementsAre(1, 2, 3, 4, 5, 6, 494, 495, 496, 497, 498, 499, 500, 501, 502));
  EXPECT_EQ(story.concerning, 1000u);
}

TEST(LabRecord, LetsTheFirstOfTheGravestMomentsDecide) {
  auto record = LabRecord::create();
  ASSERT_TRUE(record.ok());
  record->add(row("a"));
  record->add(row("b", LabRow::Moment::Refusal));
  record->add(row("c", LabRow::Moment::PreyRefused));
  record->add(row("d", LabRow::Moment::Refusal));
  record->add(row("e", LabRow::Moment::PreyRefused));
  EXPECT_EQ(record->story().deciding, 3u);
  record->add(row("f", LabRow::Moment::PreyReached));
  record->add(row("g", LabRow::Moment::PreyReached));
  EXPECT_EQ(record->story().deciding, 6u);
  EXPECT_THAT(numbers(record->story()), ElementsAre(1, 2, 3, 4, 5, 6, 7));
}

TEST(LabRecord, DoesNotFoldTheDecidingCallIntoItsNeighbours) {
  auto record = LabRecord::create();
  ASSERT_TRUE(record.ok());
  record->add(row("open"));
  record->add(row("open"));
  record->add(row("open", LabRow::Moment::PreyReached));
  record->add(row("open"));
  EXPECT_THAT(numbers(record->story()), ElementsAre(1, 3, 4));
}

TEST(LabRecord, CountsRepetitionsOfACallThatIsKeptTwice) {
  auto record = LabRecord::create();
  ASSERT_TRUE(record.ok());
  for (int i = 0; i < 20; ++i) record->add(row("call " + std::to_string(i)));
  record->add(row("decides", LabRow::Moment::PreyRefused));
  for (int i = 0; i < 9; ++i) record->add(row("decides", LabRow::Moment::PreyRefused));
  const LabStory story = record->story();
  EXPECT_EQ(story.rows.back().number, 21u);
  EXPECT_EQ(story.rows.back().count, 10u);
}

TEST(LabRecord, TellsTheLastCallsWhenNothingDecided) {
  auto record = LabRecord::create();
  ASSERT_TRUE(record.ok());
  for (int i = 1; i <= 20; ++i) record->add(row("call " + std::to_string(i)));
  record->add_other();
  EXPECT_THAT(numbers(record->story()), ElementsAre(1, 2, 3, 4, 5, 6, 15, 16, 17, 18, 19, 20));
  EXPECT_EQ(record->story().deciding, 0u);
  EXPECT_EQ(record->story().others, 1u);
}

TEST(LabRecord, IsThereWhenItsWriterHasBeenKilled) {
  auto record = LabRecord::create();
  ASSERT_TRUE(record.ok());
  EXPECT_THAT(record->story().rows, IsEmpty());
  const pid_t writer = fork();
  if (writer == 0) {
    record->add(row("open", LabRow::Moment::PreyReached));
    raise(SIGKILL);
  }
  waitpid(writer, nullptr, 0);
  EXPECT_EQ(record->story().deciding, 1u);
}

}  // namespace
}  // namespace callgate
