// attack: fail-open-on-exhaustion
// class: lifecycle
// severity: critical
// time: 3000
// trap: Use up what the monitor needs: many threads and processes each with a call in flight, a low
//   descriptor limit, failing look-ups without end; then open $S/key.
// naive: On an error of its own (EMFILE, ENOMEM, a time-out) it continues the call. (Not shown by
//   `--model naive`: its loop is callgate's own, and only its judgement is naive.)
// kernel: Limits are per user or per process; the monitor shares the user's.
// sealed: Every error of the monitor is a refusal, and it says so.
// source: cloudflare/sandbox#1; canyonroad/agentsh#174
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: $S/key
#include "tests/support/attack.h"

namespace attack {
namespace {

// 150 processes and as many threads' worth of calls, all trying at once; how many got `path`.
int storm(const std::string& path, int processes) {
  int pipes[2];
  must(::pipe(pipes) == 0, "pipe");
  int started = 0;
  for (int i = 0; i < processes; ++i) {
    pid_t child = spawn([&] {
      ::close(pipes[0]);
      for (int turn = 0; turn < 20; ++turn) {
        ::open(work("no/such/" + std::to_string(turn)).c_str(), O_RDONLY);
        int fd = ::open(path.c_str(), O_RDONLY);
        if (fd < 0) continue;
        std::string text = read_all(fd);
        if (!text.empty() && ::write(pipes[1], text.data(), 1) == 1) break;
        ::close(fd);
      }
    });
    if (child > 0) ++started;
  }
  ::close(pipes[1]);
  int got = static_cast<int>(read_all(pipes[0]).size());
  ::close(pipes[0]);
  for (int i = 0; i < started; ++i) ::waitpid(-1, nullptr, 0);
  return got;
}

}  // namespace

void strike() {
  rlimit low{32, 32};
  must(::setrlimit(RLIMIT_NOFILE, &low) == 0, "setrlimit");
  if (storm(secret(), 150) > 0) prey_taken("one of many got it");
  take(secret());
  held("in the storm");
}

void twin() {
  must(storm(work("ok.dat"), 100) == 100, "every process read the allowed file");
  twin_ok();
}

}  // namespace attack
