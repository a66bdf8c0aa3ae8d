// attack: head-of-line-starvation
// class: lifecycle
// severity: medium
// trap: One process keeps the monitor busy: an open of a FIFO that nobody writes to, a walk through
//   forty links of a thousand steps each, calls without end. Another one waits. The program
//   builds a monitor that opens on its clients' behalf, and has one client stop it for all; where
//   it may not build one, it does the same to whoever judges it, and counts what the other process
//   gets done.
// naive: Handles one call after the other, to the end, whatever it waits for. (Not shown by `--model
//   naive`, which handles events as callgate does; the program builds the one that falls.)
// kernel: open of a FIFO sleeps until there is a peer (fifo(7)); a notification waits until
//   somebody receives it (seccomp_unotify(2), "Caveats regarding blocking system calls").
// sealed: The monitor never waits for anything but events: what blocks, blocks in the program's own
//   call. Walks are bounded as the kernel's are.
// source: seccomp_unotify(2); sandlock#249
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: $S/key
#include <atomic>
#include <thread>
#include <vector>
#include "tests/support/pass_descriptor.h"
#include "tests/support/user_notify.h"

namespace attack {
namespace {

constexpr int kFlooders = 8;
constexpr int kCalls = 40;

// A client whose openat calls wait at the listener that it sends; it tells whether it got its file.
pid_t start_client(int channel, const std::string& path) {
  return spawn([&] {
    const int listener = listen_to(SYS_openat);
    if (listener < 0) ::send(channel, "", 1, 0);  // a message without a descriptor
    if (listener < 0 || !send_descriptor(channel, listener)) finish(kHeld);
    ::close(listener);
    const long fd = ::syscall(SYS_openat, AT_FDCWD, path.c_str(), O_RDONLY);
    finish(fd >= 0 ? 0 : kHeld);
  });
}

// The client's listener; -1 where it may have none.
int receive_or_end(int channel, pid_t client) {
  const int listener = receive_descriptor(channel);
  if (listener < 0) reap(client);
  return listener;
}

// The monitor in miniature, one loop for both clients. Nothing but the attacker ends the first
// client's open; once it has begun, the second client's call lies there unreceived for as long as
// that pleases.
bool own_monitor_starves() {
  int pair[2];
  must(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
  const pid_t blocker = start_client(pair[1], work("fifo"));
  const int first = receive_or_end(pair[0], blocker);
  const pid_t victim = start_client(pair[1], work("ok.dat"));
  const int second = receive_or_end(pair[0], victim);
  if (first < 0 || second < 0) return false;
  for (const int listener : {first, second}) {
    pollfd waiting{listener, POLLIN, 0};
    must(::poll(&waiting, 1, -1) == 1, "both clients call");
  }
  std::atomic<bool> busy{false};
  std::thread monitor([&] {
    for (const int listener : {first, second}) {
      const Notification call(listener);
      const std::string name = call.text(1);
      busy = true;
      const int fd = ::open(name.c_str(), O_RDONLY);
      call.answer(fd < 0 ? -errno : call.install(fd));
    }
  });
  while (!busy) ::usleep(1000);
  pollfd waiting{second, POLLIN, 0};
  const bool starves = ::poll(&waiting, 1, 0) == 1;
  ::close(::open(work("fifo").c_str(), O_WRONLY));
  monitor.join();
  must(reap(blocker) == 0 && reap(victim) == 0, "the clients, in the end");
  return starves;
}

// Forty links, each a long way back to where it stands: a walk of 64,000 steps.
void make_long_way() {
  std::string target;
  for (int i = 0; i < 800; ++i) target += "d/../";
  must(::mkdir(work("d").c_str(), 0755) == 0, "mkdir");
  must(::symlink(target.c_str(), work("again").c_str()) == 0, "symlink");
}
std::string long_way(int links) {
  std::string path = work("");
  for (int i = 0; i < links; ++i) path += "again/";
  return path + "ok.dat";
}

// What the other process does meanwhile.
void work_on(int go) {
  char byte = 0;
  must(::read(go, &byte, 1) == 1, "the signal to begin");
  for (int i = 0; i < kCalls; ++i) {
    must(reads(work("ok.dat"), kHarmless), "open");
    must(::mkdir(work("dir").c_str(), 0755) == 0 && ::rmdir(work("dir").c_str()) == 0, "mkdir");
  }
  const pid_t child = spawn([] { ::execl("/usr/bin/true", "true", nullptr); });
  must(reap(child) == 0, "exec");
}

// The worker is the oldest, and so the last that a careless loop would look at.
void work_beside(const std::string& flood) {
  int go[2];
  must(::pipe(go) == 0, "pipe");
  const pid_t worker = spawn([&] { work_on(go[0]); });
  const pid_t blocked = spawn([] { ::close(::open(work("fifo").c_str(), O_RDONLY)); });
  {
    const std::string far = long_way(36);
    const Rival walker([&] { ::close(::open(far.c_str(), O_RDONLY)); });
    const auto turn = [&] { ::close(::open(flood.c_str(), O_RDONLY)); };
    std::vector<std::unique_ptr<Rival>> flooders;
    for (int i = 0; i < kFlooders; ++i) flooders.push_back(std::make_unique<Rival>(turn));
    must(::write(go[1], "x", 1) == 1, "go");
    must(reap(worker) == 0, "every call of the other process was served");
  }
  ::kill(blocked, SIGKILL);
  reap(blocked);
}

}  // namespace

void strike() {
  must(::mkfifo(work("fifo").c_str(), 0600) == 0, "mkfifo");
  if (own_monitor_starves()) prey_taken("one client holds the others up");
  make_long_way();
  work_beside(secret());
  errno = 0;
  held("the other process got everything done");
}

void twin() {
  must(::mkfifo(work("fifo").c_str(), 0600) == 0, "mkfifo");
  make_long_way();
  must(reads(long_way(40), kHarmless), "a walk of forty links ends");
  must(::open(long_way(41).c_str(), O_RDONLY) == -1 && errno == ELOOP, "and one of more does not");
  work_beside(work("ok.dat"));
  twin_ok();
}

}  // namespace attack
