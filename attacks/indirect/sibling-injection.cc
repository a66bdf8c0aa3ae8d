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
  if (way("PTRACE_SEIZE") && ::ptrace(PTRACE_SEIZE, victim, nullptr, nullptr) == 0) {
    prey_taken("traced");
  }
  if (way("PTRACE_ATTACH") && ::ptrace(PTRACE_ATTACH, victim, nullptr, nullptr) == 0) {
    prey_taken("traced");
  }
  char byte = 0;
  iovec local{&byte, 1};
  iovec remote{reinterpret_cast<void*>(0x400000), 1};
  if (way("process_vm_readv") &&
      (::process_vm_readv(victim, &local, 1, &remote, 1, 0) >= 0 || errno == EFAULT)) {
    prey_taken("its memory can be reached");
  }
  if (way("process_vm_writev") &&
      (::process_vm_writev(victim, &local, 1, &remote, 1, 0) >= 0 || errno == EFAULT)) {
    prey_taken("its memory can be reached");
  }
  const std::string entry = "/proc/" + std::to_string(victim);
  if (way("mem") && ::open((entry + "/mem").c_str(), O_RDWR) >= 0) {
    prey_taken("its memory was opened");
  }
  if (way("maps")) take(entry + "/maps");
  int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, victim, 0));
  if (pidfd >= 0) {
    if (way("pidfd_getfd") && ::syscall(438, pidfd, 0, 0) >= 0) prey_taken("its descriptor");
    if (way("pidfd_send_signal") && ::syscall(424, pidfd, SIGTERM, nullptr, 0) == 0) {
      prey_taken("signalled by pidfd");
    }
    remote.iov_len = 4096;  // of no page: ENOMEM says that it was looked for
    if (way("process_madvise", unless_root()) &&
        (::syscall(440, pidfd, &remote, 1, 20 /* COLD */, 0) >= 0 || errno == ENOMEM)) {
      prey_taken("its memory is advised upon");
    }
  }
  if (way("kcmp") && ::syscall(SYS_kcmp, ::getpid(), victim, 1 /* VM */, 0, 0) >= 0) {
    prey_taken("compared with it");
  }
  unsigned long nodes = 1;
  if (way("migrate_pages") && ::syscall(SYS_migrate_pages, victim, 8, &nodes, &nodes) >= 0) {
    prey_taken("its pages were moved");
  }
  cpu_set_t cpus;
  if (way("sched_setaffinity") && ::sched_getaffinity(0, sizeof cpus, &cpus) == 0 &&
      ::sched_setaffinity(victim, sizeof cpus, &cpus) == 0) {
    prey_taken("its CPUs were chosen");
  }
  if (way("setpriority") && ::setpriority(PRIO_PROCESS, static_cast<id_t>(victim), 5) == 0) {
    prey_taken("its priority was lowered");
  }
  rlimit limit{};
  if (way("prlimit") && ::prlimit(victim, RLIMIT_NOFILE, nullptr, &limit) == 0 &&
      ::prlimit(victim, RLIMIT_NOFILE, &limit, nullptr) == 0) {
    prey_taken("its limits were set");
  }
  if (way("kill") && ::kill(victim, SIGTERM) == 0) prey_taken("killed");
  if (way("tgkill") && ::syscall(SYS_tgkill, victim, victim, SIGTERM) == 0) prey_taken("killed");
  if (way("tkill") && ::syscall(SYS_tkill, victim, SIGTERM) == 0) prey_taken("killed");
  siginfo_t info{};
  info.si_code = SI_QUEUE;
  if (way("rt_sigqueueinfo") && ::syscall(SYS_rt_sigqueueinfo, victim, SIGTERM, &info) == 0) {
    prey_taken("killed");
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
