// attack: pid-reuse
// class: races
// severity: high
// models: naive
// launch: pid-namespace
// trap: Process numbers come back. A child makes a TCP socket at number y and dies; the next child
//   is given its pid, and has a UDP socket at y. What was remembered of the first is now said of
//   the second.
// naive: Keeps its tables by pid, and drops them when it happens to hear of the end.
// kernel: A pid is free again when the zombie has been reaped; the next fork takes the one after
//   /proc/sys/kernel/ns_last_pid (pid_namespaces(7)).
// sealed: Nothing is remembered of a pid that has ended, and of sockets only what belongs to their
//   inode. A zombie's number is kept by the tracer itself until it has heard of the end.
// source: seccomp_unotify(2), NOTIF_ID_VALID; safedep/pmg#404
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   path allow write /proc/sys/kernel/ns_last_pid
//   network allow tcp bind *:$PORT
//   network allow udp create
// report: udp bind
#include "tests/support/attack.h"

namespace attack {
namespace {

// A child whose pid is `wanted`: nobody else is born in this namespace, but for the monitor's own.
template <typename Body>
int in_pid(pid_t wanted, Body body) {
  for (int attempt = 0; attempt < 100; ++attempt) {
    const std::string last = std::to_string(wanted - 1);
    const int fd = ::open("/proc/sys/kernel/ns_last_pid", O_WRONLY);
    must(fd >= 0 && ::write(fd, last.data(), last.size()) > 0, "ns_last_pid");
    ::close(fd);
    const pid_t child = spawn([&] {
      if (::getpid() != wanted) finish(kVoid);
      body();
    });
    const int status = reap(child);
    if (child == wanted) return status;
  }
  must(false, "the pid was never free");
  return kVoid;
}

// Binds number y as a second child of the pid under which the first had another socket there.
int bind_in_its_place(int first, int second) {
  const int y = socket_of(second);
  const pid_t pid = spawn([&] { must(::dup2(socket_of(first), y) == y, "dup2"); });
  must(reap(pid) == 0, "the first child");
  return in_pid(pid, [&] {
    const int error = bind_error(y);
    if (error != 0) std::printf("bind: %s\n", std::strerror(error));
    finish(error == 0 ? 0 : kHeld);
  });
}

}  // namespace

void strike() {
  if (bind_in_its_place(SOCK_STREAM, SOCK_DGRAM) == 0) prey_taken("UDP bound");
  errno = EACCES;
  held("the second of that number");
}

void twin() {
  must(bind_in_its_place(SOCK_DGRAM, SOCK_STREAM) == 0, "TCP where UDP was");
  // Nor does anything else of the first stay: its pretended dumpability, its memory's lay-out.
  const pid_t pid = spawn([] {
    must(::prctl(PR_SET_DUMPABLE, 0) == 0 && ::prctl(PR_GET_DUMPABLE) == 0, "undumpable");
    must(reads(work("ok.dat"), kHarmless), "open");
  });
  must(reap(pid) == 0, "the first child");
  const int second = in_pid(pid, [] {
    must(::prctl(PR_GET_DUMPABLE) == 1, "the second is dumpable");
    must(reads(work("ok.dat"), kHarmless), "open");
    must(::kill(::getpid(), 0) == 0, "kill of its own number");
  });
  must(second == 0, "the second child");
  twin_ok();
}

}  // namespace attack
