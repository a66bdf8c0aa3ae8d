// attack: nonleader-exec
// class: lifecycle
// severity: high
// trap: A thread that is not the leader calls execve; two do at once; one does after the leader has
//   exited. The new image then opens $S/key.
// naive: Loses the task: its tid becomes the leader's, the others vanish without an exit status. (Not
//   shown by `--model naive`: its loop is callgate's own, and only its judgement is naive.)
// kernel: de_thread kills the other threads and takes over the leader's tid; PTRACE_EVENT_EXEC tells
//   the former tid (ptrace(2), "execve(2) under ptrace").
// sealed: The event's message names the former tid; everything known of the other threads is dropped.
// source: ptrace(2); ranweiler/pete#107; rr exec_from_other_thread.c
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   path allow execute ${PROGRAM}
//   network deny all
// report: $S/key
#include <thread>

#include "tests/support/attack.h"

namespace attack {
namespace {

constexpr const char* kWays[] = {"a thread", "two at once", "after the leader"};

// Becomes /bin/cat of the file, by a thread's execve, in one of three constellations; its status.
int cat_by_thread(int way, const std::string& file) {
  pid_t child = spawn([&] {
    auto become = [&] {
      const char* argv[] = {"cat", file.c_str(), nullptr};
      ::execv("/usr/bin/cat", const_cast<char* const*>(argv));
      finish(126);
    };
    if (way == 0) {
      std::thread(become).join();
    } else if (way == 1) {
      std::thread one(become);
      std::thread two(become);
      one.join();
      two.join();
    } else {
      std::thread late([&] {
        ::usleep(20000);
        become();
      });
      late.detach();
      ::syscall(SYS_exit, 0);  // the leader alone
    }
  });
  return reap(child);
}

}  // namespace

void strike() {
  for (int how = 0; how < 3; ++how) {
    if (way(kWays[how]) && cat_by_thread(how, secret()) == 0) prey_taken("read by cat");
  }
  held("cat");
}

void twin() {
  for (int way = 0; way < 3; ++way) {
    for (int i = 0; i < 5; ++i) {
      must(cat_by_thread(way, work("ok.dat")) == 0, "cat by a thread, way " + std::to_string(way));
    }
  }
  twin_ok();
}

}  // namespace attack
