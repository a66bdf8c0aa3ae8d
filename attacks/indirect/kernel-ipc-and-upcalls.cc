// attack: kernel-ipc-and-upcalls
// class: indirect
// severity: medium
// models: naive
// trap: Neither file nor socket: a key in the user's keyring and a message in a System V or POSIX queue
//   are a mailbox to whoever of the same user reads there and acts on $S; request_key has the kernel
//   start a program outside; bpf, perf events, userfaultfd.
// naive: Not paths, not addresses, so they pass.
// kernel: keyrings(7): request_key runs /sbin/request-key outside; sysvipc(7), mq_overview(7): queues
//   are found by key and by name; bpf(2), perf_event_open(2), userfaultfd(2).
// sealed: Keys, bpf and the like are refused by the filter. Of queues and semaphores no statement on
//   names speaks (docs/threats.md): where they matter, a `syscall` statement takes them away, as here.
// source: Garfinkel, NDSS 2003; flatpak syscall_blocklist
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
//   syscall deny shmget shmat msgget semget mq_open
// report: none
#include <linux/perf_event.h>
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "tests/support/attack.h"

namespace attack {
namespace {

// A key and a name that two processes would agree upon, and nobody else has.
key_t common_key() { return 0x5a000000 | (::getpid() & 0xffffff); }
std::string common_name() { return "/callgate-attack-" + std::to_string(::getpid()); }

void keyring_as_mailbox() {
  constexpr long kUserKeyring = -4;  // every process of this user's
  const long key = ::syscall(SYS_add_key, "user", common_name().c_str(), "x", 1, kUserKeyring);
  if (key < 0) return;
  ::syscall(SYS_keyctl, 9 /* UNLINK */, key, kUserKeyring);
  prey_taken("a key in the user's keyring");
}

void message_in_queue() {
  const int queue = ::msgget(common_key(), IPC_CREAT | 0600);
  if (queue < 0) return;
  struct {
    long type = 1;
    char text[1] = {'x'};
  } message;
  const bool sent = ::msgsnd(queue, &message, 1, IPC_NOWAIT) == 0;
  ::msgctl(queue, IPC_RMID, nullptr);
  if (sent) prey_taken("a message in a System V queue");
}

void message_in_posix_queue() {
  const mqd_t queue = ::mq_open(common_name().c_str(), O_RDWR | O_CREAT, 0600, nullptr);
  if (queue < 0) return;
  const bool sent = ::mq_send(queue, "x", 1, 0) == 0;
  ::mq_unlink(common_name().c_str());
  if (sent) prey_taken("a message in a POSIX queue");
}

void counted_semaphore() {
  const int set = ::semget(common_key(), 1, IPC_CREAT | 0600);
  if (set < 0) return;
  sembuf up{0, 1, 0};
  const bool done = ::semop(set, &up, 1) == 0;
  ::semctl(set, 0, IPC_RMID);
  if (done) prey_taken("a semaphore that others see");
}

void shared_segment() {
  const int segment = ::shmget(common_key(), 4096, IPC_CREAT | 0600);
  if (segment < 0) return;
  void* at = ::shmat(segment, nullptr, 0);
  ::shmctl(segment, IPC_RMID, nullptr);
  if (at != reinterpret_cast<void*>(-1)) prey_taken("memory that others see");
}

}  // namespace

void strike() {
  if (way("add_key")) keyring_as_mailbox();
  if (way("keyctl") && ::syscall(SYS_keyctl, 0 /* GET_KEYRING_ID */, -3, 1) >= 0) {
    prey_taken("keyctl");
  }
  if (way("request_key")) {
    // ENOKEY: it was looked for; with a callout the kernel would have started a program.
    ::syscall(SYS_request_key, "user", common_name().c_str(), nullptr, 0);
    if (errno == ENOKEY) prey_taken("a key was asked for");
  }
  if (way("msgsnd")) message_in_queue();
  if (way("mq_send")) message_in_posix_queue();
  if (way("semop")) counted_semaphore();
  if (way("shmat")) shared_segment();
  if (way("userfaultfd") && ::syscall(SYS_userfaultfd, 1 /* USER_MODE_ONLY */) >= 0) {
    prey_taken("userfaultfd");
  }
  if (way("perf_event_open", unless_root())) {
    perf_event_attr event{};
    event.type = PERF_TYPE_SOFTWARE;
    event.size = sizeof event;
    if (::syscall(SYS_perf_event_open, &event, 0, -1, -1, 0) >= 0) prey_taken("perf");
  }
  if (way("bpf", unless_root())) {
    uint32_t attributes[32] = {2 /* ARRAY */, 4, 4, 1};
    if (::syscall(SYS_bpf, 0 /* MAP_CREATE */, attributes, sizeof attributes) >= 0)
      prey_taken("bpf");
  }
  held("keys and queues");
}

// What is among ourselves stays: memory of a memfd, a process-shared mapping.
void twin() {
  auto* shared = static_cast<volatile char*>(
      ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  must(shared != MAP_FAILED, "mmap");
  must(reap(spawn([&] { *shared = 'x'; })) == 0 && *shared == 'x', "memory of parent and child");
  must(reads(work("ok.dat"), kHarmless), "files open");
  int fd = ::memfd_create("m", MFD_CLOEXEC);
  must(fd >= 0 && ::ftruncate(fd, 4096) == 0, "memfd");
  twin_ok();
}

}  // namespace attack
