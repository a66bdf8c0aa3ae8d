// attack: shebang-interpreter
// class: indirect
// severity: high
// models: naive
// trap: A script in $T, which may be executed, whose first line names $S/program as its interpreter.
//   The kernel opens the interpreter itself: there is no call to judge.
// naive: Never sees the interpreter; or parses the script, which changes after it was read.
// kernel: load_script opens the named interpreter inside execve (execve(2)).
// sealed: At PTRACE_EVENT_EXEC, before the new image runs an instruction, what it really is
//   (/proc/<tid>/exe and its interpreter) is judged again; a mismatch kills.
// source: execve(2); sandlock#225
// default: any
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   path allow execute $T/**
//   network deny all
// report: $S/program
#include "tests/support/attack.h"

namespace attack {
namespace {

int run_script(const std::string& interpreter) {
  spill(work("script"), "#!" + interpreter + "\n");
  must(::chmod(work("script").c_str(), 0755) == 0, "chmod");
  pid_t child = spawn([] {
    std::string path = work("script");
    char* argv[] = {path.data(), nullptr};
    char* envp[] = {nullptr};
    ::execve(path.c_str(), argv, envp);
    finish(126);
  });
  return reap(child);
}

}  // namespace

void strike() {
  if (run_script(secret("program")) == 0) prey_taken("interpreted");
  held("script");
}

void twin() {
  must(run_script("/usr/bin/true") == 0, "an allowed interpreter");
  must(run_script("/bin/false") == 1, "and its status");
  must(run_script("/nonexistent/interpreter") == 126, "a missing interpreter");
  twin_ok();
}

}  // namespace attack
