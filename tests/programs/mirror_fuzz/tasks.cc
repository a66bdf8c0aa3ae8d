// Births of every kind, executions and ends.
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>

#include "tests/programs/mirror_fuzz/state.h"

namespace mirror_fuzz {
namespace {

constexpr int kStackSize = 48 * 1024;
alignas(4096) char stacks[kSlots * 2][kStackSize];

// Never two living tasks of one address space on one stack: a forked task keeps its parent's
// address, so stacks go with slots, and a slot's two are used in turn (a task that is just exiting
// may still stand on the other).
char* stack_for(int slot) {
  static std::atomic<int> use[kSlots];
  const int which = use[slot].fetch_add(1) & 1;
  return stacks[slot * 2 + which] + kStackSize - 256;
}

// On a stack of its own, with `slot` where the new task finds it.
long clone_on_stack(unsigned long flags, char* stack, int slot) {
#if defined(__x86_64__)
  auto* top =
      reinterpret_cast<uint64_t*>((reinterpret_cast<uintptr_t>(stack) & ~uintptr_t{15}) - 32);
  top[0] = static_cast<uint64_t>(slot);
  top[1] = reinterpret_cast<uint64_t>(&begin);
  long result;
  register long r10 __asm__("r10") = 0;
  register long r8 __asm__("r8") = 0;
  __asm__ volatile(
      "syscall\n\t"
      "test %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "xor %%ebp, %%ebp\n\t"
      "pop %%rdi\n\t"
      "pop %%rax\n\t"
      "call *%%rax\n\t"
      "hlt\n"
      "1:"
      : "=a"(result)
      : "a"(SYS_clone), "D"(flags), "S"(top), "d"(0), "r"(r10), "r"(r8)
      : "rcx", "r11", "memory");
  return result;
#else
  static_cast<void>(flags), static_cast<void>(stack), static_cast<void>(slot);
  return -1;
#endif
}

long fork_somehow() {
  constexpr int kForkI386 = 2;
  switch (below(3)) {
    case 0:
      return call(SYS_fork);
    case 1:
      return call(SYS_clone, SIGCHLD);
    default:
      return call_i386(kForkI386);
  }
}

// A real vfork: the child stands on its parent's stack and never returns from here.
long vfork_child(int self, int child) {
  shared->slots[child].releases = self;
  shared->slots[self].asleep.store(1);
  const long result = call(SYS_vfork);
  if (result == 0) {
    shared->slots[child].tgid.store(static_cast<int>(call(SYS_getpid)));
    shared->slots[child].tid.store(static_cast<int>(call(SYS_gettid)));
    call(SYS_dup, 0);
    call(SYS_close, 3 + below(kDescriptors - 8));
    if (percent(40)) exec_self(child);
    leave(child, percent(50));
  }
  if (result < 0) shared->slots[self].asleep.store(0);
  return result;
}

long clone_child(int self, int child) {
  unsigned long flags = percent(70) ? SIGCHLD : 0;
  for (const unsigned long flag :
       {static_cast<unsigned long>(CLONE_FILES), static_cast<unsigned long>(CLONE_FS),
        static_cast<unsigned long>(CLONE_SYSVSEM), static_cast<unsigned long>(CLONE_IO)}) {
    if (percent(45)) flags |= flag;
  }
  // The first process waits for all; nobody would wait for a sibling of its.
  if (percent(15) && shared->slots[self].tgid.load() != shared->root) flags |= CLONE_PARENT;
  if (percent(60)) flags |= CLONE_VM;
  if ((flags & CLONE_VM) != 0 && percent(50)) flags |= CLONE_SIGHAND;
  if ((flags & CLONE_SIGHAND) != 0 && percent(70)) flags |= CLONE_THREAD;
  if (percent(4)) flags |= CLONE_SIGHAND;  // without CLONE_VM: EINVAL
  if (percent(10)) flags |= CLONE_PTRACE;
  if (percent(3)) flags |= CLONE_UNTRACED;  // nobody would be told: refused
  if (percent(3)) flags |= CLONE_NEWNS;     // so is a namespace
  if (percent(15)) {
    flags |= CLONE_VFORK;
    shared->slots[child].releases = self;
    shared->slots[self].asleep.store(1);
  }
  if ((flags & CLONE_THREAD) != 0) shared->slots[child].tgid.store(shared->slots[self].tgid.load());
  const long result = clone_on_stack(flags, stack_for(child), child);
  if (result < 0 && (flags & CLONE_VFORK) != 0) shared->slots[self].asleep.store(0);
  return result;
}

// Whether a slot's task lives: one that was killed by its group while it was being born, or between
// others' book-keeping, is in the book for ever. Zombies come to the first process in the end,
// which waits for them.
bool lives(const Slot& slot) {
  const int tid = slot.tid.load();  // -1: reserved by a task that was killed before it could use it
  return tid > 0 && call(SYS_tgkill, slot.tgid.load(), tid, 0) >= 0;
}

bool alone(int self) {
  for (int i = 0; i < kSlots; ++i) {
    if (i != self && lives(shared->slots[i])) return false;
  }
  return true;
}

[[noreturn]] void finish(int self) {
  timespec pause{0, 2'000'000};
  for (int i = 0; i < 10'000 && !alone(self); ++i) {
    if (shared->free_running == 0) pass_turn();
    while (call(SYS_wait4, -1, 0, WNOHANG | __WALL, 0) > 0) {
    }
    // The others leave as they get the turn; how long that takes is the scheduler's matter.
    call(SYS_nanosleep, address(&pause), 0);
  }
  char text[96];
  const bool all = alone(self);
  for (int i = 0; i < kSlots && !all; ++i) {
    const Slot& slot = shared->slots[i];
    if (i == self || !lives(slot)) continue;
    const int m = snprintf(text, sizeof text, "left: task %d of %d%s\n", slot.tid.load(),
                           slot.tgid.load(), slot.asleep.load() != 0 ? ", asleep in vfork" : "");
    call(SYS_write, 1, address(text), m);
  }
  report_kinds();
  const int n = snprintf(text, sizeof text, "mirror_fuzz: %d operations, %s\n", shared->ops,
                         all ? "all tasks ended" : "tasks are left");
  call(SYS_write, 1, address(text), n);
  call(SYS_exit_group, all ? 0 : 1);
  for (;;) {
  }
}

}  // namespace

void leave(int self, bool whole_group) {
  if (whole_group) forget_group(shared->slots[self].tgid.load(), self);
  release_parent(self);
  shared->slots[self].tid.store(0);
  pass_turn();
  for (;;) call(whole_group ? SYS_exit_group : SYS_exit, 0);
}

void exec_self(int self) {
  char number[16];
  snprintf(number, sizeof number, "%d", self);
  char word[] = "task";
  char name[] = "mirror_fuzz";
  char* argv[] = {name, word, number, state_path, nullptr};
  char* envp[] = {nullptr};
  call(SYS_execve, address("/proc/self/exe"), address(argv), address(envp));
}

void begin(int self) {
  Slot& slot = shared->slots[self];
  slot.tgid.store(static_cast<int>(call(SYS_getpid)));
  slot.tid.store(static_cast<int>(call(SYS_gettid)));
  // Its parent sleeps with the turn until we exec or exit.
  if (slot.releases >= 0 && shared->turn.load() == slot.releases) pass_turn();
  live(self);
}

long give_birth(int self) {
  const int child = take_slot();
  if (child < 0) return -1;
  const int kind = below(10);
  shared->slots[child].tgid.store(-1);
  long result = -1;
  if (kind < 2) {
    result = fork_somehow();
    if (result == 0) begin(child);
  } else {
    result = kind < 3 ? vfork_child(self, child) : clone_child(self, child);
  }
  if (result < 0) shared->slots[child].tid.store(0);
  return result;
}

void live(int self) {
  Slot& slot = shared->slots[self];
  for (;;) {
    wait_turn(self);
    const bool last = slot.tgid.load() == shared->root && slot.tgid.load() == slot.tid.load();
    if (over()) {
      if (last) finish(self);
      leave(self, false);
    }
    shared->done.fetch_add(1);
    operate(self);
    if (shared->free_running == 0) pass_turn();
  }
}

}  // namespace mirror_fuzz
