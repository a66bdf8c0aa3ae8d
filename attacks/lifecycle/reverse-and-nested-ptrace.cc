// attack: reverse-and-nested-ptrace
// class: lifecycle
// severity: critical
// bare: held
// trap: Trace the monitor: same user, so PTRACE_SEIZE of the parent works; read its memory, take its
//   descriptors, stop it. Or trace one's own child and rewrite its calls after they were judged.
// naive: Runs as a dumpable process of the same user and allows ptrace.
// kernel: ptrace(2), "Ptrace access mode checking".
// sealed: ptrace, process_vm_* and pidfd_getfd are refused, the monitor's /proc entry is out of reach.
// source: ptrace(2); sandlock#11
// policy:
//   path allow read,execute /usr/**
//   path allow $T/ /proc/**
//   network deny all
// report: none
#include <sys/ptrace.h>
#include <sys/uio.h>
#include "tests/support/attack.h"

namespace attack {

void strike() {
  // Bare there is no monitor: the parent is the test driver, which is left alone.
  bool gated = false;
  int status = ::open("/proc/self/status", O_RDONLY);
  std::string text = read_all(status);
  gated = text.find("TracerPid:\t0\n") == std::string::npos;
  size_t at = text.find("TracerPid:\t");
  pid_t monitor = at == std::string::npos ? 0 : std::atoi(text.c_str() + at + 11);
  if (!gated || monitor == 0) held("no monitor");
  for (pid_t target : {monitor, ::getppid()}) {
    std::string proc = "/proc/" + std::to_string(target);
    if (::ptrace(PTRACE_SEIZE, target, nullptr, nullptr) == 0) prey_taken("seized the monitor");
    for (const char* leaf : {"/mem", "/environ", "/maps", "/auxv", "/syscall", "/stack"}) {
      int fd = ::open((proc + leaf).c_str(), O_RDONLY);
      if (fd >= 0) prey_taken("opened the monitor's " + std::string(leaf));
    }
    DIR* fds = ::opendir((proc + "/fd").c_str());
    if (fds != nullptr) prey_taken("listed the monitor's descriptors");
    take(proc + "/root" + secret());
    take(proc + "/cwd/../s/key");
    char byte = 0;
    iovec local{&byte, 1};
    iovec remote{reinterpret_cast<void*>(0x400000), 1};
    if (::process_vm_readv(target, &local, 1, &remote, 1, 0) >= 0) prey_taken("read its memory");
    auto pidfd = static_cast<int>(::syscall(SYS_pidfd_open, target, 0));
    if (pidfd >= 0 && ::syscall(438, pidfd, 3, 0) >= 0) prey_taken("took its descriptor");
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(0, &set);
    rlimit limit{3, 3};
    if (::prlimit(target, RLIMIT_NOFILE, &limit, nullptr) == 0) prey_taken("limited it");
  }
  pid_t child = spawn([] {
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0) finish(0);
    finish(kHeld);
  });
  if (reap(child) == 0) prey_taken("PTRACE_TRACEME");
  held("ptrace");
}

void twin() {
  pid_t child = spawn([] { finish(5); });
  must(reap(child) == 5, "children");
  must(::prctl(PR_SET_PTRACER, 0) == 0 || errno == EINVAL, "PR_SET_PTRACER");
  twin_ok();
}

}  // namespace attack
