#include "tests/programs/mirror_fuzz/state.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace mirror_fuzz {

Shared* shared = nullptr;
char directory[512];
char state_path[600];

bool map_state(const char* path) {
  int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) {  // the table was full when we were executed
    close(3);
    fd = open(path, O_RDWR | O_CLOEXEC);
  }
  if (fd < 0) return false;
  void* at = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (at == MAP_FAILED) return false;
  shared = static_cast<Shared*>(at);
  snprintf(state_path, sizeof state_path, "%s", path);
  const char* name = strrchr(path, '/');
  snprintf(directory, sizeof directory, "%.*s", static_cast<int>(name - path), path);
  return true;
}

uint64_t next_random() {
  uint64_t z = shared->random.fetch_add(0x9e3779b97f4a7c15) + 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

int below(int n) { return static_cast<int>(next_random() % static_cast<uint64_t>(n)); }

bool percent(int p) { return below(100) < p; }

bool over() { return shared->done.load() >= shared->ops; }

void wake() { call(SYS_futex, address(&shared->turn), FUTEX_WAKE, kSlots * 2); }

void pass_turn() {
  int ready[kSlots];
  int count = 0;
  for (int i = 0; i < kSlots; ++i) {
    if (shared->slots[i].tid.load() != 0 && shared->slots[i].asleep.load() == 0) ready[count++] = i;
  }
  shared->turn.store(count == 0 ? -1 : ready[below(count)]);
  wake();
}

void wait_turn(int self) {
  if (shared->free_running != 0) return;
  // Who has had the turn for so long may sleep in a vfork that somebody else's end has marked as
  // over.
  constexpr int kTooLate = 4;
  int late = 0;
  int before = -1;
  for (;;) {
    const int turn = shared->turn.load();
    if (turn == self) return;
    if (turn != before) late = 0;
    before = turn;
    // The time-out mends what a task that was killed with the turn leaves behind.
    timespec patience{2, 0};
    const long woken =
        call(SYS_futex, address(&shared->turn), FUTEX_WAIT, turn, address(&patience));
    if (woken != -ETIMEDOUT) continue;
    // Killed from outside, the first process takes nobody with it.
    if (call(SYS_kill, shared->root, 0) == -ESRCH) call(SYS_exit_group, 1);
    if (turn < 0 || shared->slots[turn].tid.load() == 0 || shared->slots[turn].asleep.load() != 0 ||
        ++late >= kTooLate) {
      int expected = turn;
      shared->turn.compare_exchange_strong(expected, self);
    }
  }
}

void release_parent(int self) {
  Slot& slot = shared->slots[self];
  if (slot.releases >= 0) shared->slots[slot.releases].asleep.store(0);
}

int take_slot() {
  for (int i = 0; i < kSlots; ++i) {
    int none = 0;
    if (shared->slots[i].tid.compare_exchange_strong(none, -1)) {
      shared->slots[i].tgid.store(0);
      shared->slots[i].asleep.store(0);
      shared->slots[i].releases = -1;
      return i;
    }
  }
  return -1;
}

void forget_group(int tgid, int except) {
  for (int i = 0; i < kSlots; ++i) {
    Slot& slot = shared->slots[i];
    if (i == except || slot.tid.load() == 0 || slot.tgid.load() != tgid) continue;
    release_parent(i);
    for (Slot& other : shared->slots) {
      if (other.releases == i) other.releases = -1;
    }
    slot.tid.store(0);
  }
}

}  // namespace mirror_fuzz
