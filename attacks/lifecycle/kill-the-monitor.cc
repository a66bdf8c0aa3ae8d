// attack: kill-the-monitor
// class: lifecycle
// severity: critical
// launch: late
// default: any
// trap: Kill, stop or signal the monitor from inside, by every call there is; a child that survives it
//   then opens $S/key and leaves a mark.
// naive: Dies, its tracees are detached and run free. (Not shown by `--model naive`: its loop is
//   callgate's own, and only its judgement is naive.)
// kernel: A tracer's death detaches its tracees, unless PTRACE_O_EXITKILL was set (ptrace(2)).
// sealed: Signals to outside the sandbox are refused, EXITKILL is set from the first instruction, and
//   a filter without tracer answers ENOSYS.
// source: ptrace(2); Chromium monitor_ptrace.cc; rr ptracer_death.c
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: none
#include "tests/support/attack.h"

namespace attack {
namespace {

pid_t tracer() {
  int fd = ::open("/proc/self/status", O_RDONLY);
  if (fd < 0) return 0;
  std::string text = read_all(fd);
  size_t at = text.find("TracerPid:\t");
  return at == std::string::npos ? 0 : std::atoi(text.c_str() + at + 11);
}

}  // namespace

void strike() {
  pid_t monitor = tracer();
  pid_t survivor = spawn([] {
    ::setsid();
    ::signal(SIGHUP, SIG_IGN);
    for (Stopwatch watch; watch.running();) {
      ::usleep(20000);
      int fd = ::open(secret().c_str(), O_RDONLY);
      if (fd < 0) continue;
      std::string text = read_all(fd);
      ::unlink(secret().c_str());  // the mark the driver sees
      prey_taken(text);
    }
    finish(kHeld);
  });
  must(survivor > 0, "fork");
  if (monitor != 0) {
    const pid_t group = ::getpgid(monitor);  // the monitor's own, where its session is its own
    for (int signal : {SIGTERM, SIGINT, SIGHUP, SIGSEGV, SIGABRT, SIGSTOP, SIGTRAP, SIGKILL}) {
      if (group > 1 && group != ::getpgrp()) ::kill(-group, signal);
      for (pid_t target : {monitor, ::getppid()}) {
        if (target <= 1) continue;
        ::kill(target, signal);
        ::syscall(SYS_tgkill, target, target, signal);
        ::syscall(SYS_tkill, target, signal);
        auto pidfd = static_cast<int>(::syscall(SYS_pidfd_open, target, 0));
        if (pidfd >= 0) ::syscall(424, pidfd, signal, nullptr, 0);
      }
    }
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    if (tracer() != monitor) prey_taken("the monitor is gone");
  }
  if (reap(survivor) == 0) prey_taken("the survivor read it");
  errno = 0;
  held("the monitor stands");
}

void twin() {
  // Signals among ourselves, to the group and to everyone we may reach.
  pid_t child = spawn([] {
    for (;;) ::pause();
  });
  must(::kill(child, SIGSTOP) == 0, "SIGSTOP");
  int status = 0;
  must(::waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status), "stopped");
  must(::kill(child, SIGCONT) == 0, "SIGCONT");
  must(::waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status), "continued");
  must(::kill(child, SIGTERM) == 0 && reap(child) == 128 + SIGTERM, "SIGTERM");
  twin_ok();
}

}  // namespace attack
