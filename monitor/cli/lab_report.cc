#include "monitor/cli/lab_report.h"

#include <algorithm>
#include <map>

#include "monitor/cli/say.h"
#include "monitor/escape.h"
#include "monitor/lab_stage.h"

namespace callgate::cli {
namespace {

constexpr size_t kClassWidth = 10;
constexpr size_t kSeverityWidth = 9;
constexpr size_t kModelWidth = 10;

std::string padded(std::string text, size_t width) {
  if (text.size() < width) text.resize(width, ' ');
  return text;
}

// The head's words come from a file of ours; a file that was tampered with must not speak to a
// terminal all the same.
std::string clean(const std::string& text) { return escape_line(text); }

// As many words as fit.
std::string beginning(const std::string& text, size_t width) {
  std::string out = clean(text);
  if (out.size() <= width) return out;
  const size_t space = out.rfind(' ', width - 3);
  return out.substr(0, space == std::string::npos ? width - 3 : space) + "...";
}

std::string joined(const std::vector<std::string>& words, const char* separator = ", ") {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : separator) + clean(word);
  return out;
}

size_t id_width(const std::vector<const LabLesson*>& lessons) {
  size_t width = 4;
  for (const LabLesson* lesson : lessons) width = std::max(width, lesson->id.size());
  return std::min<size_t>(width, 40) + 2;
}

std::string section(const char* title, const std::string& text, LabStyle style) {
  std::string out = std::string("\n") + title + "\n";
  for (const std::string& line : wrap_words(clean(text), style.width - 2))
    out += "  " + line + "\n";
  return out;
}

std::string heading(const LabLesson& lesson, LabModel model) {
  std::string what = "under the " + std::string(lab_model_name(model)) + " model";
  if (model == LabModel::Bare) what = "with no monitor";
  if (model == LabModel::Sealed) what += " (callgate's own)";
  const std::string title = clean(lesson.id) + " " + what;
  return "\n" + title + "\n" + std::string(title.size(), '=') + "\n";
}

// Counts for the end, and for the exit status.
struct Tally {
  bool mute = false;  // nobody reads what is printed
  size_t run = 0;
  size_t as_told = 0;
  bool interrupted = false;
  bool left_behind = false;
  std::map<std::string, size_t> skipped;  // by reason
  std::vector<std::string> not_as_told;
};

std::string tally_text(const Tally& tally) {
  std::string out = std::to_string(tally.run) +
                    (tally.run == 1 ? " attack run, " : " attacks run, ") +
                    std::to_string(tally.as_told) + " as the head says\n";
  for (const std::string& line : tally.not_as_told) out += "NOT as the head says: " + line + "\n";
  size_t skipped = 0;
  for (const auto& [reason, count] : tally.skipped) skipped += count;
  if (skipped > 0) out += std::to_string(skipped) + " skipped:\n";
  for (const auto& [reason, count] : tally.skipped) {
    out += "  " + std::to_string(count) + "  " + clean(reason) + "\n";
  }
  return out;
}

void emit(const std::string& text, Tally* tally) {
  if (!tally->mute && !print(text)) tally->mute = true;
}

std::vector<LabRun> play_all(const LabPlan& plan, const LabLesson& lesson, Tally* tally) {
  std::vector<LabRun> runs;
  for (const LabModel model : plan.models) {
    if (pending_ending_signal() != 0 || tally->mute) break;
    if (plan.timelines) emit(heading(lesson, model), tally);
    runs.push_back(play_attack(lesson, plan.programs + "/" + lesson.id, model, plan.settings));
    if (plan.timelines) {
      emit(lab_timeline(runs.back(), plan.style), tally);
    } else {
      emit(padded(std::string(lab_end_word(runs.back())), kModelWidth), tally);
    }
    // The kernel lacks something, and the other models need not find out too. An attack that has
    // taken its prey before and now takes a refusal for a lack has only guessed wrong.
    if (runs.size() == 1 && runs.back().end == LabRun::End::Skipped) break;
  }
  return runs;
}

void count(const LabLesson& lesson, const std::vector<LabRun>& runs, Tally* tally) {
  std::string wrong;
  for (const LabRun& run : runs) {
    tally->left_behind = tally->left_behind || run.left_behind;
    tally->interrupted = tally->interrupted || run.end == LabRun::End::Interrupted;
    if (run.end == LabRun::End::Skipped && runs.size() == 1) {
      ++tally->skipped[run.note];
      return;
    }
    if (run.as_told) continue;
    wrong += (wrong.empty() ? "" : "; ") + std::string(lab_model_name(run.model)) + ": " +
             std::string(lab_end_word(run)) + (run.note.empty() ? "" : ", " + clean(run.note));
  }
  ++tally->run;
  if (wrong.empty()) {
    ++tally->as_told;
  } else {
    tally->not_as_told.push_back(clean(lesson.id) + ": " + wrong);
  }
}

}  // namespace

std::string lab_list_text(const std::vector<const LabLesson*>& lessons, LabStyle style) {
  const size_t ids = id_width(lessons);
  const size_t before = ids + kClassWidth + kSeverityWidth + 1;
  std::string out = padded("ID", ids) + padded("CLASS", kClassWidth) +
                    padded("SEVERITY", kSeverityWidth + 1) + "THE TRAP\n";
  for (const LabLesson* lesson : lessons) {
    out += padded(clean(lesson->id), ids) + padded(clean(lesson->attack_class), kClassWidth) +
           padded(clean(lesson->severity), kSeverityWidth + 1) +
           beginning(lesson->trap, style.width - std::min(before, style.width - 20)) + "\n";
  }
  return out;
}

std::string lab_lesson_text(const LabLesson& lesson, LabStyle style) {
  std::string out =
      clean(lesson.id) + " (" + clean(lesson.attack_class) + ", " + clean(lesson.severity) +
      "): beats " +
      (lesson.models.empty() ? "none of the models" : joined(lesson.models, " and ")) + "\n";
  out += section("The trap", lesson.trap, style);
  out += section("What a naive monitor does", lesson.naive, style);
  out += section("What the kernel does", lesson.kernel, style);
  out += section("Why callgate holds", lesson.sealed, style);
  out += section("Source", lesson.source, style);
  out += "\nThe policy ($T: the work tree, $S: the secret one)\n";
  for (const std::string& line : lesson.policy) out += "  " + clean(line) + "\n";
  if (!lesson.needs.empty()) out += section("Needs", joined(lesson.needs), style);
  out += "\nThe program: " + clean(lesson.file) + "\nRun it: callgate lab run " + clean(lesson.id) +
         "\n";
  return out;
}

int run_lab(const LabPlan& plan) {
  Tally tally;
  const size_t ids = id_width(plan.lessons);
  if (!plan.timelines) {
    std::string title = padded("ATTACK", ids) + padded("CLASS", kClassWidth);
    for (const LabModel model : plan.models) {
      title += padded(std::string(lab_model_name(model)), kModelWidth);
    }
    emit(title + "AS TOLD\n", &tally);
  }
  for (const LabLesson* lesson : plan.lessons) {
    const auto obstacle = lab_obstacle(*lesson, plan.programs + "/" + lesson->id);
    if (!plan.timelines)
      emit(padded(clean(lesson->id), ids) + padded(lesson->attack_class, kClassWidth), &tally);
    if (obstacle) {
      emit("skipped: " + *obstacle + "\n", &tally);
      ++tally.skipped[*obstacle];
      continue;
    }
    const std::vector<LabRun> runs = play_all(plan, *lesson, &tally);
    const size_t wrong = tally.not_as_told.size();
    count(*lesson, runs, &tally);
    if (tally.interrupted || tally.mute || pending_ending_signal() != 0) break;
    if (!plan.timelines) {
      const bool skipped = runs.size() == 1 && runs.back().end == LabRun::End::Skipped;
      const char* told = tally.not_as_told.size() > wrong ? "NO\n" : "yes\n";
      emit(skipped ? clean(runs.back().note) + "\n" : told, &tally);
    } else if (runs.size() > 1) {
      emit("\nSide by side: " + clean(lesson->id) + "\n" + lab_side_by_side(runs, plan.style),
           &tally);
    }
  }
  if (tally.left_behind) {
    say("lab: something an attack made could not be removed; look for callgate-lab-* in the "
        "temporary directory");
  }
  if (pending_ending_signal() != 0) {
    emit("\ninterrupted; everything was ended and removed\n", &tally);
    return 1;
  }
  emit("\n" + tally_text(tally), &tally);
  if (tally.mute || !tally.not_as_told.empty() || tally.left_behind) return 1;
  return tally.run == 0 ? kNothingRun : 0;
}

}  // namespace callgate::cli
