// attack: arg-race-shared-memory
// class: races
// severity: critical
// models: naive canonical
// trap: As arg-race-thread, but the writer is another process: a MAP_SHARED page, a System V segment, a
//   memfd mapped twice, clone(CLONE_VM) without CLONE_THREAD, process_vm_writev, /proc/<pid>/mem.
//   Stopping the caller's threads does not stop it.
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
#include <sys/shm.h>
#include <sys/uio.h>

#include "tests/support/attack.h"

namespace attack {
namespace {

enum class By { Mapping, Segment, Memfd, SharedVm, Writev, Mem };
constexpr struct {
  By by;
  const char* name;
} kWays[] = {{By::Mapping, "MAP_SHARED"},
             {By::Segment, "shmat"},
             {By::Memfd, "memfd"},
             {By::SharedVm, "CLONE_VM"},
             {By::Writev, "process_vm_writev"},
             {By::Mem, "/proc/<pid>/mem"}};

struct Job {
  By by;
  volatile char* place;
  std::string a, b;
  pid_t parent;

  void put(const std::string& name, int memory) const {
    const size_t size = name.size() + 1;
    auto* there = const_cast<char*>(place);
    if (by == By::Writev) {
      iovec local{const_cast<char*>(name.c_str()), size};
      iovec remote{there, size};
      ::process_vm_writev(parent, &local, 1, &remote, 1, 0);
    } else if (by == By::Mem) {
      static_cast<void>(::pwrite(memory, name.c_str(), size, reinterpret_cast<off_t>(there)));
    } else {
      for (size_t i = 0; i < size; ++i) place[i] = name.c_str()[i];
    }
  }
};

int flip(void* argument) {
  const auto& job = *static_cast<Job*>(argument);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const std::string file = "/proc/" + std::to_string(job.parent) + "/mem";
  const int memory = job.by == By::Mem ? ::open(file.c_str(), O_RDWR) : -1;
  while (::getppid() == job.parent) {
    for (int turn = 0; turn < 4096; ++turn) {
      job.put(job.b, memory);
      job.put(job.a, memory);
    }
  }
  return 0;
}

// Memory that a child has in common with us; of By::SharedVm and what writes from afar, our own.
char* common_memory(By by, int* memfd) {
  constexpr size_t kSize = 8192;
  void* place = MAP_FAILED;
  if (by == By::Segment) {
    const int segment = ::shmget(IPC_PRIVATE, kSize, 0600);
    place = ::shmat(segment, nullptr, 0);
    ::shmctl(segment, IPC_RMID, nullptr);
  } else {
    if (by == By::Memfd) *memfd = ::memfd_create("names", 0);
    if (by == By::Memfd) must(::ftruncate(*memfd, kSize) == 0, "ftruncate");
    const bool shared = by == By::Mapping || by == By::Memfd;
    const int flags = (shared ? MAP_SHARED : MAP_PRIVATE) | (by == By::Memfd ? 0 : MAP_ANONYMOUS);
    place = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, flags, *memfd, 0);
  }
  must(place != MAP_FAILED, "memory");
  return static_cast<char*>(place);
}

long race(By by, const std::string& a, const std::string& b) {
  int memfd = -1;
  char* place = common_memory(by, &memfd);
  std::memcpy(place, a.c_str(), a.size() + 1);
  Job job{by, place, a, b, ::getpid()};
  if (by == By::Memfd) {  // the writer has a mapping of its own
    job.place =
        static_cast<char*>(::mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0));
  }
  pid_t other = 0;
  if (by == By::SharedVm) {
    constexpr size_t kStack = 1 << 16;
    auto* stack = static_cast<char*>(
        ::mmap(nullptr, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
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
  for (const auto& [by, name] : kWays) {
    if (way(name)) race(by, work("ok.dat"), secret());
  }
  errno = 0;
  held("every open was the harmless file");
}

void twin() {
  spill(work("ok.two"), kHarmless);
  for (const auto& [by, name] : kWays) {
    must(race(by, work("ok.dat"), work("ok.two")) > 100, name);
  }
  twin_ok();
}

}  // namespace attack
