// Any bytes are a policy or are refused: nothing crashes, and every refusal and warning stands at a
// line and column inside the file that it names. A policy that loads answers every question, names
// as the deciding statement the last of those that match, grants exactly what it allows, and can be
// described without a byte that drives a terminal.
//
// The input is the policy; a line "--- NAME" begins another file (or, without a dot, a profile)
// that it may include.
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/policy_files.h"
#include "tests/support/fake_world.h"

namespace callgate::fuzz {
namespace {

void ask_paths(const Policy& policy, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    for (int i = 0; i < kPathOpCount; ++i) {
      const auto op = static_cast<PathOp>(i);
      const Decision decision = policy.path(op, name);
      const auto matching = policy.matching(op, name);
      holds(decision.rule == (matching.empty() ? nullptr : matching.back()), "the last decides");
      holds(policy.granted(name).has(op) == decision.allowed(), "what is granted is allowed");
    }
    const PathOps granted = policy.granted(name);
    holds(policy.needs().paths ||
              granted.contains({PathOp::Read, PathOp::Write, PathOp::Create, PathOp::Delete}),
          "what need not be seen is allowed");
    holds(policy.needs().attributes || granted.has(PathOp::Attributes), "attributes too");
    holds(policy.needs().execute || granted.has(PathOp::Execute), "execution too");
    holds(policy.needs().stat || granted.has(PathOp::Stat), "metadata too");
    const PathOps gained = policy.granted(name) - policy.granted(names.front());
    holds(policy.widens(names.front(), name, false).has_value() == !gained.empty(),
          "a move widens when it grants more");
    holds(gained.empty() || policy.widens(names.front(), name, true), "of a directory too");
  }
}

void ask_network(const Policy& policy, const std::vector<std::string>& names) {
  std::vector<std::pair<NetFamily, Endpoint>> asked = {
      {NetFamily::Tcp, Endpoint::v4({10, 1, 2, 3}, 80)},
      {NetFamily::Udp, Endpoint::v6({}, 443, 0)},
      {NetFamily::Netlink, {Endpoint::Kind::Netlink, {}, 0, 0, {}, 9}},
      {NetFamily::Raw, {}}};
  for (const std::string& name : names) {
    asked.push_back({NetFamily::Unix, {Endpoint::Kind::UnixPath, {}, 0, 0, name, -1}});
    asked.push_back(
        {NetFamily::Unix, {Endpoint::Kind::UnixAbstract, {}, 0, 0, name.substr(1), -1}});
  }
  for (const auto& [family, endpoint] : asked) {
    for (const NetOp op : {NetOp::Connect, NetOp::Bind, NetOp::Send, NetOp::Listen}) {
      const NetQuestion question{family, op, endpoint};
      const auto matching = policy.matching(question);
      holds(policy.needs().network || policy.network(question).allowed(), "sockets too");
      holds(policy.network(question).rule == (matching.empty() ? nullptr : matching.back()),
            "the last network statement decides");
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Files files = cut(Input(data, size).text());
  FakeWorld world;
  world.files = world.profiles = files;
  world.links = {{"/bin", "/usr/bin"}, {"/usr/link", "/srv"}};
  world.missing = {"/missing"};
  world.hosts = {{"host.example", {Endpoint::v4({1, 2, 3, 4}, 0), Endpoint::v6({1}, 0, 0)}}};
  auto loaded = parse_policy(files.at("p.policy"), "p.policy", world);
  if (const auto* error = std::get_if<PolicyError>(&loaded)) {
    holds(stands_inside(error->message, files), "a refusal stands inside its file");
    holds(well_formed(error->message), "a refusal drives no terminal");
    return 0;
  }
  const auto& policy = std::get<Policy>(loaded);
  for (const std::string& warning : policy.warnings()) {
    holds(stands_inside(warning, files), "a warning stands inside its file");
    holds(well_formed(warning), "a warning drives no terminal");
  }
  holds(well_formed(policy.describe()), "a description drives no terminal");
  std::vector<std::string> names = {"/", "/usr/bin/ls", "/tmp/a\n\xff"};
  for (const std::string& word : split(files.at("p.policy"), ' ')) {
    if (word.starts_with('/') && names.size() < 8) names.push_back(word);
  }
  ask_paths(policy, names);
  ask_network(policy, names);
  return 0;
}

}  // namespace callgate::fuzz
