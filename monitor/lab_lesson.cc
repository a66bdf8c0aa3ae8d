#include "monitor/lab_lesson.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <map>
#include <system_error>

#include "monitor/proc_files.h"

namespace callgate {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 10> kRequired = {"attack", "class",  "severity", "trap",
                                                        "naive",  "kernel", "sealed",   "source",
                                                        "policy", "report"};

using Head = std::map<std::string, std::vector<std::string>, std::less<>>;

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

// The key of "trap: text"; empty for a line that continues: those are indented.
std::string_view key_of(std::string_view line) {
  const std::string_view word = line.substr(0, std::min(line.find(':'), line.size()));
  const bool is_word =
      !word.empty() && word.size() < line.size() &&
      std::all_of(word.begin(), word.end(), [](char c) { return c >= 'a' && c <= 'z'; });
  return is_word ? word : std::string_view();
}

Head read_head(std::string_view text) {
  Head head;
  std::vector<std::string>* values = nullptr;
  while (text.starts_with("//")) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(2, end - 2);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.starts_with(' ')) line.remove_prefix(1);
    if (const std::string_view key = key_of(line); !key.empty()) {
      values = &head[std::string(key)];
      line.remove_prefix(key.size() + 1);
      if (trimmed(line).empty()) continue;
    }
    if (values != nullptr) values->emplace_back(trimmed(line));
  }
  return head;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += (out.empty() ? "" : " ") + line;
  return out;
}

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = text.find_first_not_of(' ', at);
    if (begin == std::string::npos) break;
    const size_t end = std::min(text.find(' ', begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    at = end;
  }
  return words;
}

bool holds(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool is_directory(const std::string& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

}  // namespace

bool LabLesson::needs_word(std::string_view word) const { return holds(needs, word); }
bool LabLesson::launch_word(std::string_view word) const { return holds(launch, word); }
bool LabLesson::beats(std::string_view model) const { return holds(models, model); }

std::variant<LabLesson, LabLessonError> parse_lab_lesson(std::string_view text) {
  Head head = read_head(text);
  for (const std::string_view key : kRequired) {
    const auto found = head.find(key);
    if (found == head.end() || found->second.empty()) {
      return LabLessonError{"its head has no `" + std::string(key) + ":`"};
    }
  }
  LabLesson lesson;
  lesson.id = joined(head["attack"]);
  lesson.attack_class = joined(head["class"]);
  lesson.severity = joined(head["severity"]);
  lesson.models = words_of(joined(head["models"]));
  lesson.trap = joined(head["trap"]);
  lesson.naive = joined(head["naive"]);
  lesson.kernel = joined(head["kernel"]);
  lesson.sealed = joined(head["sealed"]);
  lesson.source = joined(head["source"]);
  lesson.policy = head["policy"];
  for (std::string& report : head["report"]) {
    if (report != "none") lesson.reports.push_back(std::move(report));
  }
  lesson.needs = words_of(joined(head["needs"]));
  lesson.launch = words_of(joined(head["launch"]));
  lesson.bare_held = joined(head["bare"]) == "held";
  lesson.may_be_killed = joined(head["default"]) == "any";
  if (const std::string time = joined(head["time"]); !time.empty()) {
    int milliseconds = 0;
    const auto read = std::from_chars(time.data(), time.data() + time.size(), milliseconds);
    if (read.ec != std::errc() || read.ptr != time.data() + time.size() || milliseconds <= 0) {
      return LabLessonError{"`time:` is no number of milliseconds"};
    }
    lesson.time = std::chrono::milliseconds(milliseconds);
  }
  return lesson;
}

LabPlaces find_lab() {
  const auto self = read_link("/proc/self/exe");
  const fs::path here = self.ok() ? fs::path(*self).parent_path() : fs::path();
  // Relative directories hang on the directory that holds bin/, so that an installed tree can move.
  const std::array<LabPlaces, 3> candidates = {
      {{here == CALLGATE_BUILD_DIR ? (here / "attacks").string() : std::string(),
        CALLGATE_SOURCE_ATTACK_DIR},
       {(here.parent_path() / CALLGATE_LIBEXEC_SUBDIR / "callgate/lab").string(),
        (here.parent_path() / CALLGATE_DATA_SUBDIR / "callgate/attacks").string()},
       {CALLGATE_LIBEXEC_DIR "/callgate/lab", CALLGATE_DATA_DIR "/callgate/attacks"}}};
  for (const LabPlaces& places : candidates) {
    if (is_directory(places.programs) && is_directory(places.lessons)) return places;
  }
  return {};
}

LabLessons read_lab_lessons(const std::string& directory) {
  LabLessons all;
  std::error_code error;
  std::vector<fs::path> files;
  for (fs::recursive_directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error)) {
    if (at.depth() == 1 && at->path().extension() == ".cc") files.push_back(at->path());
  }
  for (const fs::path& file : files) {
    const auto text = read_whole_file(file.string());
    if (!text.ok()) {
      all.problems.push_back(file.string() + ": it cannot be read");
      continue;
    }
    auto parsed = parse_lab_lesson(*text);
    auto* lesson = std::get_if<LabLesson>(&parsed);
    if (lesson == nullptr) {
      all.problems.push_back(file.string() + ": " + std::get<LabLessonError>(parsed).message);
    } else if (lesson->id != file.stem() || lesson->attack_class != file.parent_path().filename()) {
      all.problems.push_back(file.string() + ": its head is that of " + lesson->attack_class + "/" +
                             lesson->id);
    } else {
      lesson->file = file.string();
      all.lessons.push_back(std::move(*lesson));
    }
  }
  const auto order = [](const LabLesson& lesson) {
    return std::tie(lesson.attack_class, lesson.id);
  };
  std::sort(all.lessons.begin(), all.lessons.end(),
            [&](const LabLesson& a, const LabLesson& b) { return order(a) < order(b); });
  std::sort(all.problems.begin(), all.problems.end());
  return all;
}

}  // namespace callgate
