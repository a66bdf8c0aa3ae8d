#include "monitor/denial_report.h"

#include <algorithm>
#include <chrono>
#include <string_view>

#include "monitor/escape.h"
#include "monitor/plain_name.h"
#include "monitor/record_writer.h"

namespace callgate {
namespace {

// Together these keep a record below PIPE_BUF, so that it is one write and never torn.
constexpr size_t kNameLimit = 640;
constexpr size_t kProgramLimit = 64;
constexpr size_t kRuleLimit = 400;
constexpr size_t kStatementLimit = 1400;

std::string program_name(const Event& event) {
  if (!event.executable || event.executable->empty()) return "process";
  const std::string_view path = *event.executable;
  return escape(path.substr(path.rfind('/') + 1), kProgramLimit);
}

std::string_view best_name(const Event::Object& object) {
  return object.real.empty() ? object.asked : object.real;
}

// "/a/b (asked for as "b")"; two objects are joined by " -> ".
std::string objects_text(const Event& event) {
  std::string out;
  const size_t limit = event.objects.size() > 1 ? kNameLimit / 2 : kNameLimit;
  for (const Event::Object& object : event.objects) {
    if (!out.empty()) out += " -> ";
    out += escape(best_name(object), limit);
    if (!object.real.empty() && !object.asked.empty() && object.asked != object.real) {
      out += " (asked for as \"" + escape(object.asked, limit) + "\")";
    }
  }
  return out;
}

std::string_view verb(Verdict verdict) {
  switch (verdict) {
    case Verdict::Allow:
      return "allowed";
    case Verdict::Deny:
      return "denied";
    case Verdict::Kill:
      return "killed for";
  }
  return "denied";
}

// The words between the operation and the object.
std::string_view link_word(Event::Kind kind) {
  switch (kind) {
    case Event::Kind::Path:
    case Event::Kind::Exec:
      return " of ";
    case Event::Kind::Signal:
      return " to ";
    case Event::Kind::Network:
    case Event::Kind::Process:
    case Event::Kind::Other:
      return " ";
  }
  return " ";
}

std::optional<std::string> with_patterns(std::string statement, const Event& event) {
  for (const Event::Object& object : event.objects) {
    const std::string_view name = best_name(object);
    // A name that led nowhere is shown as it was given, and a pattern cannot hold "..".
    if (name.empty() || name.front() != '/' || has_dotdot(name)) return std::nullopt;
    const std::string pattern = object.is_link ? quote_link_pattern(name) : quote_pattern(name);
    if (pattern.empty()) return std::nullopt;
    statement += " " + pattern;
  }
  if (event.objects.empty() || statement.size() > kStatementLimit) return std::nullopt;
  return statement;
}

// An endpoint in the words of the language; empty when it needs none. `text` is Endpoint::text().
std::string endpoint_pattern(std::string_view text, bool unix_name) {
  for (const std::string_view prefix : {"unix:", "netlink:"}) {
    if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
  }
  if (text == "unnamed" || text == "other") return {};
  if (unix_name) return quote_pattern(text);
  // [fe80::1%2]:80: the scope is an interface of this boot, no part of the language.
  std::string out(text);
  const size_t scope = out.find('%');
  const size_t end = out.find(']');
  if (scope != std::string::npos && end != std::string::npos && scope < end) {
    out.erase(scope, end - scope);
  }
  return out;
}

std::optional<std::string> network_statement(const Event& event) {
  std::string operation = event.operation;
  // Families the language has no word for are spoken of as `any`.
  if (operation.starts_with("other")) operation.replace(0, 5, "any");
  std::string statement = "network allow " + operation;
  for (const Event::Object& object : event.objects) {
    const std::string pattern =
        endpoint_pattern(best_name(object), event.operation.starts_with("unix"));
    if (!is_plain(pattern) && !event.operation.starts_with("unix")) return std::nullopt;
    if (!pattern.empty()) statement += " " + pattern;
  }
  if (statement.size() > kStatementLimit) return std::nullopt;
  return statement;
}

std::string cause_text(const Event& event) {
  if (event.rule != nullptr) {
    const std::string why =
        event.reason.empty() ? "" : " (" + escape_line(event.reason.substr(0, kRuleLimit)) + ")";
    return "by " + escape_line(event.rule->where()) + ": " + escape(event.rule->text, kRuleLimit) +
           why;
  }
  if (!event.reason.empty()) {
    return "by callgate itself: " + escape_line(event.reason.substr(0, kRuleLimit));
  }
  return "no statement matches it, and what nothing matches is denied";
}

std::string distinct_key(const Event& event) {
  std::string key = event.executable ? *event.executable : std::string();
  key += '\0';
  key += event.operation.empty() ? std::string(event.call) : event.operation;
  key += static_cast<char>('0' + static_cast<int>(event.verdict));
  for (const Event::Object& object : event.objects) {
    key += '\0';
    key += best_name(object);
  }
  return key;
}

}  // namespace

std::optional<std::string> allowing_statement(const Event& event) {
  if (!event.remedy.empty()) {
    return event.remedy.size() > kStatementLimit ? std::nullopt : std::optional(event.remedy);
  }
  // What callgate refuses on its own account no statement allows.
  if (event.rule == nullptr && !event.reason.empty()) return std::nullopt;
  if (event.rule != nullptr && event.rule->text.starts_with("syscall")) {
    return "syscall allow " + std::string(event.call);
  }
  switch (event.kind) {
    case Event::Kind::Path:
    case Event::Kind::Exec:
      return with_patterns("path allow " + event.operation, event);
    case Event::Kind::Network:
      return network_statement(event);
    case Event::Kind::Signal:
      return "signal allow all";
    case Event::Kind::Process:
    case Event::Kind::Other:
      return std::nullopt;
  }
  return std::nullopt;
}

std::string denial_text(const Event& event) {
  std::string out = "callgate: ";
  out += verb(event.verdict);
  out += ' ';
  out += escape_line(event.operation.empty() ? event.call : std::string_view(event.operation));
  if (!event.objects.empty()) {
    out += link_word(event.kind);
    out += objects_text(event);
  }
  out += event.verdict == Verdict::Kill ? ": " : " to ";
  out += program_name(event) + "[" + std::to_string(event.pid) + "]\n";
  out += "callgate:   " + cause_text(event);
  if (event.verdict != Verdict::Allow) {
    if (const auto statement = allowing_statement(event)) out += "; to allow: " + *statement;
  }
  out += '\n';
  return out;
}

bool DenialReport::take_token(int64_t time_ns) {
  if (tokens_time_ns_ == 0) tokens_time_ns_ = time_ns;
  const int64_t passed = std::max<int64_t>(time_ns - tokens_time_ns_, 0);
  tokens_time_ns_ = time_ns;
  tokens_ = std::min<double>(limits_.burst,
                             tokens_ + static_cast<double>(passed) / 1e9 * limits_.per_second);
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

void DenialReport::on_event(const Event& event) {
  // An allowed call is said only where its statement ends in `log`.
  if (event.verdict == Verdict::Allow) {
    if (!event.log || event.would_deny) return;
  } else {
    ++denials_;
  }
  std::string key = distinct_key(event);
  if (said_.contains(key)) {
    if (event.verdict != Verdict::Allow) ++repeated_;
    return;
  }
  if (said_.size() >= limits_.distinct || said_bytes_ + key.size() > limits_.remembered_bytes ||
      !take_token(event.time_ns)) {
    return;
  }
  const std::chrono::milliseconds patience(stuck_ ? 0 : 250);
  if (!write_record(fd_, denial_text(event), patience)) {
    stuck_ = true;
    if (event.verdict != Verdict::Allow) ++unwritten_;
    return;
  }
  stuck_ = false;
  if (event.verdict != Verdict::Allow) ++shown_;
  said_bytes_ += key.size();
  said_.insert(std::move(key));
}

void DenialReport::on_finish() {
  if (denials_ == shown_) return;
  std::string out = "callgate: " + std::to_string(denials_) +
                    " denials in all: " + std::to_string(shown_) + " said above";
  if (repeated_ > 0)
    out += ", " + std::to_string(repeated_) + (repeated_ == 1 ? " repeat" : " repeats");
  const uint64_t unsaid = denials_ - shown_ - repeated_;
  if (unsaid > 0) {
    out += ", " + std::to_string(unsaid) + " others not said";
    if (unwritten_ > 0) out += " (" + std::to_string(unwritten_) + " for want of a reader)";
    out += "; --log FILE records every one";
  }
  write_record(fd_, out + "\n", std::chrono::milliseconds(stuck_ ? 0 : 250));
}

}  // namespace callgate
