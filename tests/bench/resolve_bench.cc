// From a name to an object: the walk, by its length, its links and where it starts. This process
// stands for the tracee.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "monitor/resolve.h"

namespace callgate {
namespace {

namespace fs = std::filesystem;

class Tree {
 public:
  Tree() {
    std::string name = fs::canonical(fs::temp_directory_path()) / "callgate-resolve-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    root_ = name;
    fs::create_directories(root_ / "a/b/c/d/e/f/g/h");
    std::ofstream(root_ / "a/file") << "content";
    std::ofstream(root_ / "a/b/c/d/e/f/g/h/deep") << "content";
    fs::create_symlink("a/file", root_ / "link");
    fs::create_symlink("b", root_ / "a/way");
    fs::current_path(root_);
  }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;
  ~Tree() {
    fs::current_path("/");
    fs::remove_all(root_);
  }
  [[nodiscard]] std::string whole(const std::string& name) const { return root_ / name; }

 private:
  fs::path root_;
};

const Tree& tree() {
  static const Tree made;
  return made;
}

void walk(benchmark::State& state, const std::string& name) {
  const Resolver resolver([](pid_t pid) { return pid == ::getpid(); },
                          read_task_status(::getpid())->credentials);
  const Viewer viewer{static_cast<pid_t>(::syscall(SYS_gettid)), ::getpid()};
  for (auto _ : state) {
    auto place = resolver.resolve(viewer, AT_FDCWD, name, {});
    if (!place.ok()) state.SkipWithError("the name does not resolve");
    benchmark::DoNotOptimize(place);
  }
}

void ResolveWhole(benchmark::State& state) { walk(state, tree().whole("a/file")); }
void ResolveRelative(benchmark::State& state) {
  tree();
  walk(state, "a/file");
}
void ResolveDeep(benchmark::State& state) { walk(state, tree().whole("a/b/c/d/e/f/g/h/deep")); }
void ResolveDotDot(benchmark::State& state) { walk(state, tree().whole("a/b/../file")); }
void ResolveLink(benchmark::State& state) { walk(state, tree().whole("link")); }
void ResolveLinkOnTheWay(benchmark::State& state) {
  walk(state, tree().whole("a/way/c/d/e/f/g/h/deep"));
}
void ResolveMissing(benchmark::State& state) { walk(state, tree().whole("a/nothing")); }
void ResolveProcSelf(benchmark::State& state) { walk(state, "/proc/self/status"); }
BENCHMARK(ResolveWhole);
BENCHMARK(ResolveRelative);
BENCHMARK(ResolveDeep);
BENCHMARK(ResolveDotDot);
BENCHMARK(ResolveLink);
BENCHMARK(ResolveLinkOnTheWay);
BENCHMARK(ResolveMissing);
BENCHMARK(ResolveProcSelf);

void DirectoryName(benchmark::State& state) {
  tree();
  const Viewer viewer{static_cast<pid_t>(::syscall(SYS_gettid)), ::getpid()};
  for (auto _ : state) benchmark::DoNotOptimize(Resolver::directory_name(viewer, AT_FDCWD));
}
BENCHMARK(DirectoryName);

}  // namespace
}  // namespace callgate
