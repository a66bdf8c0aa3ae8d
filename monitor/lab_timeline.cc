#include "monitor/lab_timeline.h"

#include <algorithm>
#include <cstdio>
#include <map>

#include "monitor/escape.h"

namespace callgate {
namespace {

constexpr size_t kMarkWidth = 3;
constexpr size_t kTimeWidth = 9;
constexpr size_t kMostTasks = 3;  // further tasks share the last column
constexpr std::string_view kBar = " | ";

enum class Paint : uint8_t { None, Bold, Alarm, Relief, Faint };

std::string painted(std::string text, Paint paint, bool colour) {
  if (!colour || paint == Paint::None || text.empty()) return text;
  const char* code = paint == Paint::Bold     ? "\x1b[1m"
                     : paint == Paint::Alarm  ? "\x1b[1;31m"
                     : paint == Paint::Relief ? "\x1b[1;32m"
                                              : "\x1b[2m";
  return code + std::move(text) + "\x1b[0m";
}

std::string padded(std::string text, size_t width) {
  if (text.size() < width) text.resize(width, ' ');
  return text;
}

std::string trimmed_right(std::string text) {
  while (text.ends_with(' ')) text.pop_back();
  return text;
}

// 1204 -> "1,204".
std::string grouped(uint64_t number) {
  std::string text = std::to_string(number);
  for (size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

std::string milliseconds(int64_t ns) {
  std::array<char, 32> text{};
  const int n = std::snprintf(text.data(), text.size(), "%.1f", static_cast<double>(ns) / 1e6);
  return {text.data(), static_cast<size_t>(std::max(n, 0))};
}

// The tasks of a story in order of appearance, with letters.
class Tasks {
 public:
  explicit Tasks(const LabStory& story) {
    for (const LabRow& row : story.rows) {
      if (letters_.try_emplace(row.tid, letters_.size()).second) order_.push_back(&row);
    }
  }
  [[nodiscard]] size_t columns() const { return std::clamp<size_t>(order_.size(), 1, kMostTasks); }
  [[nodiscard]] size_t column(const LabRow& row) const {
    return std::min(letters_.at(row.tid), kMostTasks - 1);
  }
  [[nodiscard]] std::string title(size_t column) const {
    if (order_.empty()) return "program";
    if (column + 1 == kMostTasks && order_.size() > kMostTasks) {
      return letter(column) + " and " + std::to_string(order_.size() - kMostTasks) + " more";
    }
    const LabRow& row = *order_[column];
    return letter(column) + (row.pid == row.tid ? ": pid " : ": tid ") + std::to_string(row.tid);
  }
  // Who it is, where the column does not say so.
  [[nodiscard]] std::string prefix(const LabRow& row) const {
    const size_t index = letters_.at(row.tid);
    return order_.size() > kMostTasks && index + 1 >= kMostTasks ? letter(index) + ": " : "";
  }

 private:
  static std::string letter(size_t index) {
    return index < 26 ? std::string(1, static_cast<char>('A' + index))
                      : "#" + std::to_string(index + 1);
  }
  std::map<pid_t, size_t> letters_;
  std::vector<const LabRow*> order_;
};

struct Layout {
  std::vector<size_t> widths;  // tasks, monitor, kernel
};

Layout lay_out(size_t tasks, size_t width) {
  const size_t bars = (tasks + 2) * kBar.size();
  const size_t room = std::max<size_t>(width, 60) - kMarkWidth - kTimeWidth - bars;
  // Parts of three, and the rest for the monitor's column, which holds a name and a verdict.
  const size_t part = room * 3 / (tasks * 3 + 5 + 3);
  Layout layout;
  layout.widths.assign(tasks, part);
  layout.widths.push_back(room - part * (tasks + 1));
  layout.widths.push_back(part);
  return layout;
}

// One row of the table, as many lines as its longest cell needs.
std::string table_row(const std::string& mark, const std::string& time,
                      const std::vector<std::string>& cells, const Layout& layout, Paint paint,
                      bool colour) {
  std::vector<std::vector<std::string>> wrapped;
  size_t height = 1;
  for (size_t i = 0; i < cells.size(); ++i) {
    wrapped.push_back(wrap_words(cells[i], layout.widths[i]));
    height = std::max(height, wrapped.back().size());
  }
  std::string out;
  for (size_t line = 0; line < height; ++line) {
    std::string text = padded(line == 0 ? mark : "", kMarkWidth);
    const std::string number = line == 0 ? time : "";
    text += std::string(kTimeWidth - std::min(kTimeWidth, number.size()), ' ') + number;
    for (size_t i = 0; i < cells.size(); ++i) {
      text += kBar;
      text += padded(line < wrapped[i].size() ? wrapped[i][line] : "", layout.widths[i]);
    }
    out += painted(trimmed_right(std::move(text)), paint, colour) + "\n";
  }
  return out;
}

std::string believed_text(const LabRow& row) {
  std::string out(row.believed.view());
  out += row.verdict == Verdict::Allow  ? ": allow"
         : row.verdict == Verdict::Deny ? ": DENY"
                                        : ": KILL";
  if (!row.because.view().empty()) out += " (" + std::string(row.because.view()) + ")";
  return out;
}

// The row that decided; null where nothing that was seen explains what became of the prey.
const LabRow* deciding_row(const LabRun& run) {
  const LabStory& story = run.story;
  const bool lost = run.end == LabRun::End::Taken;
  if (story.deciding == 0 || (lost && story.moment != LabRow::Moment::PreyReached)) return nullptr;
  for (const LabRow& row : story.rows) {
    if (row.number == story.deciding) return &row;
  }
  return nullptr;
}

Paint paint_of(const LabRow& row, bool deciding) {
  if (!deciding) return Paint::None;
  return row.moment == LabRow::Moment::PreyReached ? Paint::Alarm : Paint::Relief;
}

std::string table(const LabRun& run, LabStyle style) {
  const LabStory& story = run.story;
  const LabRow* decided = deciding_row(run);
  const Tasks tasks(story);
  const Layout layout = lay_out(tasks.columns(), style.width);
  std::vector<std::string> titles;
  for (size_t i = 0; i < tasks.columns(); ++i) titles.push_back(tasks.title(i));
  titles.insert(titles.end(), {"the monitor believed", "the kernel did"});
  std::string out = table_row("", "ms", titles, layout, Paint::Bold, style.colour);
  std::vector<std::string> rules;
  for (const size_t width : layout.widths) rules.emplace_back(width, '-');
  out += table_row("", "-----", rules, layout, Paint::None, false);
  const auto gap = [&](uint64_t calls) {
    if (calls == 0) return;
    out += std::string(kMarkWidth, ' ') + "  ... " + grouped(calls) +
           (calls == 1 ? " call" : " calls") + " left out ...\n";
  };
  uint64_t next = 1;
  for (const LabRow& row : story.rows) {
    gap(row.number - next);
    next = row.number + row.count;
    std::vector<std::string> cells(layout.widths.size());
    std::string& call = cells[tasks.column(row)];
    call = tasks.prefix(row) + std::string(row.call.view());
    if (row.count > 1) call += " (x" + grouped(row.count) + ")";
    cells[layout.widths.size() - 2] = believed_text(row);
    cells[layout.widths.size() - 1] = row.did.view();
    const bool deciding = &row == decided;
    out += table_row(deciding ? ">>" : "", milliseconds(row.time_ns - story.rows.front().time_ns),
                     cells, layout, paint_of(row, deciding), style.colour);
  }
  gap(story.concerning + 1 - next);
  return out;
}

std::string deciding_sentence(const LabRun& run) {
  const LabRow* row = deciding_row(run);
  if (row == nullptr) {
    if (run.end == LabRun::End::Taken) {
      return "No trapped call shows how: the model never saw the way that was taken, or what the "
             "call "
             "had acted on was something else again by the time it returned.";
    }
    return "No call that was trapped decided it: what was tried was refused by the filter inside "
           "the kernel, or came to nothing by itself.";
  }
  const std::string believed(row->believed.view());
  const std::string did(row->did.view());
  if (row->moment == LabRow::Moment::PreyReached) {
    return ">> The deciding moment: the monitor believed `" + believed +
           "` and allowed it; the kernel " + did + ".";
  }
  std::string by(row->because.view());
  if (by == "no line") by = "no line allows it";
  return ">> The deciding moment: the object was judged as what it is, `" + believed +
         "`, and refused (" + by + ").";
}

std::string paragraph(const std::string& text, LabStyle style, Paint paint = Paint::None) {
  std::string out;
  for (std::string& line : wrap_words(text, style.width)) {
    out += painted(std::move(line), paint, style.colour) + "\n";
  }
  return out;
}

std::string prey_sentence(const LabRun& run) {
  switch (run.end) {
    case LabRun::End::Taken:
      return "Prey: TAKEN (" + escape_line(run.lost) + ")";
    case LabRun::End::Held:
      return "Prey: kept";
    case LabRun::End::TimedOut:
      return "Prey: kept, but the attack was " + run.note;
    case LabRun::End::Skipped:
      return "Skipped: " + run.note;
    case LabRun::End::Odd:
      return "Prey: kept, but the attack did not end as one should: " + run.note;
    case LabRun::End::Failed:
      return "The lab could not run it: " + escape_line(run.note);
    case LabRun::End::Interrupted:
      break;
  }
  return "Interrupted";
}

Paint paint_of(const LabRun& run) {
  return run.end == LabRun::End::Taken  ? Paint::Alarm
         : run.end == LabRun::End::Held ? Paint::Relief
                                        : Paint::Bold;
}

}  // namespace

std::vector<std::string> wrap_words(std::string_view text, size_t width) {
  std::vector<std::string> lines;
  std::string line;
  while (!text.empty()) {
    const size_t begin = text.find_first_not_of(' ');
    if (begin == std::string_view::npos) break;
    text.remove_prefix(begin);
    std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(word.size());
    if (!line.empty() && line.size() + 1 + word.size() > width) {
      lines.push_back(std::exchange(line, {}));
    }
    while (word.size() > width) {  // at a slash if there is one, for these are names
      const size_t slash = word.rfind('/', width - 1);
      const size_t cut = slash == std::string_view::npos || slash == 0 ? width : slash;
      lines.emplace_back(word.substr(0, cut));
      word.remove_prefix(cut);
    }
    line += (line.empty() ? "" : " ") + std::string(word);
  }
  if (!line.empty()) lines.push_back(line);
  return lines;
}

std::string_view lab_end_word(const LabRun& run) {
  switch (run.end) {
    case LabRun::End::Taken:
      return "TAKEN";
    case LabRun::End::Held:
      return "kept";
    case LabRun::End::Skipped:
      return "skipped";
    case LabRun::End::TimedOut:
      return "HUNG";
    case LabRun::End::Odd:
      return "ODD";
    case LabRun::End::Failed:
      return "FAILED";
    case LabRun::End::Interrupted:
      break;
  }
  return "stopped";
}

std::string lab_timeline(const LabRun& run, LabStyle style) {
  std::string out;
  if (run.model == LabModel::Bare) {
    out += "No monitor: every call went straight to the kernel.\n";
  } else if (run.end != LabRun::End::Skipped && run.end != LabRun::End::Failed) {
    out += run.story.rows.empty() ? "" : table(run, style) + "\n";
    const LabRow* row = deciding_row(run);
    out += paragraph(deciding_sentence(run), style,
                     row == nullptr ? Paint::None : paint_of(*row, true));
    out += paragraph(
        grouped(run.story.concerning) +
            (run.story.concerning == 1 ? " trapped call concerns" : " trapped calls concern") +
            " the prey; " + grouped(run.story.others) +
            " more by start-up and libraries. Calls that "
            "the model does not trap are not seen by it, nor shown here.",
        style, Paint::Faint);
  }
  out += paragraph(prey_sentence(run), style, paint_of(run));
  if (!run.as_told) {
    out += paragraph("NOT as the attack's head says" + (run.note.empty() ? "" : ": " + run.note),
                     style, Paint::Bold);
  }
  return out;
}

std::string lab_side_by_side(std::span<const LabRun> runs, LabStyle style) {
  constexpr size_t kModelWidth = 10;
  constexpr size_t kPreyWidth = 8;
  const size_t room = std::max<size_t>(style.width, 60) - kModelWidth - kPreyWidth - 6;
  const size_t believed_width = room * 11 / 20;
  const size_t did_width = room - believed_width;
  std::string out;
  const auto line = [&](const std::string& model, const std::string& believed,
                        const std::string& did, const std::string& prey, Paint paint) {
    const auto left = wrap_words(believed, believed_width);
    const auto right = wrap_words(did, did_width);
    for (size_t i = 0; i < std::max<size_t>({left.size(), right.size(), 1}); ++i) {
      std::string text = padded(i == 0 ? model : "", kModelWidth) + "  " +
                         padded(i < left.size() ? left[i] : "", believed_width) + "  " +
                         padded(i < right.size() ? right[i] : "", did_width) + "  ";
      if (i == 0) {
        out += text + painted(prey, paint, style.colour) + "\n";
      } else {
        out += trimmed_right(std::move(text)) + "\n";
      }
    }
  };
  line("MODEL", "BELIEVED", "THE KERNEL DID", "PREY", Paint::None);
  for (const LabRun& run : runs) {
    std::string believed = "nobody was asked";
    std::string did = run.end == LabRun::End::Taken ? run.lost : "";
    if (run.model != LabModel::Bare) {
      const LabRow* row = deciding_row(run);
      believed = row == nullptr ? "no trapped call decided" : believed_text(*row);
      if (row != nullptr) did = row->did.view();
    }
    line(std::string(lab_model_name(run.model)), believed, did, std::string(lab_end_word(run)),
         paint_of(run));
  }
  return out;
}

}  // namespace callgate
