// A waitpid status as named cases, so that nobody else shifts bits (ptrace(2)).
#pragma once

#include <sys/ptrace.h>
#include <sys/wait.h>

namespace callgate {

class WaitStatus {
 public:
  enum class Kind {
    Exited,
    Killed,
    SyscallExit,     // SIGTRAP|0x80: with the ways we resume, always the exit of a call
    Seccomp,
    NewTask,         // fork, vfork or clone event in the parent
    Exec,
    GroupStop,       // PTRACE_EVENT_STOP with a stopping signal
    EventStop,       // PTRACE_EVENT_STOP otherwise: newborn, interrupt, end of a group stop
    Signal,          // signal-delivery stop
    OtherEvent,
  };

  explicit WaitStatus(int raw) : raw_(raw) {}
  [[nodiscard]] int raw() const { return raw_; }
  [[nodiscard]] int signal() const { return WSTOPSIG(raw_) & 0x7f; }
  [[nodiscard]] int event() const { return (raw_ >> 16) & 0xff; }

  [[nodiscard]] Kind kind() const {
    if (WIFEXITED(raw_)) return Kind::Exited;
    if (WIFSIGNALED(raw_)) return Kind::Killed;
    switch (event()) {
      case 0:
        return WSTOPSIG(raw_) == (SIGTRAP | 0x80) ? Kind::SyscallExit : Kind::Signal;
      case PTRACE_EVENT_SECCOMP:
        return Kind::Seccomp;
      case PTRACE_EVENT_FORK:
      case PTRACE_EVENT_VFORK:
      case PTRACE_EVENT_CLONE:
        return Kind::NewTask;
      case PTRACE_EVENT_EXEC:
        return Kind::Exec;
      case PTRACE_EVENT_STOP:
        switch (signal()) {
          case SIGSTOP:
          case SIGTSTP:
          case SIGTTIN:
          case SIGTTOU:
            return Kind::GroupStop;
          default:
            return Kind::EventStop;
        }
      default:
        return Kind::OtherEvent;
    }
  }

 private:
  int raw_;
};

}  // namespace callgate
