// Where tracees run. A tracer and its tracee on one CPU wake each other five to ten times faster
// than across CPUs, so a task that keeps calling is placed on the monitor's CPU, and given its own
// mask back once it computes instead. The mask the program set stays the program's own.
#pragma once

#include <sched.h>
#include <sys/types.h>

#include <cstdint>
#include <unordered_map>

namespace callgate {

class Placement {
 public:
  explicit Placement(bool enabled);

  [[nodiscard]] bool enabled() const { return enabled_; }
  // A task is about to be resumed after a stop for a call.
  void before_resume(pid_t tid);
  // Gives tasks that have not stopped for a while their own mask back; called on each timer tick.
  void tick();
  void forget(pid_t tid);
  // The program asks for or sets a mask: what it set, or nullptr where it is as it was born.
  const cpu_set_t* own_mask(pid_t tid) const;

 private:
  bool enabled_;
};

}  // namespace callgate
