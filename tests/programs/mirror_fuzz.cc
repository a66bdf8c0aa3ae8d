// mirror_fuzz SEED OPS [free]: random descriptor, sharing and birth operations over a dozen tasks, so
// that a monitor's picture of who shares what can be compared with the kernel's at every stop.
//
// One task at a time has the turn, so that a seed replays; with `free` they all run at once. Tasks
// share memory and thread-local storage in every combination, so only raw system calls are made
// here, without errno. What tasks need to agree on lies in a file that each maps.
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr int kSlots = 12;
constexpr int kStackSize = 48 * 1024;
constexpr int kDescriptors = 48;
constexpr char kState[] = "/state";

struct Slot {
  std::atomic<int> tid;     // 0: free
  std::atomic<int> tgid;
  std::atomic<int> asleep;  // in a vfork: not to be given the turn
  int releases;             // the slot whose vfork ends when this task execs or exits; -1: none
};

struct Shared {
  std::atomic<int> turn;  // the slot that may act
  std::atomic<int> done;  // operations so far
  std::atomic<int> failed;
  int ops;
  int free_running;
  int root;
  std::atomic<uint64_t> random;
  Slot slots[kSlots];
};

Shared* shared = nullptr;
char directory[512];
char state_path[600];
alignas(4096) char stacks[kSlots * 2][kStackSize];

// The tasks share thread-local storage: errno would be written by all.
inline long call(long nr, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
#if defined(__x86_64__)
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
#else
  return syscall(nr, a, b, c, d, e, f) < 0 ? -1 : 0;
#endif
}

template <typename T>
long address(T* pointer) {
  return static_cast<long>(reinterpret_cast<uintptr_t>(pointer));
}

uint64_t next_random() {
  uint64_t z = shared->random.fetch_add(0x9e3779b97f4a7c15) + 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}
int below(int n) { return static_cast<int>(next_random() % static_cast<uint64_t>(n)); }
bool percent(int p) { return below(100) < p; }

void wake() { call(SYS_futex, address(&shared->turn), FUTEX_WAKE, 2L * kSlots); }

bool over() { return shared->done.load() >= shared->ops; }

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
  for (;;) {
    const int turn = shared->turn.load();
    if (turn == self) return;
    // The time-out mends what a task that was killed with the turn leaves behind.
    timespec patience{2, 0};
    if (call(SYS_futex, address(&shared->turn), FUTEX_WAIT, turn, address(&patience)) == -ETIMEDOUT) {
      // Killed from outside, the first process takes nobody with it.
      if (call(SYS_kill, shared->root, 0) == -ESRCH) call(SYS_exit_group, 1);
      if (turn < 0 || shared->slots[turn].tid.load() == 0 || shared->slots[turn].asleep.load() != 0) {
        int expected = turn;
        shared->turn.compare_exchange_strong(expected, self);
      }
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

// A group that ends as one (exit_group, exec by one of its threads): nobody else of it returns.
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

[[noreturn]] void leave(int self, bool whole_group) {
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

int some_fd() { return 3 + below(kDescriptors - 8); }

struct Buffers {
  int pair[2];
  sockaddr_un name;
  char control[CMSG_SPACE(sizeof(int) * 3)];
  char byte;
  iovec vector;
  msghdr message;
  char path[640];
};

void fill_name(Buffers& b) {
  memset(&b.name, 0, sizeof b.name);
  b.name.sun_family = AF_UNIX;
  if (percent(50)) {
    snprintf(b.name.sun_path, sizeof b.name.sun_path, "s%d", below(4));
  } else {
    snprintf(b.name.sun_path + 1, sizeof b.name.sun_path - 1, "callgate-mirror-%d-%d", shared->root,
             below(4));
  }
}

void send_descriptors(Buffers& b) {
  memset(&b.message, 0, sizeof b.message);
  memset(b.control, 0, sizeof b.control);
  b.byte = 'x';
  b.vector = {&b.byte, 1};
  b.message.msg_iov = &b.vector;
  b.message.msg_iovlen = 1;
  b.message.msg_control = b.control;
  b.message.msg_controllen = sizeof b.control;
  cmsghdr* header = CMSG_FIRSTHDR(&b.message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int) * 3);
  const int fds[3] = {0, 1, some_fd()};
  memcpy(CMSG_DATA(header), fds, sizeof fds);
  call(SYS_sendmsg, some_fd(), address(&b.message), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void receive_descriptors(Buffers& b) {
  memset(&b.message, 0, sizeof b.message);
  b.vector = {&b.byte, 1};
  b.message.msg_iov = &b.vector;
  b.message.msg_iovlen = 1;
  b.message.msg_control = b.control;
  b.message.msg_controllen = sizeof b.control;
  call(SYS_recvmsg, some_fd(), address(&b.message), MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
}

[[noreturn]] void live(int self);

[[noreturn]] void begin(int self) {
  Slot& slot = shared->slots[self];
  slot.tgid.store(static_cast<int>(call(SYS_getpid)));
  slot.tid.store(static_cast<int>(call(SYS_gettid)));
  // Its parent sleeps with the turn until we exec or exit.
  if (slot.releases >= 0 && shared->turn.load() == slot.releases) pass_turn();
  live(self);
}

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
  auto* top = reinterpret_cast<uint64_t*>((reinterpret_cast<uintptr_t>(stack) & ~uintptr_t{15}) - 32);
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
  return -1;
#endif
}

void birth(int self) {
  const int child = take_slot();
  if (child < 0) return;
  const int kind = below(10);
  shared->slots[child].tgid.store(-1);
  long result = -1;
  if (kind < 2) {
    result = call(percent(50) ? SYS_fork : SYS_clone, SIGCHLD);
    if (result == 0) begin(child);
  } else if (kind < 3) {
    // A real vfork: the child stands on its parent's stack and never returns from here.
    shared->slots[child].releases = self;
    shared->slots[self].asleep.store(1);
    result = call(SYS_vfork);
    if (result == 0) {
      shared->slots[child].tgid.store(static_cast<int>(call(SYS_getpid)));
      shared->slots[child].tid.store(static_cast<int>(call(SYS_gettid)));
      call(SYS_dup, 0);
      call(SYS_close, some_fd());
      if (percent(40)) exec_self(child);
      leave(child, percent(50));
    }
    if (result < 0) shared->slots[self].asleep.store(0);
  } else {
    unsigned long flags = percent(70) ? SIGCHLD : 0;
    for (const unsigned long flag : {0x400ul /*FILES*/, 0x200ul /*FS*/, 0x40000ul /*SYSVSEM*/,
                                     0x80000000ul /*IO*/}) {
      if (percent(45)) flags |= flag;
    }
    if (percent(15)) flags |= CLONE_PARENT;
    if (percent(60)) flags |= CLONE_VM;
    if ((flags & CLONE_VM) != 0 && percent(50)) flags |= CLONE_SIGHAND;
    if ((flags & CLONE_SIGHAND) != 0 && percent(70)) flags |= CLONE_THREAD;
    if (percent(4)) flags |= CLONE_SIGHAND;  // without CLONE_VM: EINVAL
    if (percent(15)) {
      flags |= CLONE_VFORK;
      shared->slots[child].releases = self;
      shared->slots[self].asleep.store(1);
    }
    if ((flags & CLONE_THREAD) != 0) shared->slots[child].tgid.store(shared->slots[self].tgid.load());
    result = clone_on_stack(flags, stack_for(child), child);
    if (result < 0 && (flags & CLONE_VFORK) != 0) shared->slots[self].asleep.store(0);
  }
  if (result < 0) shared->slots[child].tid.store(0);
}

void one(int self, Buffers& b) {
  Slot& slot = shared->slots[self];
  const bool in_root = slot.tgid.load() == shared->root;
  const bool is_leader = slot.tgid.load() == slot.tid.load();
  const int fd = some_fd();
  switch (below(38)) {
    case 0: call(SYS_dup, below(8)); return;
    case 1: call(SYS_dup, fd); return;
    case 2: call(SYS_dup2, fd, some_fd()); return;
    case 3: call(SYS_dup3, fd, some_fd(), percent(50) ? O_CLOEXEC : 0); return;
    case 4: call(SYS_fcntl, fd, percent(50) ? F_DUPFD : F_DUPFD_CLOEXEC, some_fd()); return;
    case 5: call(SYS_fcntl, fd, F_SETFD, below(2)); return;
    case 6:
    case 7: call(SYS_close, fd); return;
    case 8: {
      static constexpr unsigned flags[] = {0, 0, 2 /*UNSHARE*/, 2, 4 /*CLOEXEC*/, 6, 8};
      call(SYS_close_range, fd, fd + below(6), flags[below(7)]);
      return;
    }
    case 9: call(SYS_close_range, 3, percent(50) ? ~0u : 20, percent(70) ? 2 : 0); return;
    case 10:
      snprintf(b.path, sizeof b.path, "f%d", below(6));
      call(SYS_open, address(b.path), O_RDWR | O_CREAT | (percent(50) ? O_CLOEXEC : 0), 0644);
      return;
    case 11:
      snprintf(b.path, sizeof b.path, "%s/f%d", directory, below(6));
      call(SYS_openat, fd, address(b.path), O_RDONLY, 0);
      return;
    case 12:
      snprintf(b.path, sizeof b.path, "d%d", below(4));
      call(SYS_openat, AT_FDCWD, address(b.path), O_RDONLY | O_DIRECTORY, 0);
      return;
    case 13: call(SYS_socket, AF_UNIX, (percent(50) ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK, 0); return;
    case 14: call(SYS_socket, percent(50) ? AF_INET : AF_INET6, (percent(50) ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK, 0); return;
    case 15: call(SYS_socketpair, AF_UNIX, (percent(50) ? SOCK_STREAM : SOCK_SEQPACKET) | SOCK_NONBLOCK, 0, address(b.pair)); return;
    case 16: call(SYS_pipe2, address(b.pair), O_NONBLOCK); return;
    case 17:
    case 18:
      fill_name(b);
      call(percent(60) ? SYS_bind : SYS_connect, fd, address(&b.name), sizeof b.name);
      return;
    case 19: call(SYS_listen, fd, 3); return;
    case 20: call(SYS_accept4, fd, 0, 0, SOCK_NONBLOCK); return;
    case 21: send_descriptors(b); return;
    case 22: receive_descriptors(b); return;
    case 23:
    case 24:
    case 25:
    case 26:
    case 27: birth(self); return;
    case 28: {
      static constexpr unsigned long flags[] = {CLONE_FILES, CLONE_FS, CLONE_FILES | CLONE_FS, 0,
                                                CLONE_SYSVSEM, CLONE_FILES | CLONE_SYSVSEM};
      call(SYS_unshare, static_cast<long>(flags[below(6)]));
      return;
    }
    case 29:
      snprintf(b.path, sizeof b.path, "d%d", below(4));
      call(SYS_mkdir, address(b.path), 0755);
      return;
    case 30:
      snprintf(b.path, sizeof b.path, percent(30) ? "%s" : "%s/d%d", directory, below(4));
      call(SYS_chdir, address(b.path));
      return;
    case 31: call(SYS_fchdir, fd); return;
    case 32: {  // a directory that some task may stand in gets another name
      char to[64];
      snprintf(b.path, sizeof b.path, "d%d", below(4));
      snprintf(to, sizeof to, "d%d", below(4));
      call(SYS_rename, address(b.path), address(to));
      return;
    }
    case 33: call(SYS_umask, 022); return;
    case 34: call(SYS_wait4, -1, 0, WNOHANG | __WALL, 0); return;
    case 35:
      if (in_root ? !is_leader : true) leave(self, !in_root && percent(40));
      return;
    case 36:
      if (percent(60)) exec_self(self);
      return;
    default: call(SYS_kill, slot.tgid.load(), 0); return;
  }
}

bool alone(int self) {
  for (int i = 0; i < kSlots; ++i) {
    // -1: reserved by a task that was killed before it could use it.
    if (i != self && shared->slots[i].tid.load() > 0) return false;
  }
  return true;
}

[[noreturn]] void finish(int self) {
  timespec pause{0, 2'000'000};
  for (int i = 0; i < 10'000 && !alone(self); ++i) {
    if (shared->free_running == 0) pass_turn();
    // The others leave as they get the turn; how long that takes is the scheduler's matter.
    call(SYS_nanosleep, address(&pause), 0);
  }
  char text[96];
  const bool all = alone(self);
  for (int i = 0; i < kSlots && !all; ++i) {
    const Slot& slot = shared->slots[i];
    if (i == self || slot.tid.load() <= 0) continue;
    const int m = snprintf(text, sizeof text, "left: task %d of %d%s\n", slot.tid.load(),
                           slot.tgid.load(), slot.asleep.load() != 0 ? ", asleep in vfork" : "");
    call(SYS_write, 1, address(text), m);
  }
  const int n = snprintf(text, sizeof text, "mirror_fuzz: %d operations, %s\n", shared->ops,
                         all ? "all tasks ended" : "tasks are left");
  call(SYS_write, 1, address(text), n);
  call(SYS_exit_group, all ? 0 : 1);
  for (;;) {
  }
}

void live(int self) {
  Buffers b;
  Slot& slot = shared->slots[self];
  for (;;) {
    wait_turn(self);
    const bool last = slot.tgid.load() == shared->root && slot.tgid.load() == slot.tid.load();
    if (over()) {
      if (last) finish(self);
      leave(self, false);
    }
    shared->done.fetch_add(1);
    one(self, b);
    if (shared->free_running == 0) pass_turn();
  }
}

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
  snprintf(directory, sizeof directory, "%.*s", static_cast<int>(strlen(path) - strlen(kState)), path);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && strcmp(argv[1], "task") == 0) {  // after an exec of itself
    if (!map_state(argv[3])) _exit(3);
    const int self = atoi(argv[2]);
    // The group is one task now, with the leader's number, and who slept in vfork for it is awake.
    forget_group(getpid(), self);
    release_parent(self);
    shared->slots[self].releases = -1;
    begin(self);
  }
  if (argc < 3) {
    fprintf(stderr, "usage: mirror_fuzz SEED OPS [free]\n");
    return 2;
  }
  char path[600];
  if (getcwd(directory, sizeof directory) == nullptr) return 2;
  snprintf(path, sizeof path, "%s%s", directory, kState);
  const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0 || ftruncate(fd, sizeof(Shared)) != 0) return 2;
  close(fd);
  if (!map_state(path)) return 2;
  const rlimit few{kDescriptors, kDescriptors};
  setrlimit(RLIMIT_NOFILE, &few);
  shared->random = strtoull(argv[1], nullptr, 10) * 7919 + 1;
  shared->ops = atoi(argv[2]);
  shared->free_running = argc > 3 && strcmp(argv[3], "free") == 0 ? 1 : 0;
  shared->root = getpid();
  for (Slot& slot : shared->slots) slot.releases = -1;
  const int self = take_slot();
  shared->turn.store(self);
  begin(self);
}
