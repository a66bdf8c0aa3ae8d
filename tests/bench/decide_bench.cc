// The cost of a decision and of loading, by the number of statements. Decisions must stay below
// 2 microseconds and not grow with the policy.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "policy/policy.h"

namespace callgate {
namespace {

class EmptyWorld : public PolicyWorld {
 public:
  Result<std::string> read_file(const std::string&) override { return Error{ENOENT}; }
  Result<std::string> read_profile(const std::string&) override { return Error{ENOENT}; }
  std::vector<std::string> profile_names() override { return {}; }
  Result<std::string> canonical(const std::string& path) override { return path; }
  Result<std::vector<Endpoint>> resolve_host(const std::string&) override { return Error{ENOENT}; }
  std::string variable(const std::string& name) override { return '/' + name; }
};

// Every shape of statement, all of them different.
std::string mixed_policy(int64_t count) {
  std::string text;
  for (int64_t i = 0; i < count; ++i) {
    const std::string n = std::to_string(i);
    switch (i % 10) {
      case 0:
        text += "path allow read /srv/data/set" + n + "/file.txt\n";
        break;
      case 1:
        text += "path allow /srv/data/set" + n + "/**\n";
        break;
      case 2:
        text += "path deny write /srv/data/*-" + n + "\n";
        break;
      case 3:
        text += "path allow read,execute /srv/data/tool" + n + "*\n";
        break;
      case 4:
        text += "path deny /**/secret" + n + "/*.key\n";
        break;
      case 5:
        text += "path allow read /srv/data/*x" + n + "y*\n";
        break;
      case 6:
        text += "path deny delete /srv/*/lock" + n + "\n";
        break;
      case 7:
        text += "path allow attributes /srv/{a,b}" + n + "/[0-9]*\n";
        break;
      case 8:
        text += "network allow tcp connect 10." + std::to_string(i / 256 % 256) + '.' +
                std::to_string(i % 256) + ".0/24:" + std::to_string(1024 + i) + '\n';
        break;
      default:
        text += "network deny udp *:" + std::to_string(1024 + i) + '\n';
        break;
    }
  }
  return text;
}

Policy load(const std::string& text) {
  EmptyWorld world;
  auto loaded = parse_policy(text, "bench.policy", world);
  if (!std::holds_alternative<Policy>(loaded)) std::abort();
  return std::move(std::get<Policy>(loaded));
}

void DecidePath(benchmark::State& state) {
  const Policy policy = load(mixed_policy(state.range(0)));
  const std::vector<std::string> names = {"/srv/data/set1/deep/down/file.txt",
                                          "/srv/data/tool3extra",
                                          "/srv/data/aax5yzz",
                                          "/home/user/project/secret4/main.key",
                                          "/usr/lib/x86_64-linux-gnu/libc.so.6",
                                          "/srv/data/something-2",
                                          "/nowhere/at/all"};
  size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(policy.path(PathOp::Read, names[i++ % names.size()]));
  }
}
BENCHMARK(DecidePath)->Arg(10)->Arg(1000)->Arg(10000);

void DecideNetwork(benchmark::State& state) {
  const Policy policy = load(mixed_policy(state.range(0)));
  const NetQuestion questions[] = {
      {NetFamily::Tcp, NetOp::Connect, Endpoint::v4({10, 0, 8, 1}, 1032)},
      {NetFamily::Udp, NetOp::Send, Endpoint::v4({8, 8, 8, 8}, 1033)},
      {NetFamily::Tcp, NetOp::Create, {}}};
  size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(policy.network(questions[i++ % 3]));
}
BENCHMARK(DecideNetwork)->Arg(10)->Arg(1000)->Arg(10000);

void Widens(benchmark::State& state) {
  const Policy policy = load(mixed_policy(state.range(0)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(policy.widens("/srv/data/set1/a", "/srv/data/set1/b", false));
  }
}
BENCHMARK(Widens)->Arg(10)->Arg(1000)->Arg(10000);

void Parse(benchmark::State& state) {
  const std::string text = mixed_policy(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(load(text));
}
BENCHMARK(Parse)->Arg(10)->Arg(1000)->Arg(10000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace callgate
