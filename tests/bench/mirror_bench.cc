// The mirror's books by the number of tasks in them: none of this may grow with it.
#include <benchmark/benchmark.h>
#include <sched.h>

#include "monitor/mirror.h"

namespace callgate {
namespace {

constexpr pid_t kRoot = 1000;
constexpr uint64_t kThread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;

Mirror crowd(int64_t tasks) {
  Mirror mirror;
  const Task& root = mirror.add_root(kRoot, 1);
  for (pid_t tid = kRoot + 1; tid < kRoot + tasks; ++tid) {
    mirror.add_child(tid, root, 0, tid, kRoot);
  }
  return mirror;
}

void Find(benchmark::State& state) {
  Mirror mirror = crowd(state.range(0));
  pid_t offset = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(mirror.find(kRoot + offset));
    offset = (offset + 7) % static_cast<pid_t>(state.range(0));
  }
}
BENCHMARK(Find)->Arg(1)->Arg(100)->Arg(10'000);

void ForkAndExit(benchmark::State& state) {
  Mirror mirror = crowd(state.range(0));
  const pid_t child = kRoot + static_cast<pid_t>(state.range(0));
  for (auto _ : state) {
    mirror.add_child(child, *mirror.find(kRoot), 0, child, kRoot);
    mirror.remove(child);
  }
}
BENCHMARK(ForkAndExit)->Arg(1)->Arg(100)->Arg(10'000);

void ThreadAndExit(benchmark::State& state) {
  Mirror mirror = crowd(state.range(0));
  const pid_t child = kRoot + static_cast<pid_t>(state.range(0));
  for (auto _ : state) {
    mirror.add_child(child, *mirror.find(kRoot), kThread, kRoot, 1);
    mirror.remove(child);
  }
}
BENCHMARK(ThreadAndExit)->Arg(1)->Arg(100)->Arg(10'000);

void Exec(benchmark::State& state) {
  Mirror mirror = crowd(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(&mirror.exec(kRoot, kRoot));
}
BENCHMARK(Exec)->Arg(1)->Arg(100)->Arg(10'000);

void LearnAndAskSocket(benchmark::State& state) {
  Mirror mirror = crowd(1);
  for (uint64_t inode = 0; inode < static_cast<uint64_t>(state.range(0)); ++inode) {
    mirror.learn_socket(inode, {});
  }
  uint64_t inode = 0;
  for (auto _ : state) {
    mirror.learn_socket(inode, {});
    benchmark::DoNotOptimize(mirror.socket(inode));
    inode = (inode + 7) % static_cast<uint64_t>(state.range(0));
  }
}
BENCHMARK(LearnAndAskSocket)->Arg(10)->Arg(10'000);

}  // namespace
}  // namespace callgate
