// What a program touched, as tables for a person, written once at the end; and the sink that hands
// every record to several others. Memory is bounded: beyond a number of distinct objects, further
// ones are counted in one line a section.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "monitor/event.h"

namespace callgate {

class MultiSink : public EventSink {
 public:
  void add(std::unique_ptr<EventSink> sink) { sinks_.push_back(std::move(sink)); }
  void on_event(const Event& event) override;
  void on_process(const ProcessEvent& event) override;
  [[nodiscard]] bool healthy() const override;
  void on_finish() override;

 private:
  std::vector<std::unique_ptr<EventSink>> sinks_;
};

class AuditTable : public EventSink {
 public:
  struct Settings {
    bool with_policy = false;  // say what would have been denied
    size_t distinct = 20000;   // objects a section remembers; processes; executions in all
    size_t remembered_bytes = 32 << 20;  // of what all sections remember
    size_t width = 100;
  };
  // `write` gets the whole text, once, from on_finish().
  AuditTable(std::function<void(const std::string&)> write, Settings settings)
      : write_(std::move(write)), settings_(settings) {}

  void on_event(const Event& event) override;
  void on_process(const ProcessEvent& event) override;
  void on_finish() override;

  [[nodiscard]] std::string text() const;

 private:
  // Results of one object: how often it succeeded, and each errno.
  struct Results {
    uint64_t count = 0;
    std::map<int64_t, uint64_t> errors;  // positive errno -> times
    void add(int64_t result);
    [[nodiscard]] std::string text() const;
  };
  using Key = std::tuple<std::string, std::string>;  // operation, object
  struct Section {
    std::map<Key, Results> rows;
    uint64_t beyond = 0;  // records of objects that were one too many
  };
  struct Denied {
    uint64_t count = 0;
    std::string rule;
    std::string allow;
  };
  struct Process {
    pid_t pid = 0;
    std::vector<size_t> children;
    std::vector<std::string> programs;  // one line an exec, in order
    bool exited = false;
    int wait_status = 0;
  };

  void add(Section* section, std::string operation, std::string object, int64_t result);
  void add_denied(const Event& event);
  [[nodiscard]] std::string section_text(const char* title, const char* object_title,
                                         const Section& section) const;
  [[nodiscard]] std::string denied_text() const;
  [[nodiscard]] std::string tree_text() const;
  size_t process(pid_t pid, pid_t parent, bool fresh);
  bool has_room(size_t entries, size_t bytes);

  std::function<void(const std::string&)> write_;
  Settings settings_;
  Section files_;
  Section stats_;
  Section lookups_;
  Section sockets_;
  Section signals_;
  Section other_;
  std::map<Key, Denied> denied_;
  uint64_t denied_beyond_ = 0;
  uint64_t denied_calls_ = 0;
  std::vector<Process> processes_;
  std::vector<size_t> roots_;
  std::map<pid_t, size_t> current_;  // which process a number means now: numbers are used again
  uint64_t processes_beyond_ = 0;
  size_t executions_ = 0;  // remembered, and
  uint64_t executions_beyond_ = 0;
  size_t remembered_ = 0;  // bytes
  uint64_t programs_ = 0;
  uint64_t events_ = 0;
  int64_t first_ns_ = 0;
  int64_t last_ns_ = 0;
};

}  // namespace callgate
