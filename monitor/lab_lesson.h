// The lessons of the lab: what the comment at the top of each attacks/<class>/<id>.cc says, and
// where those files and the programs built from them lie. Reads files; runs nothing.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace callgate {

// One head. The keys and their meaning: docs/architecture.md, "Add an attack".
struct LabLesson {
  std::string id;
  std::string attack_class;
  std::string severity;
  std::vector<std::string> models;  // the ones it beats
  std::string trap;
  std::string naive;
  std::string kernel;
  std::string sealed;
  std::string source;
  std::vector<std::string> policy;   // lines, with $T, $S, $PORT ...
  std::vector<std::string> reports;  // what callgate must say; `none` left out
  std::vector<std::string> needs;
  std::vector<std::string> launch;
  std::chrono::milliseconds time{3000};  // how long a race may run
  bool bare_held = false;                // nothing to win without a monitor
  bool may_be_killed = false;            // `default: any`
  std::string file;                      // where it was read

  [[nodiscard]] bool needs_word(std::string_view word) const;
  [[nodiscard]] bool launch_word(std::string_view word) const;
  [[nodiscard]] bool beats(std::string_view model) const;
};

// Why a head cannot be used, in a sentence.
struct LabLessonError {
  std::string message;
};
std::variant<LabLesson, LabLessonError> parse_lab_lesson(std::string_view text);

struct LabPlaces {
  std::string programs;  // holds <id>
  std::string lessons;   // holds <class>/<id>.cc
};
// The build tree's when this program stands in it, else beside this program, as installed, else
// where the build was configured to install. Empty names when there is no lab at all.
LabPlaces find_lab();

struct LabLessons {
  std::vector<LabLesson> lessons;     // by class, then by id
  std::vector<std::string> problems;  // files that are attacks and cannot be used, with the reason
};
LabLessons read_lab_lessons(const std::string& directory);

}  // namespace callgate
