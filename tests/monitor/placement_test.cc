#include "monitor/placement.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <optional>

namespace callgate {
namespace {

cpu_set_t mask_of(pid_t tid) {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  sched_getaffinity(tid, sizeof mask, &mask);
  return mask;
}

bool equal(const cpu_set_t& a, const cpu_set_t& b) { return CPU_EQUAL(&a, &b) != 0; }

// A child that sleeps, or never does; killed at the end.
class Sleeper {
 public:
  explicit Sleeper(bool wakes = false) : pid_(::fork()) {
    if (pid_ == 0) {
      for (;;) {
        if (!wakes) ::pause();
      }
    }
  }
  ~Sleeper() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

// A placement pins the thread that makes it and arms a timer: each test runs in a child, whose
// status is the number of the line that was wrong.
void in_child(const std::function<int()>& body) {
  const cpu_set_t mine = mask_of(0);
  if (CPU_COUNT(&mine) < 2) {
    GTEST_SKIP() << "one CPU: there is nowhere else to be";
  }
  const pid_t child = ::fork();
  if (child == 0) _exit(body() == 0 ? 0 : 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
}

int wrong(int line) {
  dprintf(2, "placement_test.cc:%d: not so\n", line);
  return 1;
}
#define HOLDS(condition) \
  if (!(condition)) return wrong(__LINE__)

// Long enough that a task which made no call counts as computing.
void let_it_compute(Placement& placement) {
  sigset_t alarm;
  sigemptyset(&alarm);
  sigaddset(&alarm, SIGALRM);
  sigprocmask(SIG_BLOCK, &alarm, nullptr);
  for (int i = 0; i < 3; ++i) {
    timespec patience{1, 0};
    sigtimedwait(&alarm, nullptr, &patience);
    placement.tick();
  }
  sigprocmask(SIG_UNBLOCK, &alarm, nullptr);
}

TEST(Placement, ATaskThatCallsComesToTheMonitorsCpu) {
  in_child([] {
    Sleeper task;
    Placement placement(true);
    placement.on_call(task.pid());
    const cpu_set_t here = mask_of(0);
    HOLDS(CPU_COUNT(&here) == 1);
    HOLDS(equal(mask_of(task.pid()), here));
    return 0;
  });
}

TEST(Placement, ATaskThatComputesGetsItsOwnMaskBack) {
  in_child([] {
    Sleeper task;
    const cpu_set_t own = mask_of(task.pid());
    Placement placement(true);
    placement.on_call(task.pid());
    HOLDS(!equal(mask_of(task.pid()), own));
    let_it_compute(placement);
    HOLDS(equal(mask_of(task.pid()), own));
    return 0;
  });
}

TEST(Placement, DisabledItTouchesNobody) {
  in_child([] {
    Sleeper task;
    const cpu_set_t own = mask_of(task.pid());
    const cpu_set_t here = mask_of(0);
    Placement placement(false);
    placement.on_call(task.pid());
    placement.tick();
    HOLDS(equal(mask_of(task.pid()), own));
    HOLDS(equal(mask_of(0), here));
    return 0;
  });
}

TEST(Placement, AProgramThatIsAboutToReadItsMaskReadsItsOwn) {
  in_child([] {
    Sleeper task;
    const cpu_set_t own = mask_of(task.pid());
    Placement placement(true);
    placement.on_call(task.pid());
    placement.on_own_affinity(task.pid(), false);
    HOLDS(equal(mask_of(task.pid()), own));
    placement.on_call(task.pid());  // reading it is no reason to stay away
    HOLDS(equal(mask_of(task.pid()), mask_of(0)));
    return 0;
  });
}

TEST(Placement, AMaskThatTheProgramSetsIsLeftAloneForGood) {
  in_child([] {
    Sleeper task;
    const cpu_set_t own = mask_of(task.pid());
    Placement placement(true);
    placement.on_call(task.pid());
    placement.on_own_affinity(task.pid(), true);
    for (int i = 0; i < 3; ++i) placement.on_call(task.pid());
    HOLDS(equal(mask_of(task.pid()), own));
    return 0;
  });
}

TEST(Placement, ATaskThatMayNotRunOnTheMonitorsCpuStaysWhereItIs) {
  in_child([] {
    Sleeper task;
    Placement placement(true);
    const cpu_set_t here = mask_of(0);
    cpu_set_t elsewhere = mask_of(task.pid());
    for (size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &here)) CPU_CLR(cpu, &elsewhere);
    }
    HOLDS(sched_setaffinity(task.pid(), sizeof elsewhere, &elsewhere) == 0);
    placement.on_call(task.pid());
    HOLDS(equal(mask_of(task.pid()), elsewhere));
    return 0;
  });
}

TEST(Placement, AChildTakesItsParentsPlaceAndIsGivenTheOriginalMaskOnceItComputes) {
  in_child([] {
    Sleeper parent;
    const cpu_set_t own = mask_of(parent.pid());
    Placement placement(true);
    placement.on_call(parent.pid());
    Sleeper child;
    const cpu_set_t here = mask_of(0);
    sched_setaffinity(child.pid(), sizeof here, &here);  // as fork copies it from the parent
    placement.on_child(parent.pid(), child.pid());
    HOLDS(equal(mask_of(child.pid()), here));
    let_it_compute(placement);
    HOLDS(equal(mask_of(child.pid()), own));
    HOLDS(equal(mask_of(parent.pid()), own));
    return 0;
  });
}

TEST(Placement, TasksThatCallInTurnsAreLeftAloneUntilOneIsLeft) {
  in_child([] {
    Sleeper one(true);
    std::optional<Sleeper> other(true);
    const cpu_set_t own = mask_of(one.pid());
    Placement placement(true);
    constexpr useconds_t kGap = 100;  // closer calls would share the place
    bool alone = false;
    for (int i = 0; i < 10'000 && !alone; ++i) {
      for (const pid_t tid : {one.pid(), other->pid()}) {
        ::usleep(kGap);
        placement.on_call(tid);
      }
      alone = i > 0 && equal(mask_of(one.pid()), own) && equal(mask_of(other->pid()), own);
    }
    HOLDS(alone);
    placement.forget(other->pid());
    other.reset();
    bool here = false;
    for (int i = 0; i < 10'000 && !here; ++i) {
      ::usleep(kGap);
      placement.on_call(one.pid());
      here = equal(mask_of(one.pid()), mask_of(0));
    }
    HOLDS(here);
    return 0;
  });
}

TEST(Placement, ATaskThatIsGoneIsForgotten) {
  in_child([] {
    Placement placement(true);
    pid_t gone = 0;
    {
      Sleeper task;
      gone = task.pid();
      placement.on_call(gone);
    }
    placement.on_call(gone);
    placement.forget(gone);
    Sleeper other;
    placement.on_call(other.pid());
    HOLDS(equal(mask_of(other.pid()), mask_of(0)));
    let_it_compute(placement);
    return 0;
  });
}

}  // namespace
}  // namespace callgate
