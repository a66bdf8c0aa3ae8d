// The witness of a lab run: for each judged call it notes what the monitor believed and asks the
// kernel, while the caller still stands at its exit stop, what the call has really acted on. The
// first call that was let through and acted on what the policy does not grant is the deciding one.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "monitor/event.h"
#include "monitor/lab_prey.h"
#include "monitor/lab_record.h"
#include "policy/policy.h"

namespace callgate {

// The policy's name in decisions of a lab run.
inline constexpr const char* kLabPolicy = "attack.policy";

class LabWitness : public EventSink {
 public:
  // `reports`: what a refusal of the prey reads like, as the lesson's head says it.
  LabWitness(LabRecord& record, const LabPrey& prey, const Policy& policy,
             std::vector<std::string> reports);

  void on_event(const Event& event) override;
  void on_process(const ProcessEvent&) override {}

 private:
  struct Deed {
    std::string text;
    bool beyond_policy = false;
  };
  bool concerns_prey(const Event& event);
  [[nodiscard]] Deed deed_of(const Event& event);
  [[nodiscard]] Deed opened(const Event& event) const;
  [[nodiscard]] LabRow::Moment moment_of(const Event& event, const Deed& deed) const;
  bool tree_changed(std::string* how);
  [[nodiscard]] std::string victim_entry() const;
  // $T and $S for the trees, and what is foreign escaped.
  [[nodiscard]] std::string shown(std::string_view name, size_t limit) const;

  LabRecord& record_;
  const LabPrey& prey_;
  const Policy& policy_;
  std::vector<std::string> reports_;
  std::set<pid_t> killed_;
  uint64_t stamp_;
  bool reached_ = false;
  bool changed_ = false;
  bool started_ = false;  // the program itself has been executed
};

}  // namespace callgate
