// attack: socket-alias
// class: names
// severity: high
// models: naive
// trap: Unix sockets may be connected to by their names in $T alone. $S/broker.sock is given one, by
//   link, by rename, and with the directory it is in.
// naive: A link or rename is judged by the rules on files, a connect by the name it has then.
// kernel: A socket's name is a directory entry like any other; who connects by a new name reaches the
//   same listener (unix(7)).
// sealed: A new name for a socket, or for a directory, is refused where it would grant a connect or send
//   that the old one does not.
// source: the same question as hardlink-alias, asked of the network rules
// policy:
//   path allow read,execute /usr/**
//   path allow $T/ $S/
//   network allow unix connect $T/**
// report: $S
#include "tests/support/attack.h"

namespace attack {
namespace {

void ask(const std::string& name) {
  int s = ::socket(AF_UNIX, SOCK_STREAM, 0);
  must(s >= 0, "socket");
  sockaddr_un address = un(name);
  if (::connect(s, as_sockaddr(address), sizeof address) == 0) take(s);
  ::close(s);
}

}  // namespace

void strike() {
  if (way("by its name")) ask(secret("broker.sock"));
  if (way("link") && ::link(secret("broker.sock").c_str(), work("a").c_str()) == 0) ask(work("a"));
  if (way("rename") && ::rename(secret("broker.sock").c_str(), work("b").c_str()) == 0) {
    ask(work("b"));
  }
  const std::string tree = setting("ATTACK_S");
  if (way("with its directory") && ::rename(tree.c_str(), work("s").c_str()) == 0)
    ask(work("s/broker.sock"));
  held("link");
}

void twin() {
  must(::link(work("ok.sock").c_str(), work("a").c_str()) == 0, "link");
  must(::mkdir(work("d").c_str(), 0700) == 0, "mkdir");
  must(::rename(work("a").c_str(), work("d/b").c_str()) == 0, "rename");
  must(::rename(work("d").c_str(), work("e").c_str()) == 0, "rename of its directory");
  int s = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = un(work("e/b"));
  must(::connect(s, as_sockaddr(address), sizeof address) == 0, "connect");
  twin_ok();
}

}  // namespace attack
