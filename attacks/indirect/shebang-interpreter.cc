// attack: shebang-interpreter
// class: indirect
// severity: high
// models: naive
// trap: A script in $T, which may be executed, whose first line names $S/program as its interpreter,
//   or another script that does; or changes its first line while it is executed. The kernel opens the
//   interpreter itself: there is no call to judge.
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

// How often a script ran as `interpreter` whose first line changes all the time.
int run_changing(const std::string& interpreter, int times) {
  const std::string good = "#!/usr/bin/false\n";
  std::string bad = "#!" + interpreter + "\n";
  spill(work("script"), good);
  must(::chmod(work("script").c_str(), 0755) == 0, "chmod");
  for (const char* name : {"good", "bad"}) {
    spill(work(name), name[0] == 'g' ? good : bad);
    must(::chmod(work(name).c_str(), 0755) == 0, "chmod");
  }
  const std::string script = work("script");
  const Rival changer([&] {
    for (const char* name : {"bad", "good"}) {
      ::rename(work(name).c_str(), script.c_str());
      ::link(script.c_str(), work(name).c_str());
    }
  });
  int ran = 0;
  for (int i = 0; i < times && ran == 0; ++i) {
    const pid_t child = spawn([&] {
      ::execl(script.c_str(), "script", nullptr);
      finish(126);
    });
    if (reap(child) == 0) ++ran;
  }
  return ran;
}

}  // namespace

void strike() {
  if (way("script") && run_script(secret("program")) == 0) prey_taken("interpreted");
  if (way("script of a script")) {
    spill(work("inner"), "#!" + secret("program") + "\n");
    must(::chmod(work("inner").c_str(), 0755) == 0, "chmod");
    if (run_script(work("inner")) == 0) prey_taken("interpreted");
  }
  if (way("changed meanwhile") && run_changing(secret("program"), 1500) > 0) {
    prey_taken("interpreted");
  }
  held("script");
}

void twin() {
  must(run_script("/usr/bin/true") == 0, "an allowed interpreter");
  must(run_script("/bin/false") == 1, "and its status");
  must(run_script("/nonexistent/interpreter") == 126, "a missing interpreter");
  spill(work("inner"), "#!/usr/bin/true\n");
  must(::chmod(work("inner").c_str(), 0755) == 0 && run_script(work("inner")) == 0, "two scripts");
  must(run_changing("/usr/bin/true", 1500) > 0, "a script that changes, of what is allowed");
  twin_ok();
}

}  // namespace attack
