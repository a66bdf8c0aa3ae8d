#include "monitor/lab_lesson.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace callgate {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* kHead = R"(// attack: my-attack
// class: names
// severity: critical
// models: naive canonical
// needs: x86
// launch: victim late
// bits: 64, for a reason
// trap: One thing is done,
//   and note: another.
// naive: Believes.
// kernel: Does (open(2)).
// sealed: Holds.
// source: Nobody
// time: 4000
// bare: held
// default: any
// policy:
//   path allow $T/
//   network deny all
// report: $S/key
// report: none
#include "tests/support/attack.h"
// trap: not part of the head
)";

LabLesson lesson(std::string_view text) {
  auto parsed = parse_lab_lesson(text);
  if (auto* error = std::get_if<LabLessonError>(&parsed)) {
    ADD_FAILURE() << error->message;
    return {};
  }
  return std::get<LabLesson>(parsed);
}

std::string mistake(std::string_view text) {
  auto parsed = parse_lab_lesson(text);
  auto* error = std::get_if<LabLessonError>(&parsed);
  return error == nullptr ? "" : error->message;
}

std::string without(std::string_view line) {
  std::string text = kHead;
  const size_t at = text.find(line);
  return text.erase(at, text.find('\n', at) + 1 - at);
}

TEST(LabLesson, ReadsEveryKeyOfAHead) {
  const LabLesson read = lesson(kHead);
  EXPECT_EQ(read.id, "my-attack");
  EXPECT_EQ(read.attack_class, "names");
  EXPECT_EQ(read.severity, "critical");
  EXPECT_THAT(read.models, ElementsAre("naive", "canonical"));
  EXPECT_THAT(read.needs, ElementsAre("x86"));
  EXPECT_THAT(read.launch, ElementsAre("victim", "late"));
  EXPECT_EQ(read.naive, "Believes.");
  EXPECT_EQ(read.kernel, "Does (open(2)).");
  EXPECT_EQ(read.sealed, "Holds.");
  EXPECT_EQ(read.source, "Nobody");
  EXPECT_EQ(read.time.count(), 4000);
  EXPECT_TRUE(read.bare_held);
  EXPECT_TRUE(read.may_be_killed);
}

TEST(LabLesson, JoinsIndentedLinesEvenWhenTheyLookLikeKeys) {
  EXPECT_EQ(lesson(kHead).trap, "One thing is done, and note: another.");
}

TEST(LabLesson, KeepsPolicyLinesApartAndDropsSilentReports) {
  EXPECT_THAT(lesson(kHead).policy, ElementsAre("path allow $T/", "network deny all"));
  EXPECT_THAT(lesson(kHead).reports, ElementsAre("$S/key"));
}

TEST(LabLesson, HasDefaultsForWhatMayBeLeftOut) {
  std::string text = without("// time:");
  text.erase(text.find("// models:"), text.find("// needs:") - text.find("// models:"));
  const LabLesson read = lesson(text);
  EXPECT_EQ(read.time.count(), 3000);
  EXPECT_THAT(read.models, IsEmpty());
  EXPECT_FALSE(read.beats("naive"));
  EXPECT_TRUE(lesson(kHead).beats("canonical"));
}

TEST(LabLesson, NamesTheKeyThatIsMissing) {
  EXPECT_THAT(mistake(without("// severity:")), HasSubstr("severity"));
  EXPECT_THAT(mistake(without("// kernel:")), HasSubstr("kernel"));
  EXPECT_THAT(mistake("#include <cstdio>\n"), HasSubstr("attack"));
  EXPECT_THAT(mistake(""), HasSubstr("attack"));
}

TEST(LabLesson, RefusesATimeThatIsNone) {
  std::string text = kHead;
  text.replace(text.find("4000"), 4, "soon");
  EXPECT_THAT(mistake(text), HasSubstr("time"));
}

struct Folder {
  fs::path path;
  Folder() {
    std::string name = fs::temp_directory_path() / "callgate-lessons-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) std::abort();
    path = name;
  }
  ~Folder() { fs::remove_all(path); }
  void put(const fs::path& name, std::string_view text) const {
    fs::create_directories((path / name).parent_path());
    std::ofstream(path / name) << text;
  }
};

TEST(LabLessons, AreSortedByClassAndIdAndReadFromClassFoldersOnly) {
  const Folder folder;
  std::string races = kHead;
  races.replace(races.find("names"), 5, "races");
  std::string first = kHead;
  first.replace(first.find("my-attack"), 9, "an-attack");
  folder.put("races/my-attack.cc", races);
  folder.put("names/my-attack.cc", kHead);
  folder.put("names/an-attack.cc", first);
  folder.put("tests/support/attack.cc", "int x;\n");
  folder.put("top.cc", "int x;\n");
  folder.put("names/notes.md", "words\n");
  const LabLessons all = read_lab_lessons(folder.path);
  EXPECT_THAT(all.problems, IsEmpty());
  ASSERT_THAT(all.lessons, SizeIs(3));
  EXPECT_EQ(all.lessons[0].id, "an-attack");
  EXPECT_EQ(all.lessons[1].attack_class, "names");
  EXPECT_EQ(all.lessons[2].attack_class, "races");
  EXPECT_EQ(all.lessons[2].file, folder.path / "races/my-attack.cc");
}

TEST(LabLessons, SayWhichFileCannotBeUsed) {
  const Folder folder;
  folder.put("names/other.cc", kHead);
  folder.put("names/broken.cc", "// attack: broken\n");
  const LabLessons all = read_lab_lessons(folder.path);
  EXPECT_THAT(all.lessons, IsEmpty());
  EXPECT_THAT(all.problems,
              ElementsAre(HasSubstr("broken.cc: its head has no"),
                          HasSubstr("other.cc: its head is that of names/my-attack")));
}

TEST(LabLessons, AreNoneWhereThereIsNoFolder) {
  const LabLessons all = read_lab_lessons("/nonexistent");
  EXPECT_THAT(all.lessons, IsEmpty());
  EXPECT_THAT(all.problems, IsEmpty());
}

}  // namespace
}  // namespace callgate
