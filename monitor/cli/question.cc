#include "monitor/cli/question.h"

#include <arpa/inet.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "monitor/cli/options.h"
#include "monitor/escape.h"

namespace callgate::cli {
namespace {

constexpr std::array kFamilies = {NetFamily::Tcp,     NetFamily::Udp,  NetFamily::Unix,
                                  NetFamily::Netlink, NetFamily::Raw,  NetFamily::Packet,
                                  NetFamily::Vsock,   NetFamily::Other};
constexpr std::array kNetOps = {NetOp::Connect, NetOp::Bind,   NetOp::Send,
                                NetOp::Listen,  NetOp::Accept, NetOp::Create};

std::optional<PathOp> path_op(std::string_view word) {
  for (int i = 0; i < kPathOpCount; ++i) {
    const auto op = static_cast<PathOp>(i);
    if (path_op_name(op) == word) return op;
  }
  return std::nullopt;
}

std::optional<PathOps> path_ops(std::string_view list) {
  if (list == "all") return PathOps::all();
  PathOps ops;
  while (true) {
    const size_t comma = list.find(',');
    const auto op = path_op(list.substr(0, comma));
    if (!op) return std::nullopt;
    ops = ops | *op;
    if (comma == std::string_view::npos) return ops;
    list.remove_prefix(comma + 1);
  }
}

std::optional<NetFamily> net_family(std::string_view word) {
  for (const NetFamily family : kFamilies) {
    if (net_family_name(family) == word) return family;
  }
  return std::nullopt;
}

std::optional<NetOp> net_op(std::string_view word) {
  for (const NetOp op : kNetOps) {
    if (net_op_name(op) == word) return op;
  }
  return std::nullopt;
}

template <typename Number>
std::optional<Number> number(std::string_view text) {
  Number value{};
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || end.ec != std::errc() || end.ptr != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

std::string in_quotes(std::string_view word) { return "'" + escape(word, 200) + "'"; }

struct HostPort {
  std::string_view host;
  std::optional<uint16_t> port;
  bool named = true;  // the port, which else is 0
};

// The last colon parts them; an IPv6 address stands in brackets when a port follows.
std::optional<HostPort> host_port(std::string_view text) {
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view rest = text.substr(end + 1);
    if (rest.empty()) return HostPort{text.substr(1, end - 1), uint16_t{0}, false};
    if (rest.front() != ':') return std::nullopt;
    return HostPort{text.substr(1, end - 1), number<uint16_t>(rest.substr(1))};
  }
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos || text.find(':', colon + 1) != std::string_view::npos) {
    return HostPort{text, uint16_t{0}, false};
  }
  return HostPort{text.substr(0, colon), number<uint16_t>(text.substr(colon + 1))};
}

using NetworkOrMistake = std::variant<NetworkQuestion, QuestionMistake>;

NetworkOrMistake unix_question(NetOp op, const std::string& word, PolicyWorld& world) {
  NetworkQuestion out;
  NetQuestion question{NetFamily::Unix, op, {}};
  if (word.starts_with('@')) {
    question.endpoint.kind = Endpoint::Kind::UnixAbstract;
    question.endpoint.name = word.substr(1);
  } else {
    ResolvedName resolved = resolve_name(word, world);
    question.endpoint.kind = Endpoint::Kind::UnixPath;
    question.endpoint.name = std::move(resolved.name);
    out.note = std::move(resolved.note);
  }
  out.questions.push_back(std::move(question));
  return out;
}

NetworkOrMistake host_question(NetFamily family, NetOp op, const std::string& word,
                               PolicyWorld& world) {
  const auto parts = host_port(word);
  const bool has_ports = family == NetFamily::Tcp || family == NetFamily::Udp;
  if (has_ports && parts && !parts->named) {
    const bool bare = word.find(':') != std::string::npos && !word.starts_with('[');
    return QuestionMistake{in_quotes(word) + " names no port; did you mean " +
                           (bare ? "[" + escape(word, 200) + "]" : escape(word, 200)) + ":443?"};
  }
  if (const auto address = parse_address(word)) {
    return NetworkQuestion{{NetQuestion{family, op, *address}}, {}};
  }
  if (!parts || !parts->port || parts->host.empty()) {
    return QuestionMistake{in_quotes(word) +
                           " is no endpoint; expected ADDRESS:PORT, [ADDRESS]:PORT or HOST:PORT"};
  }
  const auto addresses = world.resolve_host(std::string(parts->host));
  if (!addresses.ok()) {
    return QuestionMistake{in_quotes(parts->host) + " is no address and no host that resolves"};
  }
  NetworkQuestion out;
  for (Endpoint endpoint : *addresses) {
    endpoint.port = *parts->port;
    out.note +=
        (out.note.empty() ? in_quotes(parts->host) + " resolves to " : ", ") + endpoint.text();
    out.questions.push_back(NetQuestion{family, op, std::move(endpoint)});
  }
  return out;
}

NetworkOrMistake network_question(NetFamily family, const std::vector<std::string>& words,
                                  PolicyWorld& world) {
  if (words.size() < 2)
    return QuestionMistake{words[0] +
                           " what? connect, bind, send, listen, "
                           "accept or create"};
  const auto op = net_op(words[1]);
  if (!op) {
    return QuestionMistake{
        in_quotes(words[1]) + " is no network operation" +
        did_you_mean(words[1], {"connect", "bind", "send", "listen", "accept", "create"}) +
        "; expected connect, bind, send, listen, accept or create, as in `" + words[0] +
        " connect " + (words[0] == "unix" ? "/run/bus" : "1.2.3.4:80") + "`"};
  }
  if (words.size() > 3) return QuestionMistake{"one endpoint at a time"};
  const bool bare = words.size() == 2;
  if (bare && *op != NetOp::Create && *op != NetOp::Listen && *op != NetOp::Accept) {
    return QuestionMistake{words[0] + " " + words[1] +
                           " where? expected an endpoint, as in "
                           "1.2.3.4:80"};
  }
  if (bare) return NetworkQuestion{{NetQuestion{family, *op, {}}}, {}};
  if (family == NetFamily::Unix) return unix_question(*op, words[2], world);
  if (family == NetFamily::Netlink) {
    auto protocol = netlink_protocol(words[2]);
    if (!protocol) protocol = number<int>(words[2]);
    if (!protocol) return QuestionMistake{in_quotes(words[2]) + " is no netlink protocol"};
    NetQuestion question{family, *op, {}};
    question.endpoint.kind = Endpoint::Kind::Netlink;
    question.endpoint.netlink_protocol = *protocol;
    return NetworkQuestion{{std::move(question)}, {}};
  }
  return host_question(family, *op, words[2], world);
}

std::string absolute_tidy(const std::string& path, PolicyWorld& world) {
  std::string text = path.starts_with('/') ? path : world.variable("CWD") + "/" + path;
  std::vector<std::string> parts;
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find('/', start), text.size());
    const std::string part = text.substr(start, end - start);
    if (part == "..") {
      if (!parts.empty()) parts.pop_back();
    } else if (!part.empty() && part != ".") {
      parts.push_back(part);
    }
    start = end + 1;
  }
  std::string out;
  for (const std::string& part : parts) out += "/" + part;
  return out.empty() ? "/" : out;
}

}  // namespace

std::optional<Endpoint> parse_address(std::string_view text) {
  const auto parts = host_port(text);
  if (!parts || !parts->port) return std::nullopt;
  const std::string host(parts->host);
  std::array<uint8_t, 4> v4{};
  if (inet_pton(AF_INET, host.c_str(), v4.data()) == 1) return Endpoint::v4(v4, *parts->port);
  std::array<uint8_t, 16> v6{};
  if (inet_pton(AF_INET6, host.c_str(), v6.data()) == 1) return Endpoint::v6(v6, *parts->port, 0);
  return std::nullopt;
}

ResolvedName resolve_name(const std::string& given, PolicyWorld& world) {
  std::string path = given;
  if (path == "~" || path.starts_with("~/")) path = world.variable("HOME") + path.substr(1);
  if (auto real = world.canonical(path); real.ok()) {
    // /proc/self is ours here; a program's own entry is judged under the name it has for everybody.
    const std::string own = "/proc/" + std::to_string(getpid());
    if (*real == own || real->starts_with(own + "/")) real->replace(0, own.size(), "/proc/self");
    if (*real == given) return {*real, {}};
    return {*real, in_quotes(given) + " is " + escape(*real)};
  }
  const std::string tidy = absolute_tidy(path, world);
  const size_t slash = tidy.rfind('/');
  const std::string parent = slash == 0 ? "/" : tidy.substr(0, slash);
  std::string name = tidy;
  const auto real = world.canonical(parent);
  if (real.ok()) name = (*real == "/" ? "" : *real) + tidy.substr(slash);
  std::string note = in_quotes(given) + " does not exist here; asked about ";
  note += escape(name) + (real.ok() ? "" : " by its text alone");
  return {name, note};
}

std::variant<Question, QuestionMistake> parse_question(const std::vector<std::string>& words,
                                                       PolicyWorld& world) {
  if (words.empty()) {
    return QuestionMistake{
        "ask what? for example `read /etc/passwd`, `tcp connect 1.2.3.4:80` or "
        "`signal outside`"};
  }
  if (words[0] == "signal") {
    if (words.size() == 2 && (words[1] == "inside" || words[1] == "sandbox")) {
      return Question{SignalQuestion{true}};
    }
    if (words.size() == 2 && (words[1] == "outside" || words[1] == "all")) {
      return Question{SignalQuestion{false}};
    }
    return QuestionMistake{"signal to whom? inside or outside the sandbox"};
  }
  if (const auto family = net_family(words[0])) {
    auto question = network_question(*family, words, world);
    if (auto* mistake = std::get_if<QuestionMistake>(&question)) return std::move(*mistake);
    return Question{std::move(std::get<NetworkQuestion>(question))};
  }
  if (const auto ops = path_ops(words[0])) {
    if (words.size() != 2) return QuestionMistake{words[0] + " of what? one path"};
    return Question{PathQuestion{*ops, words[1]}};
  }
  std::vector<std::string> known = {"signal", "all"};
  for (int i = 0; i < kPathOpCount; ++i) {
    known.emplace_back(path_op_name(static_cast<PathOp>(i)));
  }
  for (const NetFamily family : kFamilies) known.emplace_back(net_family_name(family));
  std::string expected;
  for (const std::string& word : known) expected += (expected.empty() ? "" : ", ") + word;
  return QuestionMistake{in_quotes(words[0]) + " is no operation and no socket family" +
                         did_you_mean(words[0], known) + "; expected one of: " + expected +
                         "; as in `read /etc/passwd` or `tcp connect 1.2.3.4:80`"};
}

}  // namespace callgate::cli
