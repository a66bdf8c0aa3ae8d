#include "monitor/lab_timeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace callgate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

LabRow row(uint64_t number, pid_t tid, const char* call, const char* believed, const char* did) {
  LabRow made;
  made.number = number;
  made.count = 1;
  made.time_ns = static_cast<int64_t>(number) * 500'000;
  made.pid = 100;
  made.tid = tid;
  made.call.set(call);
  made.believed.set(believed);
  made.because.set("line 2");
  made.did.set(did);
  return made;
}

LabRun taken() {
  LabRun run;
  run.model = LabModel::Naive;
  run.end = LabRun::End::Taken;
  run.lost = "the secret's bytes were printed";
  run.story.rows = {row(1, 100, "openat \"$T/me\"", "read $T/me", "opened $T/me"),
                    row(2, 101, "renameat2 \"$T/me\"", "delete $T/me", "did it"),
                    row(1300, 100, "openat \"$T/me\"", "read $T/me", "opened $S/key")};
  run.story.rows[1].count = 4;
  run.story.rows[2].moment = LabRow::Moment::PreyReached;
  run.story.deciding = 1300;
  run.story.moment = LabRow::Moment::PreyReached;
  run.story.concerning = 1302;
  run.story.others = 17;
  return run;
}

size_t widest(const std::string& text) {
  size_t width = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) width = std::max(width, line.size());
  return width;
}

TEST(WrapWords, BreaksAtBlanksAndCutsNamesAtSlashes) {
  EXPECT_THAT(wrap_words("one two  three", 7), ElementsAre("one two", "three"));
  EXPECT_THAT(wrap_words("/usr/lib/x86_64/libc", 10), ElementsAre("/usr/lib", "/x86_64", "/libc"));
  EXPECT_THAT(wrap_words("abcdefgh", 3), ElementsAre("abc", "def", "gh"));
  EXPECT_THAT(wrap_words("", 10), IsEmpty());
  EXPECT_THAT(wrap_words("   ", 10), IsEmpty());
}

TEST(LabTimeline, HasAColumnForEachTaskAndMarksTheDecidingMoment) {
  const std::string text = lab_timeline(taken(), {.width = 100});
  EXPECT_THAT(text, HasSubstr("A: pid 100"));
  EXPECT_THAT(text, HasSubstr("B: tid 101"));
  EXPECT_THAT(text, HasSubstr("the monitor believed"));
  EXPECT_THAT(text, HasSubstr("the kernel did"));
  EXPECT_THAT(text, HasSubstr("(x4)"));
  const size_t marked = text.find(">> ");
  ASSERT_NE(marked, std::string::npos);
  EXPECT_THAT(text.substr(marked, text.find('\n', marked) - marked), HasSubstr("opened $S/key"));
  EXPECT_THAT(text, HasSubstr("the monitor believed `read $T/me` and allowed it; the kernel"));
  EXPECT_THAT(text, HasSubstr("Prey: TAKEN (the secret's bytes were printed)"));
}

TEST(LabTimeline, SaysHowManyCallsItLeavesOut) {
  const std::string text = lab_timeline(taken(), {.width = 100});
  EXPECT_THAT(text, HasSubstr("... 1,294 calls left out ..."));  // 6 to 1,299
  EXPECT_THAT(text, HasSubstr("... 2 calls left out ..."));      // 1,301 and 1,302
  EXPECT_THAT(text, HasSubstr("1,302 trapped calls concern the prey; 17 more"));
}

TEST(LabTimeline, FitsTheWidthItIsGiven) {
  for (const size_t width : {72u, 80u, 100u, 160u}) {
    EXPECT_LE(widest(lab_timeline(taken(), {.width = width})), width);
    const LabRun runs[] = {taken(), taken()};
    EXPECT_LE(widest(lab_side_by_side(runs, {.width = width})), width);
  }
}

TEST(LabTimeline, SpeaksToATerminalOnlyWhenAskedTo) {
  EXPECT_THAT(lab_timeline(taken(), {.width = 100}), Not(HasSubstr("\x1b")));
  EXPECT_THAT(lab_timeline(taken(), {.width = 100, .colour = true}), HasSubstr("\x1b[1;31m"));
}

TEST(LabTimeline, SharesTheLastColumnAmongManyTasks) {
  LabRun run = taken();
  run.story.rows.clear();
  for (int i = 0; i < 5; ++i) run.story.rows.push_back(row(i + 1U, 100 + i, "open", "x", "y"));
  const std::string text = lab_timeline(run, {.width = 100});
  EXPECT_THAT(text, HasSubstr("C and 2"));
  EXPECT_THAT(text, HasSubstr("E: open"));
}

TEST(LabTimeline, SaysWhoRefusedThePrey) {
  LabRun run = taken();
  run.model = LabModel::Sealed;
  run.end = LabRun::End::Held;
  LabRow& refused = run.story.rows[2];
  refused.moment = LabRow::Moment::PreyRefused;
  refused.verdict = Verdict::Deny;
  refused.believed.set("read $S/key");
  refused.because.set("no line");
  const std::string text = lab_timeline(run, {.width = 200});
  EXPECT_THAT(text, HasSubstr("read $S/key: DENY (no line)"));
  EXPECT_THAT(text,
              HasSubstr("judged as what it is, `read $S/key`, and refused (no line allows it)"));
  EXPECT_THAT(text, HasSubstr("Prey: kept\n"));
}

TEST(LabTimeline, DoesNotInventAMomentWhereThereIsNone) {
  LabRun run;
  run.model = LabModel::Sealed;
  run.end = LabRun::End::Held;
  EXPECT_THAT(lab_timeline(run, {}), HasSubstr("No call that was trapped decided it"));
  run.end = LabRun::End::Taken;
  EXPECT_THAT(lab_timeline(run, {}), HasSubstr("No trapped call shows how"));
  run.model = LabModel::Bare;
  EXPECT_THAT(lab_timeline(run, {}), HasSubstr("No monitor"));
}

TEST(LabTimeline, DoesNotBlameARefusalForALoss) {
  LabRun run = taken();
  run.story.rows[2].moment = run.story.moment = LabRow::Moment::PreyRefused;
  const std::string text = lab_timeline(run, {.width = 100});
  EXPECT_THAT(text, HasSubstr("No trapped call shows how"));
  EXPECT_THAT(text, Not(HasSubstr(">>")));
}

TEST(LabTimeline, SaysWhatIsNotAsTold) {
  LabRun run = taken();
  run.as_told = false;
  run.note = "why";
  EXPECT_THAT(lab_timeline(run, {.width = 100}), HasSubstr("NOT as the attack's head says: why"));
  run.end = LabRun::End::TimedOut;
  EXPECT_EQ(lab_end_word(run), "HUNG");
}

TEST(LabSideBySide, PutsBeliefBesideDeed) {
  LabRun bare = taken();
  bare.model = LabModel::Bare;
  bare.story = {};
  const LabRun runs[] = {bare, taken()};
  std::istringstream lines(lab_side_by_side(runs, {.width = 100}));
  std::string line;
  std::getline(lines, line);
  EXPECT_THAT(line, HasSubstr("BELIEVED"));
  std::getline(lines, line);
  EXPECT_THAT(line, testing::StartsWith("bare        nobody was asked"));
  EXPECT_THAT(line, testing::EndsWith("TAKEN"));
  std::getline(lines, line);
  EXPECT_THAT(line, testing::StartsWith("naive       read $T/me: allow (line 2)"));
  EXPECT_THAT(line, HasSubstr("opened $S/key"));
}

}  // namespace
}  // namespace callgate
