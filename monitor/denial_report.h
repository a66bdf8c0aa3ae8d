// Says on a descriptor (stderr) what was denied and what would allow it: two lines, once per
// distinct (program, operation, object). Memory and output are bounded; what is not said is
// counted, and the last line says how much that was. It never blocks the monitor for long, and a
// reader that went away is ignored: the report is a courtesy, the audit log is the record.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_set>

#include "monitor/event.h"

namespace callgate {

class DenialReport : public EventSink {
 public:
  struct Limits {
    size_t distinct = 4096;             // remembered denials; later new ones are only counted
    size_t remembered_bytes = 4 << 20;  // of their names
    int burst = 100;                    // said at once, then
    int per_second = 20;                // by the events' own time
  };
  DenialReport(int fd, Limits limits) : fd_(fd), limits_(limits), tokens_(limits.burst) {}
  explicit DenialReport(int fd) : DenialReport(fd, Limits()) {}

  void on_event(const Event& event) override;
  void on_process(const ProcessEvent&) override {}
  void on_finish() override;

  [[nodiscard]] uint64_t denials() const { return denials_; }

 private:
  bool take_token(int64_t time_ns);

  int fd_;
  Limits limits_;
  std::unordered_set<std::string> said_;
  size_t said_bytes_ = 0;
  double tokens_;
  int64_t tokens_time_ns_ = 0;
  bool stuck_ = false;      // the last write timed out: do not wait again until one succeeds
  uint64_t denials_ = 0;    // all of them
  uint64_t shown_ = 0;      // said
  uint64_t repeated_ = 0;   // of one that was said
  uint64_t unwritten_ = 0;  // the descriptor did not take it
};

// The two lines, each with its newline; at most 4096 bytes.
std::string denial_text(const Event& event);

// The statement that would allow the event, "path allow read /etc/passwd"; nullopt when none can,
// or when its object cannot be written down as a pattern.
std::optional<std::string> allowing_statement(const Event& event);

}  // namespace callgate
