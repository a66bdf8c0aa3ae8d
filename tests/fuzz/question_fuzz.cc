// The words of `callgate explain` are a question or a sentence that says what was expected. A
// question asks for at least one operation, of a name that is absolute and tidy, and any policy can
// answer it; an address reads as it is shown; whatever is said is printable.
//
// The input: the words, one a line.
#include "monitor/cli/question.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/support/fake_world.h"

namespace callgate::fuzz {
namespace {

// Few things exist, so that most names are judged by their text.
class SparseWorld : public FakeWorld {
 public:
  Result<std::string> canonical(const std::string& path) override {
    if (path == "/" || path == "/etc" || path == "/etc/passwd") return path;
    if (path == "/link") return std::string("/etc/target of link");
    return Error{ENOENT};
  }
};

bool tidy(const std::string& name) {
  if (!name.starts_with('/')) return false;
  if (name == "/") return true;
  for (const std::string& part : split(std::string_view(name).substr(1), '/')) {
    if (part.empty() || part == "." || part == "..") return false;
  }
  return true;
}

void ask(const Policy& policy, const cli::NetworkQuestion& network) {
  holds(!network.questions.empty(), "a network question asks something");
  holds(printable(network.note), "a note is printable");
  for (const NetQuestion& question : network.questions) {
    const Endpoint& endpoint = question.endpoint;
    static_cast<void>(policy.network(question));
    if (endpoint.kind == Endpoint::Kind::UnixPath) holds(tidy(endpoint.name), "a tidy socket");
    if (endpoint.kind == Endpoint::Kind::V4 || endpoint.kind == Endpoint::Kind::V6) {
      holds(cli::parse_address(endpoint.text()) == endpoint, "an address reads as it is shown");
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = Input(data, size).text();
  if (text.find('\0') != std::string_view::npos) return 0;  // no word of a command line
  SparseWorld world;
  world.hosts = {{"host", {Endpoint::v4({1, 2, 3, 4}, 0), Endpoint::v6({1}, 0, 0)}}};
  static const auto loaded = parse_policy("path allow /etc/**\nnetwork allow tcp *:80", "p", world);
  const auto& policy = std::get<Policy>(loaded);

  const auto parsed =
      cli::parse_question(text.empty() ? std::vector<std::string>() : split(text, '\n'), world);
  if (const auto* mistake = std::get_if<cli::QuestionMistake>(&parsed)) {
    holds(!mistake->message.empty() && printable(mistake->message), "a mistake is a sentence");
    return 0;
  }
  const auto& question = std::get<cli::Question>(parsed);
  if (const auto* network = std::get_if<cli::NetworkQuestion>(&question)) {
    ask(policy, *network);
  } else if (const auto* signal = std::get_if<cli::SignalQuestion>(&question)) {
    static_cast<void>(policy.signal(signal->inside));
  } else {
    const auto& path = std::get<cli::PathQuestion>(question);
    holds(!path.ops.empty(), "a path question asks for an operation");
    const cli::ResolvedName resolved = cli::resolve_name(path.path, world);
    holds(tidy(resolved.name), "a name is absolute and tidy");
    holds(printable(resolved.note), "a note is printable");
    static_cast<void>(policy.path(path.ops, resolved.name));
  }
  return 0;
}

}  // namespace callgate::fuzz
