// Runs one program to its end under a policy: the front process (what the shell sees, the
// program's natural parent), the monitor process (the tracer) and the program.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "monitor/event.h"
#include "policy/policy.h"

namespace callgate {

// How a call is answered. Only Sealed enforces; the others are the monitors of the literature,
// kept to be beaten: Naive mirrors by number and compares strings, Canonical resolves and then
// lets the caller's pointer through.
enum class Model : uint8_t { Naive, Canonical, Sealed };

struct SessionOptions {
  std::vector<std::string> argv;    // program and arguments; argv[0] is looked up in PATH
  Model model = Model::Sealed;
  bool observe_all = false;         // audit or --log: allowed calls are recorded too
  bool enforce = true;              // false: audit; refusals run, and would_deny is set
  bool inherit_descriptors = false; // else descriptors from 3 on are closed in the program
  bool call_sites = false;          // fill Event::call_site
  bool co_schedule = true;
  bool offload = true;              // Landlock may answer in the monitor's place (fence.h)
  bool unheard = false;             // nobody is told of refusals
  bool stop_on_log_failure = true;  // else go on without records
  bool self_check = false;          // compare the mirror with the kernel at every stop (tests)
  // Canonical names that the program may not change, whatever the policy says: its policy, its log.
  std::vector<std::string> own_files;
  int report_fd = 2;                // where callgate itself speaks
};

struct SessionResult {
  bool started = false;  // false: nothing ran; `message` or `exec_errno` says why
  int wait_status = 0;   // the program's own, as waitpid gives it
  int exec_errno = 0;    // the first execve's failure; 0: none
  std::string message;
};

// `make_sink` is called once, in the monitor process; the sink's on_finish() runs there when the
// last task is gone. Returns when the program itself has ended; descendants that outlive it stay
// under the monitor. Single-threaded callers only (it forks).
SessionResult run_session(const SessionOptions& options, const Policy& policy,
                          const std::function<std::unique_ptr<EventSink>()>& make_sink);

}  // namespace callgate
