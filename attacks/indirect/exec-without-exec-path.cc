// attack: exec-without-exec-path
// class: indirect
// severity: high
// trap: Run $S/run and $S/program without a plain execve of their names: through a descriptor
//   (fexecve), /proc/self/fd, a symlink, the loader (`ld.so $S/program`), an interpreter.
// naive: Judges the string that execve was given.
// kernel: execveat(AT_EMPTY_PATH) takes an object; the loader maps any file it can read (execve(2),
//   ld.so(8)).
// sealed: The object is judged, by whatever road; the loader's and interpreter's opens are reads.
//   That execute rules are not code integrity is said in docs/threats.md.
// source: linux-application-whitelisting/fapolicyd#386; rr fexecve_memfd.c
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: $S/
#include "tests/support/attack.h"

namespace attack {
namespace {

bool runs(const char* path, std::initializer_list<const char*> arguments, int fd = -1) {
  pid_t child = spawn([&] {
    char* argv[8]{};
    int n = 0;
    for (const char* a : arguments) argv[n++] = const_cast<char*>(a);
    char* envp[] = {nullptr};
    int null = ::open("/dev/null", O_WRONLY);
    ::dup2(null, 2);
    if (fd >= 0) {
      ::syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH);
    } else {
      ::execve(path, argv, envp);
    }
    finish(126);
  });
  return reap(child) == 0;
}

}  // namespace

void strike() {
  std::string script = secret("run");
  std::string program = secret("program");
  if (runs(script.c_str(), {"run"})) prey_taken("execve");
  int fd = ::open(program.c_str(), O_PATH);
  if (fd >= 0 && runs(nullptr, {"echo"}, fd)) prey_taken("execveat");
  if (fd >= 0) {
    std::string link = "/proc/self/fd/" + std::to_string(fd);
    if (runs(link.c_str(), {"echo"})) prey_taken("/proc/self/fd");
  }
  must(::symlink(program.c_str(), work("p").c_str()) == 0, "symlink");
  if (runs(work("p").c_str(), {"p"})) prey_taken("through a symlink");
  if (runs("/lib64/ld-linux-x86-64.so.2", {"ld.so", program.c_str()})) prey_taken("the loader");
  if (runs("/bin/sh", {"sh", script.c_str()})) prey_taken("the interpreter");
  held("execute");
}

void twin() {
  must(runs("/usr/bin/true", {"true"}), "execve");
  int fd = ::open("/usr/bin/true", O_RDONLY | O_CLOEXEC);
  must(fd >= 0 && runs(nullptr, {"true"}, fd), "fexecve");
  must(runs("/bin/sh", {"sh", "-c", "exit 0"}), "through /bin, a symlink");
  must(!runs("/usr/bin/false", {"false"}), "statuses are true");
  twin_ok();
}

}  // namespace attack
