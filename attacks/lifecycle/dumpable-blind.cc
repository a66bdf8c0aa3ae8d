// attack: dumpable-blind
// class: lifecycle
// severity: critical
// models: naive
// trap: Blind the monitor: prctl(PR_SET_DUMPABLE, 0) makes one's memory and /proc entry unreadable to
//   an unprivileged tracer, and so is a program that may be executed and not read; names in
//   memfd_secret memory cannot be read even by root.
// naive: The read fails, so the call goes on.
// kernel: ptrace access needs dumpable memory or CAP_SYS_PTRACE; memfd_secret(2) pages are mapped
//   nowhere else, the kernel's own copy from the caller works.
// sealed: PR_SET_DUMPABLE 0 is answered as done and not done; what cannot be read is EFAULT or denied,
//   and is not executed.
// source: safedep/pmg#448; memfd_secret(2)
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   path allow execute $T/cat
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

// What a copy of cat prints that its user may execute and not read.
std::string read_by_unreadable_program(const std::string& path) {
  const std::string copy = work("cat");
  const int from = ::open("/usr/bin/cat", O_RDONLY);
  must(from >= 0, "cat");
  spill(copy, read_all(from));
  must(::chmod(copy.c_str(), 0111) == 0, "chmod");
  int pipes[2];
  must(::pipe(pipes) == 0, "pipe");
  const pid_t child = spawn([&] {
    ::dup2(pipes[1], 1);
    ::dup2(::open("/dev/null", O_WRONLY), 2);
    ::execl(copy.c_str(), "cat", path.c_str(), nullptr);
    finish(126);
  });
  ::close(pipes[1]);
  std::string text = read_all(pipes[0]);
  ::close(pipes[0]);
  reap(child);
  return text;
}

}  // namespace

void strike() {
  if (way("an unreadable program")) {
    const std::string text = read_by_unreadable_program(secret());
    if (!text.empty()) prey_taken(text);
  }
  if (way("PR_SET_DUMPABLE")) {
    ::prctl(PR_SET_DUMPABLE, 0);
    take(secret());
  }
  if (char* place = hidden_memory()) {
    std::strcpy(place, secret().c_str());
    if (way("open by a hidden name")) take(::open(place, O_RDONLY));
    std::strcpy(place, secret("planted").c_str());
    if (way("mkdir by a hidden name") && ::mkdir(place, 0755) == 0) {
      prey_taken("mkdir by a hidden name");
    }
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
