// attack: kernel-ipc-and-upcalls
// class: indirect
// severity: medium
// models: naive
// trap: Neither file nor socket: the kernel keyring, bpf, perf events, userfaultfd, memory of others
//   by handle, and kernel modules.
// naive: Not paths, not addresses, so they pass.
// kernel: keyrings(7): request_key runs /sbin/request-key outside; bpf(2), perf_event_open(2),
//   userfaultfd(2).
// sealed: Refused by the filter.
// source: Garfinkel, NDSS 2003; flatpak syscall_blocklist
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: none
#include "tests/support/attack.h"

namespace attack {

void strike() {
  long key = ::syscall(SYS_add_key, "user", "callgate-attack", "x", 1, -3 /* process keyring */);
  if (key >= 0) prey_taken("a key was added");
  if (::syscall(SYS_userfaultfd, 1 /* USER_MODE_ONLY */) >= 0) prey_taken("userfaultfd");
  if (::syscall(SYS_keyctl, 0 /* GET_KEYRING_ID */, -3, 1) >= 0) prey_taken("keyctl");
  char attributes[128]{};
  if (::syscall(SYS_bpf, 0, attributes, sizeof attributes) >= 0) prey_taken("bpf");
  held("keys");
}

// What programs do use stays: System V shared memory and POSIX semaphores in memory.
void twin() {
  int id = static_cast<int>(::syscall(SYS_shmget, 0, 4096, 0600 | 01000));
  must(id >= 0, "shmget");
  auto address = ::syscall(SYS_shmat, id, nullptr, 0);
  must(address != -1, "shmat");
  *reinterpret_cast<char*>(address) = 'x';
  must(::syscall(SYS_shmdt, address) == 0 && ::syscall(SYS_shmctl, id, 0, nullptr) == 0, "shmdt");
  int fd = ::memfd_create("m", MFD_CLOEXEC);
  must(fd >= 0 && ::ftruncate(fd, 4096) == 0, "memfd");
  twin_ok();
}

}  // namespace attack
