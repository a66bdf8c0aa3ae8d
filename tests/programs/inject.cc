// inject KIND ACTION STRIDE OFFSET TREE -- CALLGATE ARGUMENT...: something happens in the middle of
// every step that callgate's monitor makes.
//
// The monitor is stopped at its own system calls (inject_step.h) while a victim (inject_victim.cc)
// makes calls of one KIND. At the OFFSET-th, the OFFSET+STRIDE-th ... of them, one each round, the
// ACTION is done; then the monitor goes on. What must hold whatever is done: no denied call is
// carried out, the monitor lives (or ends all, and says so), nothing hangs, nobody is left behind,
// and afterwards the same calls are answered as before.
//
//   kill      the victim dies of SIGKILL            rootkill  so does the sandbox's first process
//   stop      SIGSTOP; its parent continues it      exec      another thread of the victim execs
//   swap      every allowed name becomes a link     flip      every argument in memory is another
//   keeper    callgate's keepers die                front, monitor   so does this process of it
//   EMFILE, ENOMEM, EIO, ESRCH ...: the monitor's own call fails so
#include "tests/programs/inject.h"

#include <sys/prctl.h>
#include <sys/time.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <string>
#include <string_view>

#include "tests/programs/inject_step.h"
#include "tests/programs/inject_world.h"

namespace {

using namespace inject;

constexpr int kHangSeconds = 100;

const std::map<std::string_view, int> kFaults = {
    {"EMFILE", EMFILE}, {"ENOMEM", ENOMEM}, {"EIO", EIO},       {"ESRCH", ESRCH},
    {"EPERM", EPERM},   {"EAGAIN", EAGAIN}, {"ENOENT", ENOENT}, {"EFAULT", EFAULT}};

// Calls that have no way to fail, or whose failure means nothing.
bool can_fail(uint64_t number, int fault) {
  if (number == SYS_ptrace) return fault == ESRCH;
  static constexpr uint64_t kNever[] = {SYS_close,
                                        SYS_munmap,
                                        SYS_brk,
                                        SYS_exit_group,
                                        SYS_rt_sigreturn,
                                        SYS_getpid,
                                        SYS_gettid,
                                        SYS_getppid,
                                        SYS_getuid,
                                        SYS_geteuid,
                                        SYS_getgid,
                                        SYS_getegid,
                                        SYS_sched_yield,
                                        SYS_setfsuid,
                                        SYS_setfsgid,
                                        SYS_rt_sigaction,
                                        SYS_rt_sigprocmask,
                                        SYS_clock_gettime,
                                        SYS_restart_syscall,
                                        SYS_exit};
  return std::find(std::begin(kNever), std::end(kNever), number) == std::end(kNever);
}

class Sweep {
 public:
  Sweep(World& world, std::string_view kind, std::string_view action, uint64_t stride,
        uint64_t offset)
      : world_(world),
        shared_(world.shared),
        kind_(kind),
        action_(action),
        stride_(stride),
        target_(offset) {
    const auto fault = kFaults.find(action);
    if (fault != kFaults.end()) fault_ = fault->second;
    // What ends the run is done to one process, once; all else to one child after the other.
    by_run_ = action == "rootkill" || action == "front" || action == "monitor" || kind == "launch";
  }

  int run(const std::vector<std::string>& callgate) {
    while (!enough_ && failures_ < kMostFailures) one_run(callgate);
    std::string text;
    for (const auto& [what, count] : outcomes_) {
      text += ", " + std::to_string(count) + " " + what;
    }
    std::printf("%s %s: %llu of %llu steps in %d runs%s\n", kind_.c_str(), action_.c_str(),
                static_cast<unsigned long long>(injected_), static_cast<unsigned long long>(most_),
                runs_, text.c_str());
    if (injected_ == 0) fail("nothing was injected");
    return failures_ == 0 ? 0 : 1;
  }

 private:
  static constexpr int kMostFailures = 5;

  void one_run(const std::vector<std::string>& callgate) {
    ++runs_;
    world_.restore();
    for (auto* word :
         {&shared_->round, &shared_->phase, &shared_->enough, &shared_->go, &shared_->ready})
      *word = 0;
    for (auto* word : {&shared_->victim, &shared_->second, &shared_->status, &shared_->stops,
                       &shared_->broken, &shared_->breaches, &shared_->refusals}) {
      *word = 0;
    }
    round_ = 0;
    root_killed_ = false;
    begin_round();
    const std::string report = world_.at("report");
    const int fd = ::open(report.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) fatal(report);
    std::vector<char*> argv;
    std::vector<std::string> words = callgate;
    words.insert(words.end(),
                 {world_.at("t/victim"), kind_, world_.at(""), by_run_ ? "root" : "child"});
    if (action_ == "exec") words.emplace_back("thread");
    argv.reserve(words.size() + 1);
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);

    SteppedRun stepped;
    stepped_ = &stepped;
    stepped.on_call = [this](const SteppedRun::Call& call) { on_call(call); };
    stepped.on_quiet = [this] { return on_quiet(); };
    stepped.run(argv.data(), fd);
    ::close(fd);
    report_.clear();
    std::ifstream said(report);
    std::getline(said, report_, '\0');
    end_of_run();
  }

  // The monitor is about to make a call of its own.
  void on_call(const SteppedRun::Call& call) {
    ++progress_;
    if (!by_run_ && shared_->round.load() != round_) {
      if (round_ != 0) end_of_round();
      round_ = shared_->round.load();
      begin_round();
    }
    const bool counts =
        kind_ == "launch" ? shared_->round.load() == 0 : shared_->phase.load() == Operation;
    if (!counts) {
      if (fired_) world_.restore();
      return;
    }
    if (fault_ != 0 && !can_fail(call.number, fault_)) return;
    if (kind_ != "launch" && steps_ == 0 && tracer_of(shared_->victim) != stepped_->monitor) {
      fail("the process that is stepped does not trace the victim");
    }
    if (++steps_ != target_ || enough_) return;
    fired_ = true;
    ++injected_;
    call_ = call.number;
    fire();
  }

  void fire() {
    const pid_t victim = kind_ == "launch" ? program() : shared_->victim.load();
    victim_lived_ = victim > 0 && !is_dead(victim);
    if (fault_ != 0) return answer_call(stepped_->monitor, -fault_);
    if (action_ == "swap") return world_.swap();
    if (action_ == "flip") {
      std::memcpy(&shared_->now, &shared_->bad, sizeof shared_->now);
    } else if (action_ == "kill" || action_ == "rootkill") {
      if (victim <= 0) return;
      ::kill(victim, SIGKILL);
      await_death(victim);
    } else if (action_ == "stop") {
      if (victim > 0) ::kill(victim, SIGSTOP);
    } else if (action_ == "exec") {
      // Until it stands before the monitor, or has ended the thread whose call is handled.
      shared_->go = 1;
      futex(&shared_->go, FUTEX_WAKE, 1);
      const pid_t second = shared_->second.load();
      await("the execve of " + std::to_string(second),
            [&] { return state_of(second) == 't' || is_dead(victim); });
    } else if (action_ == "keeper") {
      for (const pid_t keeper : children_of(stepped_->monitor)) {
        ::kill(keeper, SIGKILL);
        await_death(keeper);
      }
    } else if (action_ == "front") {
      ::kill(stepped_->front, SIGKILL);
    } else if (action_ == "monitor") {
      ::kill(stepped_->monitor, SIGKILL);
    } else {
      fatal("no such action: " + action_);
    }
  }

  // The first process of the sandbox, which may not have started yet.
  [[nodiscard]] pid_t program() const {
    for (const pid_t child : children_of(stepped_->front)) {
      if (child != stepped_->monitor) return child;
    }
    return 0;
  }

  void begin_round() {
    since_ = std::chrono::steady_clock::now();
    steps_ = 0;
    fired_ = false;
    stops_ = shared_->stops.load();
    shared_->breaches = 0;
  }

  void end_of_round() {
    world_.restore();
    judge(shared_->status.load(), false);
    next();
  }

  void next() {
    most_ = std::max(most_, steps_);
    if (!fired_) {
      enough_ = true;
      shared_->enough = 1;
    }
    target_ += stride_;
  }

  void end_of_run() {
    world_.restore();
    if (stepped_->hung) {
      fail("it hung");
      failures_ = kMostFailures;
    }
    if (by_run_) {
      judge(stepped_->front_status, true);
      next();
    } else if (!enough_) {
      // Only a call of its own that fails may end it, and then it says so.
      const bool said = report_.find("callgate:") != std::string::npos;
      if (fault_ == 0 || !fired_) fail("the run ended");
      if (!said && !root_killed_) fail("the run ended without a word");
      if (const std::string damage = world_.damage(); !damage.empty()) fail(damage);
      ++outcomes_["runs ended"];
      next();
    } else if (stepped_->front_status != 0) {
      fail("the run's status is not 0");
    }
  }

  // What became of a round, by the wait status of its process.
  void judge(int status, bool whole_run) {
    if (const std::string damage = world_.damage(); !damage.empty()) fail(damage);
    if (!fired_) {
      if (status != 0) fail("it does not work without anything injected");
      return;
    }
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    const bool indirect = kind_ == "exec" || kind_ == "clone";  // the victim may be a grandchild
    const char* name = code == kRight ? "right" : code == kRefused ? "refused" : "killed";
    if (shared_->broken.exchange(0) != 0) fail("the parent's calls fail afterwards");
    if (action_ == "front") {
      if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) fail("the front lives");
    } else if (action_ == "monitor" || (fault_ != 0 && whole_run)) {
      // Refused so early, the program itself says so (kVoid).
      if (code != kRight && code != kRefused && report_.empty() && !stranded_) {
        fail("it ended without a word");
      }
      name = stranded_                            ? "stranded"
             : code == kRight || code == kRefused ? name
                                                  : "ended, saying so";
    } else if (action_ == "kill" || action_ == "rootkill") {
      constexpr int kNothingStarted = 125;
      const bool early = kind_ == "launch" && code == kNothingStarted && !report_.empty();
      if (early) name = "not started";
      const bool outlived = !victim_lived_ || indirect;
      if (!early && code != 128 + SIGKILL && !(outlived && (code == kRight || code == kRefused))) {
        fail("the victim's status is not that of SIGKILL");
      }
    } else if (action_ == "stop" || action_ == "exec") {
      if (code != kRight) fail("the victim's calls went wrong");
      if (action_ == "stop" && victim_lived_ && shared_->stops.load() == stops_) {
        // It may have been ending when the signal came: that is seldom.
        constexpr int kMostUnseen = 2;
        if (++unseen_stops_ > kMostUnseen) fail("the stop was not seen");
        name = "ended first";
      }
    } else if (stranded_) {
      name = "stranded";
      if (fault_ != ESRCH) fail("the victim was left stopped");
    } else if (code != kRight && code != kRefused) {
      fail("the victim's calls fail afterwards");
    }
    stranded_ = false;
    ++outcomes_[name];
  }

  void fail(const std::string& what) {
    ++failures_;
    std::printf(
        "FAIL %s %s at step %llu of %llu (before call %llu of the monitor): %s; victim's status "
        "%#x, run's %#x, last error %s; said:\n%s\n",
        kind_.c_str(), action_.c_str(), static_cast<unsigned long long>(target_),
        static_cast<unsigned long long>(steps_), static_cast<unsigned long long>(call_),
        what.c_str(), static_cast<unsigned>(shared_->status.load()),
        static_cast<unsigned>(stepped_ != nullptr ? stepped_->front_status : 0),
        std::strerror(shared_->last_error.load()), report_.c_str());
  }

  // True: it hangs. First, who was left stopped is looked for: all are asleep, and the monitor
  // waits for any of them, or (in a hold) asks for one over and over. That is so when a call of the
  // monitor was made to say that a tracee is gone which is not.
  bool on_quiet() {
    const auto now = std::chrono::steady_clock::now();
    const uint64_t where = uint64_t{shared_->round.load()} << 32 | shared_->phase.load();
    if (where != where_) since_ = now;
    where_ = where;
    const bool silent = progress_ == seen_ && stepped_->waiting;
    seen_ = progress_;
    const bool polls = fault_ == ESRCH && now - since_ > std::chrono::seconds(5);
    if (fired_ && fault_ != 0 && stepped_->monitor != 0 && (silent || polls) && all_asleep(polls) &&
        kill_stranded()) {
      stranded_ = true;
      return false;
    }
    if (now - since_ < std::chrono::seconds(kHangSeconds)) return false;
    std::printf("HANG: the front is %d, the monitor %d, the victim %d, its phase %u\n%s",
                stepped_->front, stepped_->monitor, shared_->victim.load(), shared_->phase.load(),
                everybody().c_str());
    return true;
  }

  // D is the sleep of vfork, too, but otherwise short.
  static bool all_asleep(bool for_long) {
    const auto all = descendants_of(::getpid());
    return std::none_of(all.begin(), all.end(), [&](pid_t pid) {
      const char state = state_of(pid);
      return state == 'R' || (state == 'D' && !for_long);
    });
  }

  // Kills whoever of the sandbox is in a ptrace stop; its first process, whose end is that of the
  // run, only when it is the last.
  bool kill_stranded() {
    const pid_t root = program();
    bool any = false;
    for (const pid_t pid : descendants_of(::getpid(), stepped_->monitor)) {
      if (pid == stepped_->front || pid == stepped_->monitor || pid == root) continue;
      if (state_of(pid) == 't') any = ::kill(pid, SIGKILL) == 0 || any;
    }
    if (any || root == 0 || state_of(root) != 't') return any;
    root_killed_ = ::kill(root, SIGKILL) == 0;
    return root_killed_;
  }

  World& world_;
  Shared* shared_;
  std::string kind_;
  std::string action_;
  int fault_ = 0;
  bool by_run_ = false;
  uint64_t stride_;
  uint64_t target_;  // the step of this round at which it happens
  SteppedRun* stepped_ = nullptr;
  uint32_t round_ = 0;
  uint64_t steps_ = 0;
  bool fired_ = false;
  bool victim_lived_ = false;
  bool stranded_ = false;
  bool root_killed_ = false;  // by us, since it was stranded
  bool enough_ = false;
  int32_t stops_ = 0;
  int unseen_stops_ = 0;
  uint64_t call_ = 0;
  uint64_t injected_ = 0;
  uint64_t most_ = 0;
  uint64_t progress_ = 0;
  uint64_t seen_ = 0;
  uint64_t where_ = 0;
  std::chrono::steady_clock::time_point since_ = std::chrono::steady_clock::now();
  int runs_ = 0;
  int failures_ = 0;
  std::map<std::string, uint64_t> outcomes_;
  std::string report_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 8 || std::string_view(argv[6]) != "--") return 64;
  ::setvbuf(stdout, nullptr, _IOLBF, 0);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);  // the end of a run is the end of everybody in it
  struct sigaction action {};
  action.sa_handler = [](int) { ticks = ticks + 1; };
  ::sigaction(SIGALRM, &action, nullptr);
  itimerval timer{{0, 50'000}, {0, 50'000}};
  ::setitimer(ITIMER_REAL, &timer, nullptr);
  World world(argv[5]);
  std::vector<std::string> callgate(argv + 7, argv + argc);
  callgate.insert(callgate.end(), {"run", "--policy", world.at("policy"), "--"});
  Sweep sweep(world, argv[1], argv[2], std::strtoull(argv[3], nullptr, 10),
              std::strtoull(argv[4], nullptr, 10));
  return sweep.run(callgate);
}
