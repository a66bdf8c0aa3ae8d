// The audit log: JSON lines in the versioned schema of docs/audit.md. The first line is a header,
// the last a summary with exact counts; between them, one line a call or a process, and counts in
// the place of what repeats without end. Each record is written at once, so that what has happened
// is in the file even if callgate is killed next.
#pragma once

#include <chrono>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "arch/result.h"
#include "arch/unique_fd.h"
#include "monitor/audit_fold.h"
#include "monitor/event.h"

namespace callgate {

enum class LogMode : uint8_t { Append, Replace };

// Opens a log for writing, CLOEXEC, mode 0600 when new. A symlink as the last component is refused
// (ELOOP): a log must not be led elsewhere by whoever may write the directory. "-", /dev/stdout,
// /dev/stderr and /dev/fd/N (a shell's >(...)) mean a descriptor that is already ours.
Result<UniqueFd> open_log(const std::string& path, LogMode mode);

class AuditJson : public EventSink {
 public:
  struct Settings {
    std::string name{};               // of the log, for messages
    std::vector<std::string> argv{};  // header
    std::vector<std::string> policies{};
    std::string mode = "enforce";  // or "audit"
    std::string model = "sealed";
    std::string on_failure{};  // what follows from a failed write, for the message
    int report_fd = 2;         // where a failed write is said, once
    std::chrono::milliseconds patience = std::chrono::seconds(10);
    AuditFold::Limits limits{};
  };
  AuditJson(UniqueFd fd, Settings settings);

  void on_event(const Event& event) override;
  void on_process(const ProcessEvent& event) override;
  [[nodiscard]] bool healthy() const override { return lost_ == 0; }
  void on_finish() override;

 private:
  size_t write_line(std::string line);
  void write_count(const AuditFold::Count& count);

  UniqueFd fd_;
  Settings settings_;
  bool torn_ = false;  // the last line in the file lacks its end
  bool said_ = false;
  AuditFold fold_;
  uint64_t events_ = 0;
  uint64_t in_full_ = 0;  // of them
  uint64_t allowed_ = 0;
  uint64_t denied_ = 0;
  uint64_t killed_ = 0;
  uint64_t would_deny_ = 0;
  uint64_t failed_lookups_ = 0;
  uint64_t processes_ = 0;
  std::set<pid_t> alive_;  // processes counted already
  uint64_t programs_ = 0;
  uint64_t unlisted_processes_ = 0;  // records that were not written because there was no room
  uint64_t lost_ = 0;
};

// The schema's record of one event, without newline (also for `callgate lab`).
std::string audit_record(const Event& event);

// "EACCES"; the kernel's own restart codes too. Empty for a value that is no error.
std::string errno_name(int64_t result);

}  // namespace callgate
