// attack: unseen-fd-sources
// class: state
// severity: critical
// models: naive
// trap: A descriptor need not come from open or socket. A helper outside the sandbox, whose socket
//   the policy allows, sends a directory descriptor of $S as SCM_RIGHTS; openat(it, "key").
// naive: The number is not in its table. Unknown means allowed, or a crash.
// kernel: recvmsg installs whatever the sender passed (unix(7)); openat starts the walk there.
// sealed: Every number is unknown until it is used. The walk begins at /proc/<tid>/fd/<n>, whose
//   name the kernel tells, and the name that results is judged.
// source: Garfinkel, NDSS 2003; pidfd_getfd(2); phylum-dev/birdcage#32
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network allow unix connect $T/giver.sock
// report: $S/key
#include "tests/support/pass_descriptor.h"

namespace attack {

void strike() {
  int s = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = un(work("giver.sock"));
  must(::connect(s, as_sockaddr(address), sizeof address) == 0, "the allowed helper");
  const int directory = receive_descriptor(s);
  must(directory >= 0, "the allowed helper gave a descriptor");
  take(::openat(directory, "key", O_RDONLY));
  if (::fchdir(directory) == 0) take("key");
  held("openat from a received descriptor");
}

// The same among ourselves: a directory of $T passed over a socketpair.
void twin() {
  int pair[2];
  must(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
  pid_t child = spawn([&] {
    must(send_descriptor(pair[0], ::open(work("").c_str(), O_RDONLY | O_DIRECTORY)), "sendmsg");
  });
  const int directory = receive_descriptor(pair[1]);
  must(reap(child) == 0, "sender");
  const int fd = ::openat(directory, "ok.dat", O_RDONLY);
  must(fd >= 0 && read_all(fd) == kHarmless, "openat(received, ok.dat)");
  twin_ok();
}

}  // namespace attack
