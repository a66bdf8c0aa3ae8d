// attack: nnp-and-setuid
// class: seccomp
// severity: critical
// needs: root
// trap: Execute a set-user-ID program from inside: it runs with rights the caller had not, under a
//   filter that makes its calls fail in ways its author never thought of.
// naive: Sets no no_new_privs, since a root-run monitor needs none to load a filter. (Not shown by
//   `--model naive`: no model runs a program without no_new_privs.)
// kernel: Under no_new_privs the set-ID bits have no effect (prctl(2), execve(2)).
// sealed: no_new_privs always, whoever runs callgate.
// source: seccomp_filter.rst; the sendmail capabilities bug
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   path allow execute $T/**
//   network deny all
// report: none
#include "tests/support/attack.h"

namespace attack {
namespace {

// As nobody, runs a set-user-ID copy of /usr/bin/id; true when it printed an effective root.
std::string run_copy(bool set_id) {
  std::string tool = work("id");
  must(reap(spawn([&] { ::execl("/usr/bin/cp", "cp", "/usr/bin/id", tool.c_str(), nullptr); })) == 0,
       "cp");
  must(::chmod(tool.c_str(), set_id ? 04755 : 0755) == 0, "chmod");
  int pipes[2];
  must(::pipe(pipes) == 0, "pipe");
  pid_t child = spawn([&] {
    ::dup2(pipes[1], 1);
    must(::setgid(65534) == 0 && ::setuid(65534) == 0, "setuid");
    ::execl(tool.c_str(), "id", "-u", nullptr);
    finish(126);
  });
  ::close(pipes[1]);
  std::string text = read_all(pipes[0]);
  reap(child);
  return text;
}

}  // namespace

void strike() {
  if (run_copy(true) == "0\n") prey_taken("root again");
  errno = 0;
  held("set-user-ID");
}

void twin() {
  must(run_copy(false) == "65534\n", "an ordinary program runs as its caller");
  twin_ok();
}

}  // namespace attack
