// Keeps a log within bounds without losing count: says which events are recorded in full and which
// are only counted, and hands the counts out. An event that repeats (the same process does the same
// to the same objects with the same outcome) is recorded in full a number of times, then counted;
// so is everything once the bytes for full records are spent. Those for refused calls are apart, so
// that what is allowed cannot crowd them out.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "monitor/event.h"

namespace callgate {

class AuditFold {
 public:
  struct Limits {
    uint64_t repeats = 100;                      // of one event, in full
    size_t distinct = size_t{1} << 16;           // events told apart; later ones do not fold
    size_t remembered_bytes = 16 << 20;          // of what they are told apart by
    uint64_t allowed_bytes = uint64_t{1} << 30;  // of full records
    uint64_t refused_bytes = uint64_t{64} << 20;
    size_t kinds = 1024;  // kinds of unlisted events told apart
  };
  // What an unlisted event is counted by.
  struct Kind {
    std::string executable;
    std::string call;
    std::string operation;
    Verdict verdict = Verdict::Allow;
    // NOLINTNEXTLINE(modernize-use-nullptr): the 0 that clang 14 compares the members with
    auto operator<=>(const Kind&) const = default;
  };
  struct Count {
    uint64_t id = 0;             // of the event that repeats; 0: unlisted, by kind
    const Kind* kind = nullptr;  // null beside id 0: of more kinds than are told apart
    uint64_t count = 0;          // since the count before
    int64_t first_ns = 0;
    int64_t last_ns = 0;
  };
  struct Answer {
    bool in_full = true;
    uint64_t id = 0;  // repeats of this event will be counted under it; 0: they will not
  };

  // `emit` is called when a count has grown tenfold, and for all that is left by finish().
  AuditFold(Limits limits, std::function<void(const Count&)> emit)
      : limits_(limits), emit_(std::move(emit)) {}

  Answer on_event(const Event& event);
  // Whether a record that is no event may be written in full.
  [[nodiscard]] bool has_room() const { return allowed_spent_ < limits_.allowed_bytes; }
  // What a full record took.
  void spend(bool refused, size_t bytes) { (refused ? refused_spent_ : allowed_spent_) += bytes; }
  void finish();

 private:
  struct Tally {
    uint64_t id = 0;
    uint64_t seen = 0;     // in full
    uint64_t pending = 0;  // counted, and not handed out
    uint64_t due = 1000;   // hand out at this many
    int64_t first_ns = 0;
    int64_t last_ns = 0;
  };
  Tally* tally_of(const Event& event);
  void count(Tally& tally, const Kind* kind, const Event& event);
  void hand_out(Tally& tally, const Kind* kind);

  Limits limits_;
  std::function<void(const Count&)> emit_;
  std::unordered_map<std::string, Tally> events_;
  size_t remembered_ = 0;
  std::map<Kind, Tally> kinds_;
  Tally other_kinds_;
  uint64_t allowed_spent_ = 0;
  uint64_t refused_spent_ = 0;
};

}  // namespace callgate
