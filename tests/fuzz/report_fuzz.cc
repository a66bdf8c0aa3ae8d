// Whatever bytes a program chose for its names: the audit record is one line of printable ASCII, is
// JSON, and holds each name exactly (KEY where it is plain, else KEY_hex); the denial report is at
// most two printable lines; and a statement that it offers is a policy that allows just that.
//
// The input: what was called (a digit, kCalls), then what is said of it, a NUL between the strings.
#include <nlohmann/json.hpp>

#include "monitor/audit_json.h"
#include "monitor/denial_report.h"
#include "monitor/escape.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/support/fake_world.h"

namespace callgate::fuzz {
namespace {

struct Call {
  Event::Kind kind;
  const char* operation;  // always in our own words
};
constexpr Call kCalls[] = {
    {Event::Kind::Path, "read"},           {Event::Kind::Path, "write,create"},
    {Event::Kind::Exec, "execute"},        {Event::Kind::Network, "unix connect"},
    {Event::Kind::Network, "tcp connect"}, {Event::Kind::Network, "netlink send"},
    {Event::Kind::Signal, "signal 9"},     {Event::Kind::Other, "argument area"}};

void check_string(const nlohmann::json& object, const std::string& key, const std::string& bytes) {
  const auto exact = object.find(key + "_hex");
  if (exact == object.end()) {
    holds(object.at(key) == bytes, "without KEY_hex, KEY is the name");
  } else {
    holds(*exact == hex(bytes), "with KEY_hex, that is the name");
    holds(printable(object.at(key).get<std::string>()), "and KEY can be shown");
  }
}

void check_record(const Event& event) {
  const std::string record = audit_record(event);
  holds(printable(record), "a record is one line of printable ASCII");
  const auto json = nlohmann::json::parse(record, nullptr, false);
  holds(json.is_object(), "a record is JSON");
  check_string(json, "executable", *event.executable);
  const auto& object = json.at("objects").at(0);
  check_string(object, "asked", event.objects[0].asked);
  if (!event.objects[0].real.empty()) check_string(object, "real", event.objects[0].real);
  check_string(object.at("links").at(0), "name", event.objects[0].links[0]);
  if (!event.reason.empty()) check_string(json, "reason", event.reason);
  if (event.rule != nullptr) check_string(json.at("rule"), "text", event.rule->text);
}

void check_denial(const Event& event) {
  const std::string text = denial_text(event);
  holds(printable(text, "\n") && std::count(text.begin(), text.end(), '\n') <= 2, "two lines");
  holds(text.size() <= 4096, "of bounded length");
  const auto statement = allowing_statement(event);
  if (!statement) return;
  holds(printable(*statement), "a statement can be copied");
  FakeWorld world;
  const auto loaded = parse_policy("runtime none\n" + *statement, "p.policy", world);
  const auto* policy = std::get_if<Policy>(&loaded);
  holds(policy != nullptr, "the statement offered is a policy");
  const std::string& real = event.objects[0].real;
  // What a `syscall` statement refuses, another one of its kind allows, whatever it names.
  const bool by_path = statement->starts_with("path ");
  holds(by_path || event.kind != Event::Kind::Path || event.rule != nullptr,
        "a name that nothing matched is allowed by a name");
  if (by_path && event.operation == "read" && real.starts_with('/')) {
    holds(policy->path(PathOp::Read, real).allowed(), "and allows what was denied");
  }
}

// What was judged: a canonical name, or an endpoint as it shows itself.
std::string real_name(const Call& call, const std::string& bytes) {
  if (call.kind != Event::Kind::Network) return canonical(bytes);
  const std::string_view operation = call.operation;
  if (operation.starts_with("unix")) return "unix:@" + bytes;
  return operation.starts_with("tcp") ? "1.2.3.4:80" : "netlink:9";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  Event event;
  const Call& call = kCalls[input.choice(std::size(kCalls))];
  event.kind = call.kind;
  event.operation = call.operation;
  std::vector<std::string> strings = split(input.text(), '\0');
  strings.resize(7);
  event.executable = std::make_shared<const std::string>(strings[0]);
  event.objects = {{strings[1], real_name(call, strings[2]), {strings[3]}}};
  event.call_site = strings[4];
  event.reason = strings[5];
  const Statement rule{{strings[6].substr(0, 20), 3, 1}, strings[6]};
  event.rule = strings[6].empty() ? nullptr : &rule;
  event.call = "openat";
  event.verdict = Verdict::Deny;
  event.result = -EACCES;
  check_record(event);
  check_denial(event);
  return 0;
}

}  // namespace callgate::fuzz
