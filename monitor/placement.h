// Where tracees run. A tracer and its tracee on one CPU wake each other five to ten times faster
// than across CPUs, so a task that keeps calling is placed on the monitor's CPU, and given its own
// mask back once it computes instead. Two tasks that both compute never have to share it: who calls
// more takes the place, and the other goes elsewhere. Tasks that call in turns keep the CPUs awake
// by themselves and are left to the kernel. The mask that the program set, and the one it reads,
// stay the program's own.
#pragma once

#include <sched.h>
#include <sys/types.h>

#include <cstdint>
#include <unordered_map>

namespace callgate {

class Placement {
 public:
  // Enabled, it pins the calling thread (the monitor) to the CPU it runs on.
  explicit Placement(bool enabled);

  // A task has stopped for a call and will be resumed.
  void on_call(pid_t tid);
  // A child starts with its parent's mask, placed or not.
  void on_child(pid_t parent, pid_t child);
  // The program is about to read a mask, or to set one: a mask that was set is left alone for good.
  void on_own_affinity(pid_t tid, bool sets);
  // Gives tasks that have not called for a while their own mask back.
  void tick();
  void forget(pid_t tid);

 private:
  enum class Where : uint8_t {
    Own,   // under the task's own mask
    Here,  // on the monitor's CPU alone
    Away,  // on any other of its own
  };
  struct Placed {
    cpu_set_t own{};  // the task's own mask, once it has been moved
    int64_t last_call_ns = 0;
    int64_t usual_gap_ns = 0;   // between two calls, smoothed
    int64_t not_before_ns = 0;  // no look at who else runs here until then
    Where where = Where::Own;
    bool never = false;  // the program set a mask, or it cannot be changed
  };
  [[nodiscard]] bool other_runs_here(pid_t tid) const;
  bool move(pid_t tid, Placed& task, Where where);
  void leave_alone(int64_t now);
  void arm(bool on);

  bool enabled_ = false;
  int cpu_ = 0;
  bool armed_ = false;
  pid_t current_ = 0;  // of those that are here, the one that called last
  pid_t last_caller_ = 0;
  int turns_ = 0;  // how often the caller is another than the one before, smoothed; to kAllTurns
  int64_t alone_until_ns_ = 0;  // several call at once: nobody is placed until then
  int64_t alone_ns_ = 0;        // how long that was to last
  std::unordered_map<pid_t, Placed> tasks_;
};

}  // namespace callgate
