// attack: dumpable-blind
// class: lifecycle
// severity: critical
// models: naive
// trap: Blind the monitor: prctl(PR_SET_DUMPABLE, 0) makes one's memory and /proc entry unreadable to
//   an unprivileged tracer; names in memfd_secret memory cannot be read even by root.
// naive: The read fails, so the call goes on.
// kernel: ptrace access needs dumpable memory or CAP_SYS_PTRACE; memfd_secret(2) pages are mapped
//   nowhere else, the kernel's own copy from the caller works.
// sealed: PR_SET_DUMPABLE 0 is answered as done and not done; what cannot be read is EFAULT or denied.
// source: safedep/pmg#448; memfd_secret(2)
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: none
#include "tests/support/attack.h"

namespace attack {
namespace {

char* hidden_memory() {
  auto fd = static_cast<int>(::syscall(447 /* memfd_secret */, 0));
  if (fd < 0 || ::ftruncate(fd, 4096) != 0) return nullptr;
  void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  return page == MAP_FAILED ? nullptr : static_cast<char*>(page);
}

}  // namespace

void strike() {
  ::prctl(PR_SET_DUMPABLE, 0);
  take(secret());
  if (char* place = hidden_memory()) {
    std::strcpy(place, secret().c_str());
    take(::open(place, O_RDONLY));
    std::strcpy(place, secret("planted").c_str());
    if (::mkdir(place, 0755) == 0) prey_taken("mkdir by a hidden name");
  }
  held("unreadable memory");
}

void twin() {
  must(::prctl(PR_SET_DUMPABLE, 0) == 0, "PR_SET_DUMPABLE");
  must(reads(work("ok.dat"), "harmless\n"), "open goes on working");
  must(::prctl(PR_SET_DUMPABLE, 1) == 0 && ::prctl(PR_GET_DUMPABLE) == 1, "and back");
  twin_ok();
}

}  // namespace attack
