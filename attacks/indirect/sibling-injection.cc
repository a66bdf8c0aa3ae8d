// attack: sibling-injection
// class: indirect
// severity: critical
// models: naive
// launch: victim
// trap: Make a process outside the sandbox do it: write its memory, trace it, take its descriptors,
//   signal it. Here the victim is a sleeping process of the same user.
// naive: Only paths and sockets are considered.
// kernel: Processes of one user may do all of this to each other (ptrace(2), kill(2)).
// sealed: ptrace, process_vm_* and pidfd_getfd are refused; signals stay inside the sandbox unless the
//   policy says otherwise; other processes' /proc entries are out of reach.
// source: ptrace(2), "access mode checking"; NVIDIA/OpenShell#578
// policy:
//   path allow read,execute /usr/**
//   path allow $T/ /proc/**
//   network deny all
// report: signal
#include <sys/ptrace.h>
#include <sys/uio.h>
#include "tests/support/attack.h"

namespace attack {

void strike() {
  pid_t victim = number("ATTACK_VICTIM");
  if (::ptrace(PTRACE_SEIZE, victim, nullptr, nullptr) == 0) prey_taken("traced");
  char byte = 0;
  iovec local{&byte, 1};
  iovec remote{reinterpret_cast<void*>(0x400000), 1};
  if (::process_vm_readv(victim, &local, 1, &remote, 1, 0) >= 0 || errno == EFAULT) {
    prey_taken("its memory can be reached");
  }
  int memory = ::open(("/proc/" + std::to_string(victim) + "/mem").c_str(), O_RDWR);
  if (memory >= 0) prey_taken("its memory was opened");
  take("/proc/" + std::to_string(victim) + "/maps");
  int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, victim, 0));
  if (pidfd >= 0) {
    if (::syscall(438 /* pidfd_getfd */, pidfd, 0, 0) >= 0) prey_taken("its descriptor");
    if (::syscall(424 /* pidfd_send_signal */, pidfd, SIGTERM, nullptr, 0) == 0) {
      prey_taken("signalled by pidfd");
    }
  }
  if (::kill(victim, SIGTERM) == 0) prey_taken("killed");
  if (::syscall(SYS_tgkill, victim, victim, SIGTERM) == 0) prey_taken("killed");
  if (::syscall(SYS_tkill, victim, SIGTERM) == 0) prey_taken("killed");
  siginfo_t info{};
  info.si_code = SI_QUEUE;
  if (::syscall(SYS_rt_sigqueueinfo, victim, SIGTERM, &info) == 0) prey_taken("killed");
  rlimit limit{};
  if (::prlimit(victim, RLIMIT_NOFILE, nullptr, &limit) == 0 &&
      ::prlimit(victim, RLIMIT_NOFILE, &limit, nullptr) == 0) {
    prey_taken("its limits were set");
  }
  held("the victim");
}

void twin() {
  pid_t child = spawn([] { ::pause(); });
  int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, child, 0));
  must(pidfd >= 0, "pidfd_open");
  must(::kill(child, 0) == 0, "kill(child, 0)");
  must(::syscall(424, pidfd, SIGTERM, nullptr, 0) == 0, "pidfd_send_signal");
  must(reap(child) == 128 + SIGTERM, "the child died of it");
  must(::kill(999999999, 0) == -1 && (errno == ESRCH || errno == EPERM), "nobody there");
  twin_ok();
}

}  // namespace attack
