// attack: unannounced-tracee
// class: lifecycle
// severity: high
// trap: clone with CLONE_UNTRACED makes a child that a tracer is not told of; CLONE_PARENT makes it
//   the caller's sibling, and thus perhaps the monitor's own child; CLONE_PTRACE hides the event.
// naive: Ignores the unknown pid, lets it run, or takes its end for the end of the program. (Not shown
//   by `--model naive`: its loop is callgate's own, and only its judgement is naive.)
// kernel: clone(2): CLONE_UNTRACED suppresses the ptrace event.
// sealed: CLONE_UNTRACED is refused by the filter; a first stop of an unknown task is adopted; the
//   root program is known by identity.
// source: strace clone_ptrace.c, clone_parent.c; rr clone_parent.c
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: none
#include "tests/support/attack.h"

namespace attack {
namespace {

// A child with these flags reads the file and tells through a pipe.
std::string child_reads(unsigned long flags, const std::string& path) {
  int pipes[2];
  must(::pipe(pipes) == 0, "pipe");
  auto pid = static_cast<pid_t>(::syscall(SYS_clone, flags, nullptr, nullptr, nullptr, 0));
  if (pid == 0) {
    ::close(pipes[0]);
    int fd = ::open(path.c_str(), O_RDONLY);
    std::string text = fd >= 0 ? read_all(fd) : "none";
    must(::write(pipes[1], text.data(), text.size()) >= 0, "write");
    ::_exit(0);
  }
  ::close(pipes[1]);
  std::string text = pid > 0 ? read_all(pipes[0]) : "";
  ::close(pipes[0]);
  if (pid > 0 && (flags & CLONE_PARENT) == 0) reap(pid);
  return text;
}

}  // namespace

void strike() {
  const struct {
    const char* name;
    unsigned long flags;
  } births[] = {{"untraced", CLONE_UNTRACED | SIGCHLD},
                {"untraced and traced", CLONE_UNTRACED | CLONE_PTRACE | SIGCHLD},
                {"traced", CLONE_PTRACE | SIGCHLD},
                {"a sibling", CLONE_PARENT | SIGCHLD},
                {"an untraced sibling", CLONE_PARENT | CLONE_UNTRACED},
                {"a silent sibling", CLONE_PARENT}};
  for (const auto& [name, flags] : births) {
    if (!way(name)) continue;
    std::string text = child_reads(flags, secret());
    if (text.rfind("canary-", 0) == 0) prey_taken(text);
  }
  errno = 0;
  held("children");
}

void twin() {
  must(child_reads(SIGCHLD, work("ok.dat")) == "harmless\n", "fork");
  must(child_reads(CLONE_VFORK | SIGCHLD, work("ok.dat")) == "harmless\n", "CLONE_VFORK");
  must(child_reads(0, work("ok.dat")) == "harmless\n", "no exit signal");
  must(child_reads(CLONE_PTRACE | SIGCHLD, work("ok.dat")) == "harmless\n", "CLONE_PTRACE");
  twin_ok();
}

}  // namespace attack
