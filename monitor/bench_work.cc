#include "monitor/bench_work.h"

#include <cstdio>

namespace callgate {
namespace {

using Kind = Target::Kind;

const std::vector<Contestant> kAll(kContestants.begin(), kContestants.end());
// Where the policy is not one of plain trees.
const std::vector<Contestant> kAllJudging = [] {
  std::vector<Contestant> all = kAll;
  std::erase(all, Contestant::Landlock);
  return all;
}();
const std::vector<Contestant> kOurs = {Contestant::Bare, Contestant::Sealed};
constexpr double kNoise = 1.1;  // what "does not grow" leaves to chance

BenchWork loop(std::string_view name, const char* what, LoopRequest request,
               std::vector<Target> targets = {}) {
  return {name, BenchGroup::Micro, what, "us", LoopWork{std::move(request)}, BenchPolicy::Usual,
          kAll, std::move(targets)};
}

std::vector<BenchWork> micro() {
  const Target unseen{Kind::OverBare, 1.05};
  const Target as_open{Kind::OverWork, kNoise, Contestant::Bare, "open"};
  std::vector<BenchWork> works = {
      loop("open", "open and close of an absolute name", {.name = "open"},
           {{Kind::OverNull, 2.6},
            {Kind::PeerAdds, 6, Contestant::Strace},
            {Kind::PeerAdds, 10, Contestant::Proot}}),
      loop("relative", "open and close of a relative name", {.name = "relative"}),
      loop("symlink", "open and close through a symbolic link", {.name = "symlink"}),
      loop("missing", "open of a name that does not exist", {.name = "missing"}),
      loop("chmod", "chmod of an absolute name", {.name = "chmod"}),
      loop("stat-judged", "stat, under a policy with a rule on stat", {.name = "stat"}),
      loop("open-10000-rules", "open and close under a policy of 10,000 more rules",
           {.name = "open"}, {as_open}),
      loop("open-1000-descriptors", "open and close with 1,000 descriptors open",
           {.name = "open", .descriptors = 1000}, {as_open}),
      loop("stat", "stat, of which no rule speaks", {.name = "stat"}, {unseen}),
      loop("read", "read of one byte", {.name = "read"}, {unseen}),
      loop("write", "write of one byte", {.name = "write"}, {unseen}),
      loop("getpid", "getpid", {.name = "getpid"}, {unseen}),
      loop("futex", "futex", {.name = "futex"}, {unseen}),
  };
  for (BenchWork& work : works) {
    if (work.name == "stat-judged") work.policy = BenchPolicy::Stat;
    if (work.name == "open-10000-rules") work.policy = BenchPolicy::Many;
    if (work.policy != BenchPolicy::Usual) work.contestants = kAllJudging;
  }
  return works;
}

// One redirected open, request by request: null monitors that do ever more of a monitor's work. The
// rows behind callgate's own are what a call costs more that cannot come back without a stop.
std::vector<BenchWork> steps() {
  struct Row {
    std::string_view name;
    std::string_view base;
    const char* what;
    const char* loop;
    Contestant who;
    NullStep step = NullStep::Continue;
  };
  using enum NullStep;
  constexpr Contestant kNull = Contestant::Null;
  constexpr Row kRows[] = {
      {"step-bare", "", "open and close, bare", "open", Contestant::Bare},
      {"step-continue", "step-bare", "a seccomp stop, waitpid, PTRACE_CONT", "open", kNull,
       Continue},
      {"step-fetch", "step-continue", "PTRACE_GETREGS", "open", kNull, Fetch},
      {"step-name", "step-fetch", "the name is read (process_vm_readv)", "open", kNull, Name},
      {"step-store", "step-name", "PTRACE_SETREGS", "open", kNull, Store},
      {"step-openat2", "step-bare", "openat2 without links in place of open", "openat2",
       Contestant::Bare},
      {"step-sealed", "", "callgate: what is left is its own computing", "open",
       Contestant::Sealed},
      {"step-exit-stop", "step-store", "beside it: a second stop when a call returns", "open",
       kNull, ExitStop},
      {"step-result", "step-exit-stop", "the result is read (PTRACE_PEEKUSER)", "open", kNull,
       NullStep::Result},
      {"step-restore", "step-result", "PTRACE_SETREGS", "open", kNull, Restore},
  };
  std::vector<BenchWork> works;
  for (const Row& row : kRows) {
    BenchWork work = loop(row.name, row.what, {.name = row.loop});
    work.group = BenchGroup::Steps;
    work.contestants = {row.who};
    work.step = row.step;
    work.base = row.base;
    works.push_back(std::move(work));
  }
  return works;
}

std::vector<BenchWork> whole() {
  using Words = std::vector<std::string>;
  const auto command = [](std::string_view name, const char* what, Words argv, Words quick,
                          double target, Words needs, int good = 0) {
    return BenchWork{name,
                     BenchGroup::Whole,
                     what,
                     "s",
                     CommandWork{std::move(argv), std::move(quick), good},
                     BenchPolicy::Usual,
                     kAll,
                     {{Kind::OverBare, target}},
                     std::move(needs)};
  };
  const auto times = [](const std::string& count) {
    return Words{"sh", "-c", "i=0; while [ $i -lt " + count + " ]; do /bin/true; i=$((i+1)); done"};
  };
  const auto start_ups = [](const std::string& which) {
    return Words{"sh", "-c",
                 "for i in " + which +
                     "; do /usr/bin/python3 -B -c "
                     "'import argparse, asyncio, decimal, email, json, unittest'; done"};
  };
  std::vector<BenchWork> works = {
      // Not to /dev/null, for which tar does not read its files.
      command("tar", "tar of /usr/include", {"tar", "-cf", "/dev/zero", "-C", "/usr", "include"},
              {"tar", "-cf", "/dev/zero", "-C", "/usr", "include/linux"}, 2,
              {"tar", "/usr/include/linux"}),
      command("grep", "grep -r over /usr/include", {"grep", "-r", "no such words", "/usr/include"},
              {"grep", "-r", "no such words", "/usr/include/linux"}, 2,
              {"grep", "/usr/include/linux"}, 1),
      // An ordinary user may not read everything there, upon which find ends with 1.
      command("find", "find over /usr/share",
              {"sh", "-c", "find /usr/share -name 'no such name' || true"},
              {"find", "/usr/share/doc", "-name", "no such name"}, 1.2, {"find", "/usr/share/doc"}),
      command("c++", "g++ of one file", {"g++", "-O1", "-c", "one.cc", "-o", "one.o"}, {}, 1.1,
              {"g++"}),
      command("python", "three python start-ups with imports", start_ups("1 2 3"), start_ups("1"),
              1.4, {"/usr/bin/python3"}),
      command("true", "300 times /bin/true from a shell", times("300"), times("30"), 1.6,
              {"/bin/true"}),
      command("make", "make -j2 of 40 C files", {"make", "-s", "-B", "-j2", "-C", "c", "all"},
              {"make", "-s", "-B", "-j2", "-C", "c", "some"}, 1.2, {"make", "cc"}),
  };
  works.back().parallel = true;
  for (BenchWork& work : works) {  // what does nothing but open files is the kernel's altogether
    if (work.name == "tar" || work.name == "grep" || work.name == "find") {
      work.targets.push_back({Kind::Offloaded, 1.05});
    }
  }
  return works;
}

std::vector<BenchWork> server() {
  const auto work = [](std::string_view name, const char* what, const char* request,
                       std::vector<Target> targets) {
    return BenchWork{name,
                     BenchGroup::Server,
                     what,
                     "requests/s",
                     ServerWork{request},
                     BenchPolicy::Server,
                     {Contestant::Bare, Contestant::Null, Contestant::Naive, Contestant::Canonical,
                      Contestant::Sealed, Contestant::Strace, Contestant::Proot},
                     std::move(targets)};
  };
  return {work("server-kept", "connections kept open", "kept", {{Kind::OfBare, 0.95}}),
          work("server-new", "a new connection for each request", "new", {{Kind::OfBare, 0.70}}),
          work("server-file", "connections kept open, a file opened for each request", "file", {})};
}

std::vector<BenchWork> start() {
  const auto work = [](std::string_view name, const char* what, BenchPolicy policy, double limit) {
    return BenchWork{name,
                     BenchGroup::Start,
                     what,
                     "ms",
                     StartWork{},
                     policy,
                     policy == BenchPolicy::Usual ? kAll : kAllJudging,
                     {{Kind::AboveBare, limit}}};
  };
  return {work("start", "the start of /bin/true", BenchPolicy::Usual, 10),
          work("start-10000-rules", "the same under a policy of 10,000 more rules",
               BenchPolicy::Many, 50)};
}

std::vector<BenchWork> memory() {
  constexpr double kMegabytes = 20;
  constexpr double kMegabytesATask = 0.004;
  const auto work = [](std::string_view name, const char* what, MemoryWork tasks) {
    const double limit = kMegabytes + kMegabytesATask * (tasks.processes + tasks.threads);
    return BenchWork{name,
                     BenchGroup::Memory,
                     what,
                     "MB",
                     tasks,
                     BenchPolicy::Usual,
                     {Contestant::Sealed},
                     {{Kind::AtMost, limit}}};
  };
  return {work("memory-1", "callgate's processes together at one task", {.processes = 1}),
          work("memory-1000-processes", "at 1,000 processes", {.processes = 1000}),
          work("memory-2000-threads", "at 2,000 threads", {.processes = 1, .threads = 2000})};
}

std::vector<BenchWork> scale() {
  std::vector<BenchWork> works;
  const auto add = [&](std::string_view name, const char* what, LoopRequest request,
                       std::string_view base) {
    BenchWork work = loop(name, what, std::move(request));
    work.group = BenchGroup::Scale;
    work.contestants = kOurs;
    if (!base.empty()) work.targets = {{Kind::OverWork, kNoise, Contestant::Bare, base}};
    works.push_back(std::move(work));
  };
  const LoopRequest open{.name = "open"};
  add("tasks-1", "open and close, one task without pause", open, "");
  add("tasks-2", "2 tasks: wall time by calls of both", {.name = "open", .tasks = 2}, "tasks-1");
  add("tasks-4", "4 tasks", {.name = "open", .tasks = 4}, "tasks-2");
  add("tasks-8", "8 tasks", {.name = "open", .tasks = 8}, "tasks-4");
  add("tasks-16", "16 tasks", {.name = "open", .tasks = 16}, "tasks-8");
  add("rules-100", "one task under 100 more rules", open, "tasks-1");
  works.back().policy = BenchPolicy::Hundred;
  add("rules-10000", "10,000 more rules", open, "rules-100");
  works.back().policy = BenchPolicy::Many;
  add("descriptors-1000", "1,000 descriptors open", {.name = "open", .descriptors = 1000},
      "tasks-1");
  add("past-20000", "20,000 opens and 200 processes ago", {.name = "open", .past = 20'000},
      "tasks-1");
  return works;
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

}  // namespace

const char* group_name(BenchGroup group) {
  switch (group) {
    case BenchGroup::Micro:
      return "micro";
    case BenchGroup::Steps:
      return "steps";
    case BenchGroup::Whole:
      return "works";
    case BenchGroup::Server:
      return "server";
    case BenchGroup::Start:
      return "start-up";
    case BenchGroup::Memory:
      return "memory";
    case BenchGroup::Scale:
      return "scale";
  }
  return "";
}

const char* group_title(BenchGroup group) {
  switch (group) {
    case BenchGroup::Micro:
      return "One call in a loop, microseconds a call";
    case BenchGroup::Steps:
      return "Where the time of a redirected open goes, microseconds";
    case BenchGroup::Whole:
      return "Whole works, seconds";
    case BenchGroup::Server:
      return "An HTTP server, requests a second";
    case BenchGroup::Start:
      return "Start-up, milliseconds";
    case BenchGroup::Memory:
      return "Memory of callgate's own processes, megabytes resident";
    case BenchGroup::Scale:
      return "Scale, microseconds a call";
  }
  return "";
}

const std::vector<BenchWork>& bench_works() {
  static const std::vector<BenchWork> works = [] {
    std::vector<BenchWork> all;
    for (auto part : {micro, steps, whole, server, start, memory, scale}) {
      for (BenchWork& work : part()) all.push_back(std::move(work));
    }
    return all;
  }();
  return works;
}

std::string target_text(const Target& target, std::string_view unit) {
  const std::string limit = number(target.limit);
  switch (target.kind) {
    case Kind::OverBare:
      return "sealed at most " + limit + "x bare";
    case Kind::Offloaded:
      return "with Landlock at most " + limit + "x bare";
    case Kind::OverNull:
      return "sealed at most " + limit + "x the null monitor";
    case Kind::PeerAdds:
      return std::string(contestant_name(target.peer)) + " adds at least " + limit +
             "x what sealed adds";
    case Kind::AboveBare:
      return "sealed at most " + limit + " " + std::string(unit) + " above bare";
    case Kind::OfBare:
      return "sealed at least " + limit + " of bare";
    case Kind::AtMost:
      return "sealed at most " + limit + " " + std::string(unit);
    case Kind::OverWork:
      return "sealed no dearer than in " + std::string(target.work) + " (at most " + limit + "x)";
  }
  return "";
}

}  // namespace callgate
