// What the tasks of mirror_fuzz agree on, in a file that each of them maps, and the raw system
// calls they are made of: tasks share memory and thread-local storage in every combination, so
// nothing of libc that keeps state is used once the first one lives, errno included.
#pragma once

#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace mirror_fuzz {

constexpr int kSlots = 12;
constexpr int kDescriptors = 48;
constexpr int kKinds = 44;  // kinds of operation, see operations.cc

struct Slot {
  std::atomic<int> tid;  // 0: free
  std::atomic<int> tgid;
  std::atomic<int> asleep;  // in a vfork: not to be given the turn
  int releases;             // the slot whose vfork ends when this task execs or exits; -1: none
};

struct Shared {
  std::atomic<int> turn;  // the slot that may act
  std::atomic<int> done;  // operations so far
  std::atomic<int> tried[kKinds];
  std::atomic<int> succeeded[kKinds];
  int ops;
  int free_running;
  int has_i386;  // the kernel has the 32-bit entry
  int root;
  std::atomic<uint64_t> random;
  Slot slots[kSlots];
};

extern Shared* shared;
extern char directory[512];   // where all of it happens
extern char state_path[600];  // the file

// Maps the file; false when it cannot be.
bool map_state(const char* path);

// ---- the same numbers for the same seed, as long as the tasks take turns
uint64_t next_random();
int below(int n);
bool percent(int p);

// ---- raw calls: the result, or a negative errno
#if defined(__x86_64__)
inline long call(long nr, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}
// By the 32-bit entry, numbers of i386: the same task, another ABI. Where there is none, it faults.
inline long enter_i386(int nr, int a = 0, int b = 0, int c = 0) {
  long result;
  __asm__ volatile("push %%rbx\n\tmov %2, %%ebx\n\tint $0x80\n\tpop %%rbx"
                   : "=a"(result)
                   : "0"(static_cast<long>(nr)), "r"(a), "c"(b), "d"(c)
                   : "r8", "r9", "r10", "r11", "memory");
  return static_cast<int>(result);
}
#else
inline long call(long nr, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  return syscall(nr, a, b, c, d, e, f) < 0 ? -1 : 0;
}
inline long enter_i386(int, int = 0, int = 0, int = 0) { return -1; }
#endif
inline long call_i386(int nr, int a = 0, int b = 0, int c = 0) {
  return shared->has_i386 != 0 ? enter_i386(nr, a, b, c) : -1;
}

template <typename T>
long address(T* pointer) {
  return static_cast<long>(reinterpret_cast<uintptr_t>(pointer));
}

// ---- turns
bool over();
void wake();
void pass_turn();
void wait_turn(int self);
int take_slot();
void release_parent(int self);
// A group that ends as one (exit_group, exec by one of its threads): nobody else of it returns.
void forget_group(int tgid, int except);

// ---- tasks
[[noreturn]] void begin(int self);
[[noreturn]] void live(int self);
[[noreturn]] void leave(int self, bool whole_group);
void exec_self(int self);
long give_birth(int self);

// ---- operations: one random operation of this task, counted by kind
void operate(int self);
void report_kinds();

}  // namespace mirror_fuzz
