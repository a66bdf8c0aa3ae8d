#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string_view>

#include "monitor/cli/command.h"
#include "monitor/cli/lab_report.h"
#include "monitor/cli/options.h"
#include "monitor/cli/say.h"
#include "monitor/escape.h"
#include "monitor/lab_stage.h"

namespace callgate::cli {
namespace {

constexpr size_t kDefaultWidth = 100;
constexpr size_t kLeastWidth = 72;
constexpr size_t kMostWidth = 240;

// A whole number from `least` on.
std::optional<int> number_in(const std::string& text, int least) {
  int value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size() || value < least) {
    return std::nullopt;
  }
  return value;
}

std::optional<LabStyle> style_or_say(const Options& options) {
  LabStyle style;
  style.width = kDefaultWidth;
  const bool terminal = isatty(STDOUT_FILENO) == 1;
  const char* no_colour = std::getenv("NO_COLOR");
  const char* kind = std::getenv("TERM");
  style.colour = terminal && (no_colour == nullptr || *no_colour == '\0') &&
                 (kind == nullptr || std::string_view(kind) != "dumb");
  winsize size{};
  if (terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    style.width = std::clamp<size_t>(size.ws_col, kLeastWidth, kMostWidth);
  }
  if (options.has("width")) {
    const auto width = number_in(options.value("width"), static_cast<int>(kLeastWidth));
    if (!width || *width > static_cast<int>(kMostWidth)) {
      say("lab: --width takes a number from " + std::to_string(kLeastWidth) + " to " +
          std::to_string(kMostWidth));
      return std::nullopt;
    }
    style.width = static_cast<size_t>(*width);
  }
  return style;
}

bool read_seconds(const Options& options, const char* name, int* seconds) {
  if (!options.has(name)) return true;
  const auto value = number_in(options.value(name), 1);
  if (!value || *value > 3600) {
    say(std::string("lab: --") + name + " takes seconds, 1 to 3600");
    return false;
  }
  *seconds = *value;
  return true;
}

std::optional<LabSettings> settings_or_say(const Options& options) {
  LabSettings settings;
  int time = 0;
  int limit = 0;
  if (!read_seconds(options, "time", &time) || !read_seconds(options, "limit", &limit)) {
    return std::nullopt;
  }
  if (time > 0) settings.time = std::chrono::seconds(time);
  if (limit > 0) settings.limit = std::chrono::seconds(limit);
  return settings;
}

std::optional<std::vector<LabModel>> models_or_say(const Options& options) {
  const std::string word = options.value("model", "all");
  std::vector<std::string> known = {"all"};
  std::vector<LabModel> chosen;
  for (const LabModel model : kLabModels) {
    known.emplace_back(lab_model_name(model));
    if (word == "all" || word == lab_model_name(model)) chosen.push_back(model);
  }
  if (!chosen.empty()) return chosen;
  say("lab: --model " + escape(word, 100) + ": expected bare, naive, canonical, sealed or all" +
      did_you_mean(word, known));
  return std::nullopt;
}

// The lessons that a word means: an id, a class, or all. None after saying what is wrong.
std::vector<const LabLesson*> chosen_or_say(const LabLessons& all, const std::string& word) {
  std::vector<const LabLesson*> chosen;
  std::vector<std::string> known = {"all"};
  for (const LabLesson& lesson : all.lessons) {
    if (word == "all" || word == lesson.id || word == lesson.attack_class)
      chosen.push_back(&lesson);
    known.push_back(lesson.id);
    known.push_back(lesson.attack_class);
  }
  if (chosen.empty()) {
    say("lab: no attack or class '" + escape(word, 100) + "'" + did_you_mean(word, known) +
        "\n`callgate lab list` shows them all");
  }
  return chosen;
}

int wrong_words(const std::string& what) {
  say("lab: " + what + "\nusage: callgate lab list [CLASS] | show ID | run ID|CLASS|all; " +
      "`callgate help lab` says more");
  return kQuestionUsage;
}

}  // namespace

int lab_command(const Options& options) {
  const std::vector<std::string>& words = options.words();
  if (words.empty()) return wrong_words("list, show or run?");
  const std::string& verb = words[0];
  if (verb != "list" && verb != "show" && verb != "run") {
    return wrong_words("unknown word '" + escape(verb, 100) + "'" +
                       did_you_mean(verb, {"list", "show", "run"}));
  }
  if (words.size() > 2) return wrong_words(verb + " takes one word");
  if (words.size() < 2 && verb != "list") return wrong_words(verb + " what?");
  const auto style = style_or_say(options);
  const auto settings = settings_or_say(options);
  const auto models = models_or_say(options);
  if (!style || !settings || !models) return kQuestionUsage;

  const LabPlaces places = find_lab();
  if (places.programs.empty()) {
    say("lab: its programs are not installed with this callgate");
    return kQuestionUsage;
  }
  const LabLessons all = read_lab_lessons(places.lessons);
  for (const std::string& problem : all.problems) say("lab: " + problem);
  const auto chosen = chosen_or_say(all, words.size() > 1 ? words[1] : "all");
  if (chosen.empty()) return kQuestionUsage;
  if (verb == "list") return print(lab_list_text(chosen, *style)) && all.problems.empty() ? 0 : 1;
  if (verb == "show") {
    for (const LabLesson* lesson : chosen) {
      if (!print(lab_lesson_text(*lesson, *style))) return 1;
    }
    return 0;
  }
  const LabPlan plan{chosen,    *models, places.programs,
                     *settings, *style,  chosen.size() == 1 || options.has("timeline")};
  const int status = on_lab_stage([&] { return run_lab(plan); });
  if (status < 0) say("lab: no process could be started");
  return status < 0 ? 1 : status;
}

}  // namespace callgate::cli
