#include "monitor/audit_fold.h"

namespace callgate {
namespace {

// Equal for events that differ in nothing but time, thread and the value of a success.
std::string key_of(const Event& event) {
  std::string key = std::to_string(event.pid);
  const auto add = [&key](std::string_view part) {
    key += '\0';
    key += part;
  };
  add(event.executable ? std::string_view(*event.executable) : std::string_view());
  add(event.call);
  add(event.operation);
  for (const Event::Object& object : event.objects) {
    add(object.asked);
    add(object.real);
  }
  add(event.rule != nullptr ? event.rule->where() : event.reason);
  add(std::to_string(event.result < 0 ? event.result : 0));
  key += static_cast<char>('0' + static_cast<int>(event.verdict) + 4 * int{event.would_deny} +
                           8 * int{event.lookup_failed});
  return key;
}

AuditFold::Kind kind_of(const Event& event) {
  return {event.executable ? *event.executable : std::string(), std::string(event.call),
          event.operation, event.verdict};
}

}  // namespace

// Null when there are too many to tell this one apart.
AuditFold::Tally* AuditFold::tally_of(const Event& event) {
  std::string key = key_of(event);
  if (const auto found = events_.find(key); found != events_.end()) return &found->second;
  if (events_.size() >= limits_.distinct || remembered_ + key.size() > limits_.remembered_bytes) {
    return nullptr;
  }
  remembered_ += key.size();
  Tally& tally = events_[std::move(key)];
  tally.id = events_.size();
  return &tally;
}

AuditFold::Answer AuditFold::on_event(const Event& event) {
  const bool refused = event.verdict != Verdict::Allow || event.would_deny;
  const bool spent =
      refused ? refused_spent_ >= limits_.refused_bytes : allowed_spent_ >= limits_.allowed_bytes;
  Tally* tally = tally_of(event);
  if (tally != nullptr && (tally->seen >= limits_.repeats || (spent && tally->seen > 0))) {
    count(*tally, nullptr, event);
    return {false, tally->id};
  }
  if (!spent) {
    if (tally == nullptr) return {true, 0};
    ++tally->seen;
    return {true, tally->id};
  }
  Kind kind = kind_of(event);
  auto found = kinds_.find(kind);
  if (found == kinds_.end() && kinds_.size() < limits_.kinds) {
    found = kinds_.emplace(std::move(kind), Tally()).first;
  }
  if (found == kinds_.end()) {
    count(other_kinds_, nullptr, event);
  } else {
    count(found->second, &found->first, event);
  }
  return {false, 0};
}

void AuditFold::count(Tally& tally, const Kind* kind, const Event& event) {
  if (tally.pending++ == 0) tally.first_ns = event.time_ns;
  tally.last_ns = event.time_ns;
  if (tally.pending >= tally.due) {
    tally.due *= 10;
    hand_out(tally, kind);
  }
}

void AuditFold::hand_out(Tally& tally, const Kind* kind) {
  if (tally.pending == 0) return;
  emit_({tally.id, kind, tally.pending, tally.first_ns, tally.last_ns});
  tally.pending = 0;
}

void AuditFold::finish() {
  for (auto& [key, tally] : events_) hand_out(tally, nullptr);
  for (auto& [kind, tally] : kinds_) hand_out(tally, &kind);
  hand_out(other_kinds_, nullptr);
}

}  // namespace callgate
