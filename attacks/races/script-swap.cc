// attack: script-swap
// class: races
// severity: medium
// models: naive canonical
// trap: While a script is executed, another process exchanges its directory for a link to $S, or the
//   directory's descriptor for another: the kernel takes the first line of the script in $S, which may
//   be neither read nor executed, and obeys it. Its interpreter may run.
// naive: Allows the script that it saw, and looks at the interpreter, if at anything.
// kernel: The script is opened by name, its first line read and the file closed; of it only the
//   argument list remains, "interpreter argument name" (fs/binfmt_script.c). Nothing tells which file
//   the line was in; and where the judged file is that very interpreter, not even the image differs.
// sealed: At PTRACE_EVENT_EXEC the argument list must begin with the words of the script that was
//   judged, or be the one that the caller itself gave, whatever image stands there. Else the program is killed before its first
//   instruction.
// source: Garfinkel, NDSS 2003, "indirect paths"; fs/binfmt_script.c
// default: any
// time: 6000
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   path allow execute $T/**
//   network deny all
// report: $S/line
#include <atomic>
#include <thread>

#include "tests/support/attack.h"

namespace attack {
namespace {

constexpr int kNumber = 100;

void write_script(const std::string& directory) {
  ::mkdir(work(directory).c_str(), 0755);
  const std::string script = work(directory + "/line");
  spill(script, "#!/usr/bin/true\n");
  must(::chmod(script.c_str(), 0755) == 0, "chmod");
}

// Executes it until time is up; the runs that ended well. What a script of the other line says is
// the prey.
template <typename Execute>
long run_again_and_again(const Execute& execute) {
  long well = 0;
  for (Stopwatch watch; watch.running();) {
    int ends[2];
    must(::pipe2(ends, O_CLOEXEC) == 0, "pipe");
    const pid_t child = spawn([&] {
      ::dup2(ends[1], 1);
      execute();
      finish(126);
    });
    ::close(ends[1]);
    char said[256] = {};
    const ssize_t n = ::read(ends[0], said, sizeof said - 1);
    ::close(ends[0]);
    if (reap(child) == 0) ++well;
    if (n > 1) prey_taken(said);  // an echo of nothing is a newline
  }
  std::printf("ran %ld\n", well);
  return well;
}

// The directory `one` holds the script; `two` leads to the other one.
long by_name(const std::string& other) {
  write_script("one");
  must(::symlink(other.c_str(), work("two").c_str()) == 0, "symlink");
  const std::string one = work("one");
  const std::string two = work("two");
  const Rival exchanger([&] {
    ::syscall(SYS_renameat2, AT_FDCWD, one.c_str(), AT_FDCWD, two.c_str(), 2);  // RENAME_EXCHANGE
  });
  const std::string name = work("one/line");
  return run_again_and_again([&] {
    char* argv[] = {const_cast<char*>("x"), nullptr};
    char* envp[] = {nullptr};
    ::execve(name.c_str(), argv, envp);
  });
}

// kNumber is this directory or the other, by turns, in a thread of the process that executes.
long by_descriptor(const std::string& other) {
  write_script("three");
  const int good = ::open(work("three").c_str(), O_PATH);
  const int bad = ::open(other.c_str(), O_PATH);
  must(good >= 0 && bad >= 0, "directories");
  return run_again_and_again([&] {
    must(::dup2(good, kNumber) == kNumber, "dup2");
    std::thread([&] {
      for (;;) {
        ::dup2(bad, kNumber);
        ::dup2(good, kNumber);
      }
    }).detach();
    char* argv[] = {const_cast<char*>("x"), nullptr};
    char* envp[] = {nullptr};
    ::syscall(SYS_execveat, kNumber, "line", argv, envp, 0);
  });
}

// A link to a program that may run, and that is the interpreter of the other script.
long by_interpreter(const std::string& other) {
  const std::string four = work("four");
  const std::string five = work("five");
  must(::symlink("/usr/bin/echo", four.c_str()) == 0, "symlink");
  must(::symlink(other.c_str(), five.c_str()) == 0, "symlink");
  const Rival exchanger([&] {
    ::syscall(SYS_renameat2, AT_FDCWD, four.c_str(), AT_FDCWD, five.c_str(), 2);  // RENAME_EXCHANGE
  });
  return run_again_and_again([&] {
    char* argv[] = {const_cast<char*>("x"), nullptr};
    char* envp[] = {nullptr};
    ::execve(four.c_str(), argv, envp);
  });
}

}  // namespace

void strike() {
  long well = 0;
  if (way("name")) well += by_name(secret(""));
  if (way("descriptor")) well += by_descriptor(secret(""));
  if (way("interpreter")) well += by_interpreter(secret("line"));
  if (wanted_way() == nullptr) must(well > 0, "no script ran");
  errno = 0;
  held("no other line was obeyed");
}

void twin() {
  write_script("other");
  must(by_name(work("other")) > 5, "scripts by name");
  must(by_descriptor(work("other")) > 5, "scripts by descriptor");
  must(by_interpreter("/usr/bin/echo") > 5, "programs by links");
  twin_ok();
}

}  // namespace attack
