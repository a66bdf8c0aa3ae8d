// attack: arg-race-shared-memory
// class: races
// severity: critical
// models: naive canonical
// trap: As arg-race-thread, but the writer is another process: a MAP_SHARED page, or clone(CLONE_VM)
//   without CLONE_THREAD. Stopping the caller's threads does not stop it.
// naive: Freezes the thread group only.
// kernel: Memory is shared by mapping or by mm, not by thread group (clone(2), mmap(2)).
// sealed: The call reads a slot that no process of the sandbox can write.
// source: Garfinkel, NDSS 2003; sandlock#33; rr clone_share_vm.c
// time: 4000
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: $S/key
#include "tests/support/attack.h"

namespace attack {
namespace {

struct Job {
  volatile char* place;
  std::string a, b;
  pid_t parent;
};

int flip(void* argument) {
  const auto& job = *static_cast<Job*>(argument);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  while (::getppid() == job.parent) {
    for (int turn = 0; turn < 4096; ++turn) {
      for (size_t i = 0; i <= job.b.size(); ++i) job.place[i] = job.b.c_str()[i];
      for (size_t i = 0; i <= job.a.size(); ++i) job.place[i] = job.a.c_str()[i];
    }
  }
  return 0;
}

// `share_vm` chooses clone(CLONE_VM) over a shared mapping.
long race(bool share_vm, const std::string& a, const std::string& b) {
  auto* place = static_cast<char*>(::mmap(nullptr, 8192, PROT_READ | PROT_WRITE,
                                          MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  must(place != MAP_FAILED, "mmap");
  std::memcpy(place, a.c_str(), a.size() + 1);
  Job job{place, a, b, ::getpid()};
  pid_t other = 0;
  if (share_vm) {
    constexpr size_t kStack = 1 << 16;
    auto* stack = static_cast<char*>(::mmap(nullptr, kStack, PROT_READ | PROT_WRITE,
                                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    other = ::clone(flip, stack + kStack, CLONE_VM | SIGCHLD, &job);
  } else {
    other = spawn([&] { flip(&job); });
  }
  must(other > 0, "clone");
  const long good = open_until_time_is_up(place).good;
  ::kill(other, SIGKILL);
  reap(other);
  return good;
}

}  // namespace

void strike() {
  for (bool share_vm : {false, true}) {
    race(share_vm, work("ok.dat"), secret());
  }
  errno = 0;
  held("every open was the harmless file");
}

void twin() {
  spill(work("ok.two"), kHarmless);
  for (bool share_vm : {false, true}) {
    must(race(share_vm, work("ok.dat"), work("ok.two")) > 100, "harmless opens");
  }
  twin_ok();
}

}  // namespace attack
