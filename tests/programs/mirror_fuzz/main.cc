// mirror_fuzz SEED OPS [free]: random descriptor, sharing and birth operations over a dozen tasks,
// so that a monitor's picture of who shares what can be compared with the kernel's at every stop.
// It prints how many of each kind were tried and succeeded.
//
// One task at a time has the turn, so that a seed replays; with `free` they all run at once.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/programs/mirror_fuzz/state.h"

using namespace mirror_fuzz;  // NOLINT: a program of its own

namespace {

bool has_i386_entry() {
  constexpr int kGetpid = 20;
  const pid_t child = fork();
  if (child == 0) _exit(enter_i386(kGetpid) == getpid() ? 0 : 1);
  int status = -1;
  return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && strcmp(argv[1], "task") == 0) {  // after an exec of itself
    if (!map_state(argv[3])) _exit(3);
    const int self = atoi(argv[2]);
    // The group is one task now, with the leader's number, and who slept in vfork for it is awake.
    forget_group(getpid(), self);
    release_parent(self);
    shared->slots[self].releases = -1;
    begin(self);
  }
  if (argc < 3) {
    fprintf(stderr, "usage: mirror_fuzz SEED OPS [free]\n");
    return 2;
  }
  if (getcwd(directory, sizeof directory) == nullptr) return 2;
  const std::string path = std::string(directory) + "/state";
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0 || ftruncate(fd, sizeof(Shared)) != 0) return 2;
  close(fd);
  if (!map_state(path.c_str())) return 2;
  const rlimit few{kDescriptors, kDescriptors};
  setrlimit(RLIMIT_NOFILE, &few);
  shared->random = strtoull(argv[1], nullptr, 10) * 7919 + 1;
  shared->ops = atoi(argv[2]);
  shared->free_running = argc > 3 && strcmp(argv[3], "free") == 0 ? 1 : 0;
  shared->root = getpid();
  shared->has_i386 = has_i386_entry() ? 1 : 0;
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  for (Slot& slot : shared->slots) slot.releases = -1;
  const int self = take_slot();
  shared->turn.store(self);
  begin(self);
}
