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

[[noreturn]] void flip(volatile char* place, std::string a, std::string b, pid_t parent) {
  for (;;) {
    for (size_t i = 0; i <= b.size(); ++i) place[i] = b.c_str()[i];
    for (size_t i = 0; i <= a.size(); ++i) place[i] = a.c_str()[i];
    static int turn = 0;
    if (++turn % 4096 == 0 && ::getppid() != parent) ::_exit(0);
  }
}

// `share_vm` chooses clone(CLONE_VM) over a shared mapping.
long race(bool share_vm, const std::string& a, const std::string& b) {
  auto* place = static_cast<char*>(::mmap(nullptr, 8192, PROT_READ | PROT_WRITE,
                                          MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  must(place != MAP_FAILED, "mmap");
  std::memcpy(place, a.c_str(), a.size() + 1);
  pid_t parent = ::getpid();
  pid_t other = 0;
  struct Job {
    char* place;
    std::string a, b;
    pid_t parent;
  } job{place, a, b, parent};
  if (share_vm) {
    constexpr size_t kStack = 1 << 16;
    auto* stack = static_cast<char*>(::mmap(nullptr, kStack, PROT_READ | PROT_WRITE,
                                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    other = ::clone(
        [](void* p) -> int {
          auto* j = static_cast<Job*>(p);
          flip(j->place, j->a, j->b, j->parent);
        },
        stack + kStack, CLONE_VM | SIGCHLD, &job);
  } else {
    other = spawn([&] { flip(place, a, b, parent); });
  }
  must(other > 0, "clone");
  long good = 0;
  for (Stopwatch watch; watch.running() && good < 2000000;) {
    int fd = ::open(place, O_RDONLY);
    if (fd < 0) continue;
    std::string text = read_all(fd);
    ::close(fd);
    if (text == "harmless\n") {
      ++good;
    } else if (!text.empty()) {
      ::kill(other, SIGKILL);
      prey_taken(text);
    }
  }
  ::kill(other, SIGKILL);
  reap(other);
  return good;
}

}  // namespace

void strike() {
  for (bool share_vm : {false, true}) {
    long good = race(share_vm, work("ok.dat"), secret());
    std::printf("opened %ld\n", good);
  }
  errno = 0;
  held("every open was the harmless file");
}

void twin() {
  spill(work("ok.two"), "harmless\n");
  for (bool share_vm : {false, true}) {
    must(race(share_vm, work("ok.dat"), work("ok.two")) > 100, "harmless opens");
  }
  twin_ok();
}

}  // namespace attack
