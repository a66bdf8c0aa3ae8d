// names_fuzz: random trees of files, directories and symlinks with odd names, and random calls of
// every kind that takes a path, with every flag. What each call answered is printed, and what it
// left behind; all of it depends on the seed alone.
//
//   names_fuzz SEED CALLS BOX                 plants, calls and lists: two runs must print the same
//                                             bytes, watched or not
//   names_fuzz policy SEED CALLS BOX          prints a random policy for this seed's trees
//   names_fuzz plant SEED CALLS BOX           plants all trees, to be called upon under the policy
//   names_fuzz calls SEED CALLS BOX [predict POLICY LOG root|user]
//                                             makes the calls. With `predict` those that a monitor
//                                             would refuse are not made but answered as it would
//                                             (oracle.h): the log equals LOG, the watched run's
//   names_fuzz list SEED CALLS BOX            lists what is left
//
// With NAMES_FUZZ_USER=N it first becomes that user, as a program does that drops its rights.
// What would change anything outside BOX is not called: it is turned into a look-up. Left out,
// because callgate refuses them on purpose: device nodes, RENAME_WHITEOUT, and executing what the
// user may not read.
#include <fcntl.h>
#include <grp.h>
#include <sys/auxv.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/programs/names_fuzz/call.h"
#include "tests/programs/names_fuzz/calls.h"
#include "tests/programs/names_fuzz/narrow.h"
#include "tests/programs/names_fuzz/oracle.h"
#include "tests/programs/names_fuzz/paths.h"
#include "tests/programs/names_fuzz/rules.h"
#include "tests/programs/names_fuzz/text.h"
#include "tests/programs/names_fuzz/trees.h"

namespace names_fuzz {
namespace {

int tell_arguments(int argc, char** argv) {
  std::string all;
  for (int i = 0; i < argc; ++i) all += std::string(argv[i]) + "|";
  all += reinterpret_cast<const char*>(getauxval(AT_EXECFN));
  return static_cast<int>(hash(all) % 200);
}

void one_call(int number, int watches) {
  say("#" + std::to_string(number) + " ");
  oracle_at_call(number);
  const int kind = generator.below(100);
  if (kind < 22)
    call_open();
  else if (kind < 34)
    call_create();
  else if (kind < 41)
    call_remove();
  else if (kind < 54)
    call_two();
  else if (kind < 67)
    call_attributes();
  else if (kind < 71)
    call_descriptor();
  else if (kind < 76)
    call_directory();
  else if (kind < 78)
    call_watch(watches);
  else if (kind < 81)
    call_tmpfile();
  else if (kind < 85)
    call_execute();
  else if (kind < 87)
    call_socket();
  else
    look(target(0, generator.percent(60)));
  end_line();
}

void stand_in_tree() {
  call(SYS_chmod, at(tree.c_str()), 0755);
  call(SYS_chdir, at(tree.c_str()));
}

void call_in_tree(int first, int count) {
  umask(0);
  stand_in_tree();
  const int watches = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  for (const int flags : {O_RDONLY, O_PATH, O_PATH | O_NOFOLLOW}) {
    for (const char* name : {".", "a", "b"}) {
      const bool wanted = generator.percent(60);
      const long fd =
          call(SYS_open, at(name), static_cast<uint64_t>(flags | O_NONBLOCK | O_CLOEXEC));
      if (fd < 0) say(std::string(name) + " " + strerrorname_np(errno) + ", ");
      if (fd >= 0 && wanted)
        keep(static_cast<int>(fd));
      else if (fd >= 0)
        close(static_cast<int>(fd));
    }
  }
  say("on the way in");
  end_line();
  static const mode_t masks[] = {022, 0, 077, 0777};
  umask(generator.of(masks));
  for (int i = 0; i < count; ++i) {
    if (i % 20 == 19) stand_in_tree();
    one_call(first + i, watches);
  }
  for (const int fd : kept) close(fd);
  kept.clear();
  close(watches);
}

std::string contents(const char* path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

bool predict(char** words) {
  OracleOptions options;
  options.policy = contents(words[0]);
  options.watched_log = contents(words[1]);
  options.root_monitor = std::string(words[2]) == "root";
  return consult_oracle(options);
}

// Executed anew, as the change leaves a process that nobody may look into.
bool drop_rights(const char* user, char** argv) {
  const auto id = static_cast<uid_t>(atoi(user));
  unsetenv("NAMES_FUZZ_USER");
  return setgroups(0, nullptr) == 0 && setresgid(id, id, id) == 0 && setresuid(id, id, id) == 0 &&
         execv(argv[0], argv) == 0;
}

int run(int argc, char** argv) {
  const char* user = getenv("NAMES_FUZZ_USER");
  if (user != nullptr && !drop_rights(user, argv)) return 3;
  const bool whole = argc == 4;
  const std::string part = whole ? "" : argv[1];
  char** words = argv + (whole ? 1 : 2);
  const std::string seed = words[0];
  const int calls = atoi(words[1]);
  box = words[2];
  const int trees = (calls + kCallsInOneTree - 1) / kCallsInOneTree;
  map_names();
  if (!has_narrow_entry()) fprintf(stderr, "names_fuzz: this kernel has no 32-bit entry\n");
  if (part == "policy") {
    generator.state = hash(seed + "/policy");
    const std::string text = Rules::random_text(box, std::string(argv[0]), trees);
    fputs(text.c_str(), stdout);
    return 0;
  }
  if (argc == 9 && !predict(argv + 6)) return 2;
  for (int world = 0; world < trees; ++world) {
    if ((whole || part == "plant") && !plant_tree(seed, world)) return 2;
    if (!whole && part != "calls") continue;
    choose_tree(seed, world, "calls");
    const int first = world * kCallsInOneTree;
    call_in_tree(first, std::min(kCallsInOneTree, calls - first));
  }
  if (whole || part == "list") {
    static_cast<void>(!chdir("/"));
    list_box();
  }
  if (whole || part == "calls") {
    say("names_fuzz: " + std::to_string(calls) + " calls done");
    end_line();
  }
  if (argc == 9) fprintf(stderr, "%s\n", oracle_summary().c_str());
  return 0;
}

}  // namespace
}  // namespace names_fuzz

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (argv[i] == std::string(names_fuzz::kExecuted))
      return names_fuzz::tell_arguments(argc, argv);
  }
  if (argc != 4 && argc != 5 && argc != 9) {
    fprintf(stderr, "usage: names_fuzz [policy|plant|calls|list] SEED CALLS BOX ...\n");
    return 2;
  }
  return names_fuzz::run(argc, argv);
}
