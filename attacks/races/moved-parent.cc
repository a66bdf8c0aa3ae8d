// attack: moved-parent
// class: races
// severity: high
// models: naive
// trap: in/d/f may become in/e/f; before the kernel makes that move, in/d itself is moved to x/d, where
//   nothing may be read, and a secret of x is put in the file's place: it is what arrives at in/e/f.
//   The mover asks by a descriptor of in/d, and is the least urgent process of a busy CPU; in x names
//   may be made and moved.
// naive: Remembers the names that it judged, or pins the directories, and takes either for the
//   names that the kernel will see.
// kernel: A descriptor of a directory goes where the directory goes (open(2), O_PATH); a stopped
//   task runs again when the scheduler likes, SCHED_IDLE last (sched(7)).
// sealed: A move that could change what is granted, like that of in/d, is made while all others are
//   held, and begins when those that were under way have been made.
// source: found while asking what a pinned directory rests on
// time: 6000
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   path deny read $T/x/**
//   network deny all
// report: none
#include <atomic>
#include <vector>

#include "tests/support/attack.h"

namespace attack {
namespace {

constexpr std::string_view kSecret = "what lies below x\n";

struct Signals {
  std::atomic<bool> busy;     // the CPU of the mover is taken
  std::atomic<bool> calling;  // the mover is about to
};

// The first CPU of those that are ours, and the last, which may be the same.
void run_on(bool first) {
  cpu_set_t all;
  must(::sched_getaffinity(0, sizeof all, &all) == 0, "sched_getaffinity");
  std::vector<int> ours;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &all)) ours.push_back(cpu);
  }
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(first ? ours.front() : ours.back(), &one);
  must(::sched_setaffinity(0, sizeof one, &one) == 0, "sched_setaffinity");
}

bool linger(std::chrono::microseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {
  }
  return true;
}

// in/d/f becomes in/e/f by rename or by link, by a descriptor of in/d that is opened before.
class Mover {
 public:
  explicit Mover(Signals* signals) {
    must(::pipe2(ask_, O_CLOEXEC) == 0 && ::pipe2(answer_, O_CLOEXEC) == 0, "pipe");
    pid_ = spawn([&] { serve(signals); });
    must(pid_ > 0, "fork");
  }
  Mover(const Mover&) = delete;
  Mover& operator=(const Mover&) = delete;
  ~Mover() {
    ::kill(pid_, SIGKILL);
    reap(pid_);
  }

  void ask(char how) const { must(::write(ask_[1], &how, 1) == 1, "ask"); }
  [[nodiscard]] bool answer() const {
    char done = 0;
    must(::read(answer_[0], &done, 1) == 1, "answer");
    return done == 1;
  }

 private:
  void serve(Signals* signals) const {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    run_on(true);
    sched_param none{};
    must(::sched_setscheduler(0, SCHED_IDLE, &none) == 0, "SCHED_IDLE");
    const std::string to = work("in/e/f");
    for (char how = 0; ::read(ask_[0], &how, 1) == 1;) {
      const int from = ::open(work("in/d").c_str(), O_PATH | O_DIRECTORY);
      signals->calling = true;
      const int result = how == 'l' ? ::linkat(from, "f", AT_FDCWD, to.c_str(), 0)
                                    : ::renameat(from, "f", AT_FDCWD, to.c_str());
      const char done = result == 0 ? 1 : 0;
      ::close(from);
      must(::write(answer_[1], &done, 1) == 1, "answer");
    }
  }

  int ask_[2];
  int answer_[2];
  pid_t pid_ = -1;
};

// One try: how the mover fared. `x` is the directory to which the parent is moved, and where S is.
bool try_once(const Mover& mover, Signals* signals, const std::string& x, std::string_view text,
              int number) {
  const std::string parent = work("in/d");
  const std::string moved = x + "/d";
  const std::string secret = x + "/S";
  const std::string arrived = work("in/e/f");
  must(::mkdir(parent.c_str(), 0755) == 0, "mkdir");
  spill(parent + "/f", kHarmless);
  signals->calling = false;
  signals->busy = true;
  mover.ask(number % 2 == 0 ? 'r' : 'l');
  while (!signals->calling) ::sched_yield();
  linger(std::chrono::microseconds(50 + number % 20 * 50));
  must(::rename(parent.c_str(), moved.c_str()) == 0, "move the parent");
  must(::rename(secret.c_str(), (moved + "/f").c_str()) == 0, "put the secret there");
  signals->busy = false;
  const bool done = mover.answer();
  const int file = ::open(arrived.c_str(), O_RDONLY);
  if (file >= 0 && read_all(file) != kHarmless) take(arrived);
  ::close(file);
  ::unlink(arrived.c_str());
  if (::rename((moved + "/f").c_str(), secret.c_str()) != 0) spill(secret, text);
  must(::rmdir(moved.c_str()) == 0, "rmdir");
  return done;
}

// How many of the tries moved the harmless file.
int race(const std::string& x, std::string_view text) {
  for (const std::string& each : {work("in"), work("in/e"), x}) {
    must(::mkdir(each.c_str(), 0755) == 0, each);
  }
  spill(x + "/S", text);
  take(x + "/S");
  auto* const signals = static_cast<Signals*>(
      ::mmap(nullptr, sizeof(Signals), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  must(signals != MAP_FAILED, "mmap");
  const Mover mover(signals);
  const Rival hog([&] {
    run_on(true);
    while (signals->busy) {
    }
    ::usleep(100);
  });
  run_on(false);
  int moved = 0;
  int tries = 0;
  for (const Stopwatch watch; watch.running() || (moved == 0 && tries < 100); ++tries) {
    if (try_once(mover, signals, x, text, tries)) ++moved;
  }
  std::printf("moved %d of %d\n", moved, tries);
  return moved;
}

}  // namespace

void strike() {
  must(race(work("x"), kSecret) > 0, "no file was moved: the race was never run");
  errno = 0;
  held("only the harmless file was moved");
}

void twin() {
  must(race(work("y"), "") > 0, "a file was moved");
  twin_ok();
}

}  // namespace attack
