#include "monitor/bench_hold.h"

#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

namespace callgate {
namespace {

constexpr size_t kStack = size_t{64} * 1024;

void* sleep_for_ever(void* /*unused*/) {
  for (;;) pause();
}

}  // namespace

Status hold_tasks(int processes, int threads) {
  std::vector<pid_t> children;
  int error = 0;
  for (int i = 1; i < processes && error == 0; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      sleep_for_ever(nullptr);
    }
    if (child < 0) error = errno;
    if (child > 0) children.push_back(child);
  }
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStack);
  for (int i = 0; i < threads && error == 0; ++i) {
    pthread_t thread{};
    error = pthread_create(&thread, &attributes, sleep_for_ever, nullptr);
  }
  char byte = 0;
  if (error == 0 && ::write(STDOUT_FILENO, "there\n", 6) == 6) {
    while (::read(STDIN_FILENO, &byte, 1) > 0) continue;
  }
  for (const pid_t child : children) ::kill(child, SIGKILL);
  for (const pid_t child : children) waitpid(child, nullptr, 0);
  if (error != 0) return Error{error};
  return Unit{};
}

}  // namespace callgate
