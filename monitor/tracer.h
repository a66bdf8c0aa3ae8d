// The loop: one event at a time from waitpid, answered and resumed. It alone calls ptrace's
// control requests, and knows threads, signals, group stops, births and deaths; what a call means
// is the guard's matter.
#pragma once

#include <sys/types.h>

#include <deque>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "monitor/guard.h"
#include "monitor/mirror.h"
#include "monitor/placement.h"
#include "monitor/wait_status.h"

namespace callgate {

class Tracer {
 public:
  Tracer(const SessionOptions& options, const Policy& policy, ArgumentArea& area, EventSink& sink,
         OwnProcesses own, std::vector<bool> plain_stops);

  // Takes hold of the program before its first instruction; it waits until it is told to go on.
  // `fenced`: it enters a Landlock domain before that.
  Status seize_root(pid_t root, bool fenced);
  // `on_root_end` is called when the first process is gone, with whether it was the last. False:
  // the kernel will not say what the tracees do, so the caller must end, and they with it.
  [[nodiscard]] bool run(std::function<void(bool)> on_root_end);

 private:
  // Others are stopped while one task's call must not be raced.
  struct Hold {
    pid_t owner = 0;
    HoldOthers::Scope scope = HoldOthers::Scope::Sandbox;
    Stop stop;
    std::unordered_set<pid_t> waiting;  // not stopped yet
    bool acting = false;                // the owner's call is under way
    uint64_t serial = 0;                // a release may begin the next one before we look again
  };

  void on_wait(pid_t tid, WaitStatus status);
  void check_mirror();
  void handle(pid_t tid, WaitStatus status);
  void handle_known(Task& task, WaitStatus status);
  void on_seccomp(Task& task);
  void answer(Task& task, const Stop& stop, Answer answer);
  void await_call(pid_t tid);
  void on_exit_stop(Task& task);
  void consider_stop(Task& task, const Stop& stop);
  // tracer_return.cc
  bool came_back(Task& task, const Stop& stop);
  void settle(Task& task);
  static void keep_signals_back(Task& task);
  static void let_signals_in(Task& task);
  // Ends the call under way with what the kernel answered; false when the task is gone.
  bool conclude(Task& task, InFlight& flight, int64_t result);
  bool is_gone(pid_t child);
  void announce(const Process& process);
  void on_new_task(Task& parent);
  void on_exec(pid_t tgid);
  bool waits_for_exec(Task& task, WaitStatus status);
  void end_exec(Process& process);
  void on_end(pid_t tid, WaitStatus status);
  // tracer_wait.cc
  void on_event_stop(Task& task);
  static bool has_signal(pid_t tid);
  static void go_on_waiting(Task& task);
  static void follow_wait(Task& task);
  bool is_handshake(const Task& task, const Stop& stop);
  // tracer_area.cc
  void run_instead(Task& task, const Stop& stop, After after, std::string_view name,
                   const std::array<uint64_t, 3>& arguments);
  void map_area(Task& task, const Stop& stop);
  void pause(Task& task, const Stop& stop);
  void finish_area(Task& task, int64_t answered);
  void await_makers();
  void adopt_orphans(bool makers_are_late = false);

  void begin_hold(Task& task, const Stop& stop, HoldOthers::Scope scope);
  bool held_back(Task& task, WaitStatus status);
  void recheck_waiting();
  void hold_progress();
  void await_owner();
  void release_hold();
  [[nodiscard]] bool in_hold(const Task& task) const;

  void resume(Task& task, int signal = 0);
  void kill_process(pid_t pid);
  void kill_all();
  Result<Stop> read_stop(pid_t tid) const;

  const SessionOptions& options_;
  const std::vector<bool> plain_stops_;  // as the filter's own function says
  ArgumentArea& area_;
  Mirror mirror_;
  EventSink& sink_;
  Guard guard_;
  Placement placement_;
  pid_t root_ = 0;
  std::function<void(bool)> on_root_end_;
  bool root_ended_ = false;  // its number may come back
  bool handshake_done_ = false;
  bool stopping_ = false;
  std::unordered_map<pid_t, int> newborn_;  // stopped children whose parent's event is to come
  static constexpr int kRoundsForMakers = 50;
  int rounds_for_makers_ = 0;        // of waiting, until there is nobody to tell of them
  std::unordered_set<pid_t> early_;  // met, or gone, before their maker's event
  std::optional<Hold> hold_;
  uint64_t holds_ = 0;
  std::deque<pid_t> wants_hold_;  // stopped at a call that needs a hold of its own
};

// What the program's own start-up code asks for through the filter to prove that it is live.
inline constexpr uint64_t kHandshakeQuestion = 0x63616c6c67617465;  // "callgate"
inline constexpr int64_t kHandshakeAnswer = 0x0b5e55ed;

}  // namespace callgate
