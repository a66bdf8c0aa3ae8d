#include "monitor/audit_table.h"

#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <utility>

#include "monitor/audit_json.h"
#include "monitor/denial_report.h"
#include "monitor/escape.h"

namespace callgate {
namespace {

constexpr size_t kNameLimit = 1024;

std::string pad(std::string text, size_t width) {
  if (text.size() < width) text.resize(width, ' ');
  return text;
}

std::string pad_left(std::string text, size_t width) {
  if (text.size() < width) text.insert(0, width - text.size(), ' ');
  return text;
}

std::string plural(uint64_t count, const char* one, const char* many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

std::string_view best_name(const Event::Object& object) {
  return object.real.empty() ? object.asked : object.real;
}

std::string objects_text(const Event& event) {
  std::string out;
  for (const Event::Object& object : event.objects) {
    if (!out.empty()) out += " -> ";
    out += escape(best_name(object), kNameLimit);
  }
  return out;
}

std::string operation_text(const Event& event) {
  return escape(event.operation.empty() ? event.call : std::string_view(event.operation), 64);
}

// A shell's words: quoted only where reading needs it.
std::string command_text(const std::vector<std::string>& argv) {
  std::string out;
  for (const std::string& word : argv) {
    if (!out.empty()) out += ' ';
    const bool bare = !word.empty() && is_plain(word) && word.find(' ') == std::string::npos;
    out += bare ? word : "\"" + escape(word, 120) + "\"";
  }
  return out;
}

std::string end_text(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    const char* name = sigabbrev_np(WTERMSIG(wait_status));
    return name != nullptr ? std::string("SIG") + name
                           : "signal " + std::to_string(WTERMSIG(wait_status));
  }
  return "exit " + std::to_string(WEXITSTATUS(wait_status));
}

std::string shorten(std::string text, size_t width) {
  if (text.size() <= width || width < 8) return text;
  text.resize(width - 3);
  return text + "...";
}

}  // namespace

void MultiSink::on_event(const Event& event) {
  for (const auto& sink : sinks_) sink->on_event(event);
}

void MultiSink::on_process(const ProcessEvent& event) {
  for (const auto& sink : sinks_) sink->on_process(event);
}

bool MultiSink::healthy() const {
  return std::all_of(sinks_.begin(), sinks_.end(),
                     [](const auto& sink) { return sink->healthy(); });
}

void MultiSink::on_finish() {
  for (const auto& sink : sinks_) sink->on_finish();
}

void AuditTable::Results::add(int64_t result) {
  ++count;
  if (result < 0 && result >= -4095) ++errors[-result];
}

std::string AuditTable::Results::text() const {
  uint64_t failed = 0;
  for (const auto& [code, times] : errors) failed += times;
  if (failed == 0) return "ok";
  std::string out = failed == count ? "" : std::to_string(count - failed) + " ok";
  for (const auto& [code, times] : errors) {
    if (!out.empty()) out += ", ";
    if (times != count) out += std::to_string(times) + " ";
    out += errno_name(-code);
  }
  return out;
}

// Whether one more may be remembered beside so many; if so, its bytes are taken.
bool AuditTable::has_room(size_t entries, size_t bytes) {
  if (entries >= settings_.distinct || remembered_ + bytes > settings_.remembered_bytes) {
    return false;
  }
  remembered_ += bytes;
  return true;
}

void AuditTable::add(Section* section, std::string operation, std::string object, int64_t result) {
  const Key key(std::move(operation), std::move(object));
  auto found = section->rows.find(key);
  if (found == section->rows.end()) {
    if (!has_room(section->rows.size(), std::get<0>(key).size() + std::get<1>(key).size())) {
      ++section->beyond;
      return;
    }
    found = section->rows.emplace(key, Results()).first;
  }
  found->second.add(result);
}

void AuditTable::add_denied(const Event& event) {
  ++denied_calls_;
  const Key key(operation_text(event), objects_text(event));
  auto found = denied_.find(key);
  if (found == denied_.end()) {
    Denied denied;
    if (event.rule != nullptr) {
      denied.rule =
          "by " + escape_line(event.rule->where()) + ": " + escape(event.rule->text, kNameLimit);
      if (!event.reason.empty()) denied.rule += " (" + escape_line(event.reason) + ")";
    } else if (event.reason.empty()) {
      denied.rule = "no statement matches it";
    } else {
      denied.rule = "by callgate itself: " + escape_line(event.reason);
    }
    denied.allow = allowing_statement(event).value_or("");
    const size_t bytes = std::get<0>(key).size() + std::get<1>(key).size() + denied.rule.size() +
                         denied.allow.size();
    if (!has_room(denied_.size(), bytes)) {
      ++denied_beyond_;
      return;
    }
    found = denied_.emplace(key, std::move(denied)).first;
  }
  ++found->second.count;
}

void AuditTable::on_event(const Event& event) {
  ++events_;
  if (first_ns_ == 0) first_ns_ = event.time_ns;
  last_ns_ = std::max(last_ns_, event.time_ns);
  const std::string operation = operation_text(event);
  const std::string object = objects_text(event);
  if (event.lookup_failed) {
    add(&lookups_, operation, object, event.result);
  } else {
    switch (event.kind) {
      case Event::Kind::Path:
      case Event::Kind::Exec:
        add(operation == "stat" ? &stats_ : &files_, operation, object, event.result);
        break;
      case Event::Kind::Network:
        add(&sockets_, operation, object.empty() ? "-" : object, event.result);
        break;
      case Event::Kind::Signal:
        add(&signals_, operation, object, event.result);
        break;
      case Event::Kind::Process:
      case Event::Kind::Other:
        add(&other_, operation, object, event.result);
        break;
    }
  }
  if (event.would_deny || event.verdict != Verdict::Allow) add_denied(event);
}

// The entry of a process number; a new one when the number is used again or was never seen.
size_t AuditTable::process(pid_t pid, pid_t parent, bool fresh) {
  const auto found = current_.find(pid);
  // An exec can be reported before the parent's fork event: then the process is there already.
  if (found != current_.end() && !(fresh && processes_[found->second].exited)) {
    return found->second;
  }
  if (processes_.size() >= settings_.distinct) {
    ++processes_beyond_;
    return processes_.size();
  }
  const size_t index = processes_.size();
  processes_.emplace_back().pid = pid;
  current_[pid] = index;
  const auto above = current_.find(parent);
  if (above != current_.end() && above->second != index) {
    processes_[above->second].children.push_back(index);
  } else {
    roots_.push_back(index);
  }
  return index;
}

void AuditTable::on_process(const ProcessEvent& event) {
  if (first_ns_ == 0) first_ns_ = event.time_ns;
  last_ns_ = std::max(last_ns_, event.time_ns);
  const size_t index = process(event.pid, event.parent, event.kind == ProcessEvent::Kind::Started);
  if (index >= processes_.size()) return;
  Process& entry = processes_[index];
  switch (event.kind) {
    case ProcessEvent::Kind::Started:
      break;
    case ProcessEvent::Kind::Executed: {
      ++programs_;
      std::string line = escape(event.executable, kNameLimit);
      const std::string words = command_text(event.argv);
      // argv[0] only where it says something that the name does not.
      const std::string_view base =
          std::string_view(event.executable).substr(event.executable.rfind('/') + 1);
      const std::vector<std::string> rest(event.argv.begin() + (event.argv.empty() ? 0 : 1),
                                          event.argv.end());
      const bool same =
          !event.argv.empty() && (event.argv[0] == event.executable || event.argv[0] == base);
      if (same) {
        if (!rest.empty()) line += " " + command_text(rest);
      } else if (!event.argv.empty()) {
        line += " as " + words;
      }
      line = shorten(std::move(line), settings_.width);
      if (entry.programs.size() < 64 && has_room(executions_, line.size())) {
        ++executions_;
        entry.programs.push_back(std::move(line));
      } else {
        ++executions_beyond_;
      }
      break;
    }
    case ProcessEvent::Kind::Exited:
      entry.exited = true;
      entry.wait_status = event.wait_status;
      break;
  }
}

std::string AuditTable::tree_text() const {
  std::string out;
  // Depth first without recursion: a chain of forks may be thousands deep.
  std::vector<std::pair<size_t, size_t>> waiting;  // index, depth
  for (auto root = roots_.rbegin(); root != roots_.rend(); ++root) waiting.emplace_back(*root, 0);
  while (!waiting.empty()) {
    const auto [index, depth] = waiting.back();
    waiting.pop_back();
    const Process& process = processes_[index];
    const std::string indent = "  " + std::string(2 * std::min<size_t>(depth, 20), ' ');
    const std::string end = process.exited ? end_text(process.wait_status) : "still running";
    std::vector<std::string> lines = process.programs;
    if (lines.empty()) lines.emplace_back("(no program of its own)");
    for (size_t i = 0; i < lines.size(); ++i) {
      const std::string head =
          indent + (i == 0 ? pad(std::to_string(process.pid), 7) : std::string("  then "));
      const size_t room = settings_.width > end.size() + 2 ? settings_.width - end.size() - 2 : 40;
      std::string line = shorten(head + lines[i], room);
      if (i + 1 == lines.size()) line = pad(line, room) + "  " + end;
      out += line + "\n";
    }
    for (auto child = process.children.rbegin(); child != process.children.rend(); ++child) {
      waiting.emplace_back(*child, depth + 1);
    }
  }
  if (processes_beyond_ > 0) {
    out += "  and " + plural(processes_beyond_, "more event", "more events") +
           " of processes beyond those remembered\n";
  }
  if (executions_beyond_ > 0) {
    out += "  and " +
           plural(executions_beyond_, "more program executed", "more programs executed") + "\n";
  }
  return out;
}

std::string AuditTable::section_text(const char* title, const char* object_title,
                                     const Section& section) const {
  if (section.rows.empty()) return {};
  std::vector<std::pair<Key, const Results*>> rows;
  std::vector<std::string> results;
  size_t operation_width = 9;
  size_t result_width = 6;
  for (const auto& [key, value] : section.rows) {
    rows.emplace_back(key, &value);
    operation_width = std::max(operation_width, std::get<0>(key).size());
    result_width = std::max(result_width, value.text().size());
  }
  operation_width = std::min<size_t>(operation_width, 28);
  result_width = std::min<size_t>(result_width, 24);
  std::string out = "\n" + std::string(title) + "\n  " + pad("OPERATION", operation_width) + "  " +
                    pad_left("COUNT", 7) + "  " + pad("RESULT", result_width) + "  " +
                    object_title + "\n";
  for (const auto& [key, value] : rows) {
    out += "  " + pad(std::get<0>(key), operation_width) + "  " +
           pad_left(std::to_string(value->count), 7) + "  " + pad(value->text(), result_width);
    out += std::get<1>(key).empty() ? "\n" : "  " + std::get<1>(key) + "\n";
  }
  if (section.beyond > 0) {
    out += "  and " + plural(section.beyond, "more call", "more calls") +
           " on objects beyond the " + std::to_string(settings_.distinct) + " remembered\n";
  }
  return out;
}

std::string AuditTable::denied_text() const {
  std::string out = "\nWOULD HAVE BEEN DENIED\n";
  if (denied_.empty()) return out + "  nothing: the policy allows all of this\n";
  out += "  COUNT  OPERATION AND OBJECT\n";
  for (const auto& [key, denied] : denied_) {
    out += "  " + pad_left(std::to_string(denied.count), 5) + "  " + std::get<0>(key) + " " +
           std::get<1>(key) + "\n         " + denied.rule + "\n";
    if (!denied.allow.empty()) out += "         to allow: " + denied.allow + "\n";
  }
  if (denied_beyond_ > 0) {
    out += "  and " + plural(denied_beyond_, "more call", "more calls") + "\n";
  }
  return out;
}

std::string AuditTable::text() const {
  std::string seconds(32, '\0');
  const double spent = static_cast<double>(last_ns_ - first_ns_) / 1e9;
  seconds.resize(
      static_cast<size_t>(std::snprintf(seconds.data(), seconds.size(), "%.2f s", spent)));
  std::string out = "callgate audit: " + plural(programs_, "program", "programs") + ", " +
                    plural(processes_.size(), "process", "processes") + ", " +
                    plural(events_, "call", "calls") + " in " + seconds;
  if (settings_.with_policy) out += "; " + std::to_string(denied_calls_) + " would be denied";
  out += "\n";
  const std::string tree = tree_text();
  if (!tree.empty()) out += "\nPROGRAMS\n" + tree;
  out += section_text("SOCKETS", "ENDPOINT", sockets_);
  out += section_text("SIGNALS", "TARGET", signals_);
  out += section_text("FILES", "NAME", files_);
  out += section_text("OTHER CALLS", "OBJECT", other_);
  out += section_text("LOOKED AT (metadata only)", "NAME", stats_);
  out += section_text("LOOKED FOR AND NOT FOUND", "NAME", lookups_);
  if (settings_.with_policy) out += denied_text();
  return out;
}

void AuditTable::on_finish() { write_(text()); }

}  // namespace callgate
