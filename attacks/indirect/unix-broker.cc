// attack: unix-broker
// class: indirect
// severity: critical
// models: naive
// trap: A helper outside the sandbox listens on a pathname AF_UNIX socket and does what it is asked:
//   here it reads $S/key aloud; in life it is the session bus, the container daemon, the ssh agent.
//   By full name, relative name, through a symlink, through /proc/self/fd.
// naive: "network deny all" means the Internet, and connect's sockaddr is not a path.
// kernel: connect(2) on AF_UNIX walks sun_path like any name and needs write permission on the
//   socket (unix(7)).
// sealed: A pathname socket is resolved like any name and judged by the unix rules; the connect goes
//   to the pinned object.
// source: Garfinkel, NDSS 2003, "indirect paths to resources"; Zouuup/landrun#43
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: $S/broker.sock
#include "tests/support/attack.h"

namespace attack {
namespace {

std::string ask(const std::string& name) {
  int s = ::socket(AF_UNIX, SOCK_STREAM, 0);
  if (s < 0) return {};
  sockaddr_un address = un(name);
  std::string answer;
  if (::connect(s, as_sockaddr(address), sizeof address) == 0) answer = read_all(s);
  ::close(s);
  return answer;
}

void take_from(const std::string& name) {
  std::string answer = ask(name);
  if (!answer.empty()) prey_taken(answer);
}

}  // namespace

void strike() {
  if (way("by its name")) take_from(secret("broker.sock"));
  must(::symlink(secret("broker.sock").c_str(), work("b").c_str()) == 0, "symlink");
  if (way("a symlink")) take_from(work("b"));
  if (way("a relative name") && ::chdir(secret("").c_str()) == 0) take_from("broker.sock");
  int fd = ::open(secret("broker.sock").c_str(), O_PATH);
  if (fd >= 0 && way("/proc/self/fd")) take_from("/proc/self/fd/" + std::to_string(fd));
  held("connect");
}

// A socket pair and a refused connect behave as ever.
void twin() {
  int pair[2];
  must(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && ::write(pair[0], "x", 1) == 1, "pair");
  int s = ::socket(AF_UNIX, SOCK_STREAM, 0);
  must(s >= 0 || errno == EACCES, "socket");
  twin_ok();
}

}  // namespace attack
