// attack: resource-flood
// class: lifecycle
// severity: medium
// time: 3000
// trap: Give the monitor more of everything than it may have room for: names of 4,095 bytes and no
//   two alike, walks of forty links, denied calls by the thousand, messages with 1,024 headers of
//   1,024 vectors each, two megabytes of arguments, hundreds of threads and unburied children. In
//   the midst, and when it is over, open $S/key.
// naive: Copies without bound, remembers every name, scans a table per event, writes a line per denial.
//   (Not shown by `--model naive`: its loop is callgate's own, and only its judgement is naive.)
// kernel: Each of these is within the limits of one ordinary user: PATH_MAX, MAXSYMLINKS,
//   UIO_MAXIOV, ARG_MAX (execve(2), sendmmsg(2), path_resolution(7)).
// sealed: Every copy has the kernel's own bound and lives as long as the call; reports are counted,
//   not repeated; what is too much is refused.
// source: sandlock#25; execve(2), "Limits on size of arguments and environment"
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: $S/
// report: denials in all
#include <thread>
#include <vector>

#include "tests/support/attack.h"

namespace attack {
namespace {

void flood_names(const std::string& below) {
  for (int i = 0; i < 400; ++i) {
    std::string name = below + "/" + std::to_string(i) + "/";
    while (name.size() < 4000) name += "no-such-directory/";
    ::close(::open(name.c_str(), O_RDONLY));
    name = below + "/" + std::to_string(i);
    for (int turn = 0; turn < 5; ++turn) ::close(::open(name.c_str(), O_WRONLY | O_CREAT, 0600));
  }
}

void flood_links() {
  std::string target;
  for (int i = 0; i < 2000; ++i) target += "./";
  ::symlink(target.c_str(), work("again").c_str());
  std::string path = work("");
  for (int i = 0; i < 40; ++i) path += "again/";
  for (int i = 0; i < 5; ++i) ::close(::open((path + "nothing").c_str(), O_RDONLY));
}

void flood_messages() {
  int pair[2];
  must(::socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0, "socketpair");
  static char byte = 'x';
  static iovec vectors[1024];
  static mmsghdr messages[1024];
  for (iovec& one : vectors) one = {&byte, 1};
  for (mmsghdr& one : messages) {
    one.msg_hdr.msg_iov = vectors;
    one.msg_hdr.msg_iovlen = 1024;
  }
  ::sendmmsg(pair[0], messages, 1024, MSG_DONTWAIT);
  char buffer[4096];
  must(::recv(pair[1], buffer, sizeof buffer, 0) == 1024, "the first of the messages");
  ::close(pair[0]);
  ::close(pair[1]);
}

void flood_arguments() {
  const std::string text(100'000, 'x');  // each below 128 KiB, together below 2 MiB
  std::vector<char*> argv(18, const_cast<char*>(text.c_str()));
  argv[0] = const_cast<char*>("true");
  argv.push_back(nullptr);
  char* envp[] = {nullptr};
  const pid_t child = spawn([&] { ::execve("/usr/bin/true", argv.data(), envp); });
  must(reap(child) == 0, "execve with large arguments");
}

void flood_tasks(const std::string& path) {
  std::vector<pid_t> unburied;
  for (int i = 0; i < 150; ++i) {
    unburied.push_back(spawn([&] {
      take(path);
      finish(kHeld);
    }));
  }
  std::vector<std::thread> threads;
  for (int i = 0; i < 100; ++i) {
    threads.emplace_back([&] {
      for (int turn = 0; turn < 10; ++turn) ::close(::open(path.c_str(), O_RDONLY));
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const pid_t pid : unburied) {
    if (reap(pid) == 0) prey_taken("one of many got it");
  }
}

void flood(const std::string& path, const std::string& below) {
  flood_names(below);
  flood_links();
  flood_messages();
  flood_arguments();
  flood_tasks(path);
}

}  // namespace

void strike() {
  if (way("in the midst")) flood(secret(), secret("sub"));
  if (way("when it is over")) take(secret());
  held("after the flood");
}

// An ordinary process gets all its work done meanwhile.
void twin() {
  int go[2];
  must(::pipe(go) == 0, "pipe");
  const pid_t worker = spawn([&] {
    char byte = 0;
    must(::read(go[0], &byte, 1) == 1, "the signal to begin");
    for (int i = 0; i < 200; ++i) must(reads(work("ok.dat"), kHarmless), "open");
  });
  must(::write(go[1], "x", 1) == 1, "go");
  must(::mkdir(work("below").c_str(), 0755) == 0, "mkdir");
  flood(work("nothing"), work("below"));
  must(reap(worker) == 0, "every call of the worker was served");
  must(reads(work("ok.dat"), kHarmless), "and so is this one");
  twin_ok();
}

}  // namespace attack
