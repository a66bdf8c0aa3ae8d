// The front: the process that stands where the program would stand. Whoever started callgate waits
// for it, signals it and stops it; the program is its child, and both end alike.
#pragma once

#include <signal.h>
#include <sys/time.h>
#include <sys/types.h>

#include <array>

namespace callgate {

// What execve leaves to a program of its caller's process and fork does not, or what the front has
// to change for itself.
struct Inherited {
  sigset_t signal_mask{};
  bool ignores_children = false;      // SIGCHLD: then nobody can wait for the program
  std::array<itimerval, 3> timers{};  // ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF
  // For the program's process, before it executes. Only system calls are made.
  void restore() const;
};

class Front {
 public:
  Front();
  ~Front();  // signals mean again what they meant; the timers went with the program
  Front(const Front&) = delete;
  Front& operator=(const Front&) = delete;
  [[nodiscard]] const Inherited& inherited() const { return inherited_; }
  // Waits for the program as its parent, passing on what is meant for it; its wait status.
  int wait_for(pid_t program, pid_t monitor) const;

 private:
  void pass_on(pid_t program, pid_t monitor, const siginfo_t& info) const;
  Inherited inherited_;
  struct sigaction child_before_ {};
  sigset_t watched_{};
};

}  // namespace callgate
