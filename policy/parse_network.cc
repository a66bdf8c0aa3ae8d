// `network` statements.
#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include "policy/statement_parser.h"

namespace callgate {
namespace {

constexpr unsigned bit(NetFamily family) { return 1u << static_cast<unsigned>(family); }

struct FamilyWord {
  std::string_view word;
  unsigned families;
};
constexpr unsigned kInet = bit(NetFamily::Tcp) | bit(NetFamily::Udp) | bit(NetFamily::Raw);
constexpr unsigned kAny = (1u << kNetFamilyCount) - 1;
constexpr std::array<FamilyWord, 10> kFamilies = {{{"tcp", bit(NetFamily::Tcp)},
                                                   {"udp", bit(NetFamily::Udp)},
                                                   {"unix", bit(NetFamily::Unix)},
                                                   {"netlink", bit(NetFamily::Netlink)},
                                                   {"raw", bit(NetFamily::Raw)},
                                                   {"packet", bit(NetFamily::Packet)},
                                                   {"vsock", bit(NetFamily::Vsock)},
                                                   {"inet", kInet},
                                                   {"any", kAny},
                                                   {"all", kAny}}};
constexpr std::array<std::string_view, 6> kOps = {"connect", "bind",   "send",
                                                  "listen",  "accept", "create"};

constexpr std::string_view kEndpointForm =
    "address[/prefix][:port[-port]], [IPv6 address]:port, *:port or *";

bool read_decimal(std::string_view text, unsigned most, unsigned* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size() && *value <= most;
}

bool is_host_name(std::string_view text) {
  const bool legal = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  });
  const bool letter = std::any_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  });
  return legal && letter && text.front() != '-' && text.front() != '.';
}

// Clears the bits behind the prefix; true when some were set.
bool mask(IpRange* range) {
  bool changed = false;
  for (int i = 0; i < 16; ++i) {
    const int bits = std::clamp(range->prefix - i * 8, 0, 8);
    uint8_t& byte = range->address[static_cast<size_t>(i)];
    const auto kept = static_cast<uint8_t>(byte & (0xff00 >> bits));
    changed = changed || kept != byte;
    byte = kept;
  }
  return changed;
}

// PolicyWorld::resolve_host says it with an errno.
std::string why_not(int error) {
  if (error == ENOENT) return "no such host is known";
  if (error == EAGAIN) return "the name server does not answer";
  const char* text = strerrordesc_np(error);
  return text == nullptr ? "unknown error" : text;
}

// A port that was left without its address, as in "80" or ":80".
std::string with_any_address(std::string_view text) {
  if (text.starts_with(':')) text.remove_prefix(1);
  const bool port =
      !text.empty() && text.find_first_not_of("0123456789-") == std::string_view::npos;
  return port ? "*:" + std::string(text) : std::string();
}

}  // namespace

bool StatementParser::parse_prefix(const Word& word, std::string_view text, size_t offset, int most,
                                   int* prefix) {
  unsigned value = 0;
  if (!read_decimal(text, static_cast<unsigned>(most), &value)) {
    return fail(word.column_of(offset), "the prefix " + quoted(text) +
                                            " is not a length (expected 0 to " +
                                            std::to_string(most) + ')');
  }
  *prefix = static_cast<int>(value);
  return true;
}

bool StatementParser::parse_ports(const Word& word, std::string_view text, size_t offset,
                                  IpRange* range) {
  if (text == "*") return true;
  const size_t dash = text.find('-');
  unsigned first = 0;
  unsigned last = 0;
  const bool read =
      read_decimal(text.substr(0, dash), 65535, &first) &&
      (dash == std::string_view::npos || read_decimal(text.substr(dash + 1), 65535, &last));
  if (!read) {
    return fail(word.column_of(offset),
                quoted(text) +
                    " is not a port (expected 0 to 65535, a range such as 8000-8100, "
                    "or *)");
  }
  if (dash == std::string_view::npos) last = first;
  if (last < first) {
    return fail(word.column_of(offset),
                "the range " + quoted(text) +
                    " runs backwards (expected "
                    "the lower port first)",
                std::to_string(last) + '-' + std::to_string(first));
  }
  range->first_port = static_cast<uint16_t>(first);
  range->last_port = static_cast<uint16_t>(last);
  return true;
}

bool StatementParser::resolve_host(const Word& word, std::string_view host, const IpRange& ports,
                                   NetRule* rule) {
  const auto found = context_.world.resolve_host(std::string(host));
  if (!found.ok() || found->empty()) {
    return fail(word.column, "the host " + quoted(host) + " cannot be resolved: " +
                                 (found.ok() ? "it has no address" : why_not(found.error().code)) +
                                 " (expected an address, or a name that resolves now)");
  }
  std::string addresses;
  for (const Endpoint& endpoint : *found) {
    IpRange range = ports;
    range.v6 = endpoint.kind == Endpoint::Kind::V6;
    range.address = endpoint.address;
    range.prefix = range.v6 ? 128 : 32;
    rule->endpoints.emplace_back(range);
    const std::string text = endpoint.text();
    addresses += (addresses.empty() ? "" : ", ") + text.substr(0, text.rfind(':'));
  }
  if (remarks_ != Remarks::None) {
    warn(word.column, "the host " + quoted(host) + " was resolved once, now, to " + addresses);
  }
  return true;
}

bool StatementParser::parse_ip_endpoint(const Word& word, NetRule* rule) {
  const std::string& text = word.text;
  IpRange range;
  size_t address_end = 0;
  std::string address;
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string::npos) {
      return fail(word.column,
                  "this [ is never closed (expected " + std::string(kEndpointForm) + ')');
    }
    address = text.substr(1, close - 1);
    range.v6 = true;
    address_end = close + 1;
  } else {
    address_end = std::min(text.find_first_of("/:"), text.size());
    address = text.substr(0, address_end);
    std::array<uint8_t, 16> bare{};
    if (inet_pton(AF_INET6, text.c_str(), bare.data()) == 1) {
      // What stands behind the last colon was probably meant for the port.
      const size_t last = text.rfind(':');
      const std::string before = text.substr(0, last);
      const bool port = text.find_first_not_of("0123456789", last + 1) == std::string::npos &&
                        inet_pton(AF_INET6, before.c_str(), bare.data()) == 1;
      return fail(word.column, "an IPv6 address stands in brackets (expected [address]:port)",
                  port ? '[' + before + ']' + text.substr(last) : '[' + text + "]:*");
    }
  }
  range.prefix = range.v6 ? 128 : 32;
  size_t i = address_end;
  bool prefix_given = false;
  if (const size_t inner = address.find('/'); range.v6 && inner != std::string::npos) {
    if (!parse_prefix(word, std::string_view(address).substr(inner + 1), inner + 2, 128,
                      &range.prefix)) {
      return false;
    }
    prefix_given = true;
    address.resize(inner);
  }
  if (i < text.size() && text[i] == '/') {
    const size_t end = std::min(text.find(':', i), text.size());
    if (!parse_prefix(word, std::string_view(text).substr(i + 1, end - i - 1), i + 1,
                      range.v6 ? 128 : 32, &range.prefix)) {
      return false;
    }
    prefix_given = true;
    i = end;
  }
  if (i < text.size()) {
    if (text[i] != ':') {
      return fail(word.column_of(i), "unexpected " + quoted(text.substr(i)) + " (expected " +
                                         std::string(kEndpointForm) + ')');
    }
    if (!parse_ports(word, std::string_view(text).substr(i + 1), i + 1, &range)) return false;
  }
  if (!range.v6 && address == "*") {
    if (prefix_given) return fail(word.column, "* takes no prefix (expected * or *:port)");
    range.prefix = 0;
    rule->endpoints.emplace_back(range);
    range.v6 = true;
    rule->endpoints.emplace_back(range);
    return true;
  }
  if (inet_pton(range.v6 ? AF_INET6 : AF_INET, address.c_str(), range.address.data()) != 1) {
    if (!range.v6 && !address.empty() && is_host_name(address)) {
      if (prefix_given) {
        return fail(word.column, "a host name takes no prefix (expected an address before /)");
      }
      return resolve_host(word, address, range, rule);
    }
    return fail(word.column,
                quoted(text) + " is not an address (expected " + std::string(kEndpointForm) + ')',
                with_any_address(text));
  }
  const Endpoint canonical = range.v6 ? Endpoint::v6(range.address, 0, 0) : Endpoint{};
  if (canonical.kind == Endpoint::Kind::V4) {
    if (range.prefix < 96) {
      return fail(word.column, "an IPv4-mapped address is IPv4 (expected a prefix of 96 or more)");
    }
    range.v6 = false;
    range.address = canonical.address;
    range.prefix -= 96;
  }
  if (mask(&range) && remarks_ != Remarks::None) {
    warn(word.column, quoted(text) + " has address bits behind its prefix; they are ignored");
  }
  rule->endpoints.emplace_back(range);
  return true;
}

bool StatementParser::parse_unix_endpoint(const Word& word, NetRule* rule) {
  if (!word.text.starts_with('@')) {
    // A socket's name is an object's own name: links are resolved as in path statements.
    std::vector<Pattern> patterns;
    if (auto mistake = parse_pattern(word, &patterns)) return fail(std::move(*mistake));
    for (const Pattern& pattern : patterns) {
      LinkResolver::Resolved resolved = context_.links.resolve(pattern);
      if (resolved.through_link && remarks_ != Remarks::None) {
        warn(word.column, quoted(pattern.text()) +
                              " leads through a symbolic link; what is "
                              "matched is " +
                              quoted(resolved.pattern.text()));
      }
      rule->endpoints.emplace_back(std::move(resolved.pattern));
    }
    return true;
  }
  Word name = word;
  name.text.erase(0, 1);
  name.columns.erase(name.columns.begin());
  std::vector<Word> names;
  if (auto mistake = expand_braces(name, &names)) return fail(std::move(*mistake));
  for (const Word& one : names) {
    Mistake mistake;
    auto glob = Glob::parse(one.text, &mistake);
    if (!glob) {
      mistake.column = one.column_of(static_cast<size_t>(mistake.column));
      return fail(std::move(mistake));
    }
    rule->endpoints.emplace_back(AbstractName{std::move(*glob), one.text});
  }
  return true;
}

bool StatementParser::parse_netlink_endpoint(const Word& word, NetRule* rule) {
  unsigned number = 0;
  if (read_decimal(word.text, 255, &number)) {
    rule->endpoints.emplace_back(NetlinkProtocol{static_cast<int>(number)});
    return true;
  }
  if (const auto protocol = netlink_protocol(word.text)) {
    rule->endpoints.emplace_back(NetlinkProtocol{*protocol});
    return true;
  }
  std::vector<std::string_view> words;
  for (const NetlinkWord& known : netlink_protocols()) words.push_back(known.word);
  return fail(word.column,
              "unknown netlink protocol " + quoted(word.text) + " (expected " + enumeration(words) +
                  ", a number or *)",
              nearest(word.text, words));
}

bool StatementParser::parse_endpoint(const Word& word, std::string_view family, NetRule* rule,
                                     bool* any) {
  Word expanded;
  bool known = true;
  if (!expand(word, &expanded, &known)) return false;
  if (!known) return true;
  const std::string& text = expanded.text;
  const bool unix_form = text.starts_with('/') || text.starts_with('@') || text.starts_with('{');
  if (text == "*") {
    *any = true;
    return true;
  }
  if (family == "packet" || family == "vsock") {
    return fail(word.column,
                std::string(family) + " sockets have no endpoints in the language (expected *)");
  }
  if (family == "netlink") return parse_netlink_endpoint(expanded, rule);
  if (family == "unix" || (family == "any" && unix_form)) {
    if (family == "unix" && !unix_form) {
      return fail(word.column, quoted(word.text) +
                                   " is not a unix endpoint (expected an absolute "
                                   "path, @name or *)");
    }
    return parse_unix_endpoint(expanded, rule);
  }
  if (unix_form) {
    return fail(word.column, quoted(word.text) + " is a unix endpoint (expected " +
                                 std::string(kEndpointForm) + ')');
  }
  Word plain = expanded;
  plain.text = unescape(expanded.text);
  return parse_ip_endpoint(plain, rule);
}

bool StatementParser::parse_net_ops(NetRule* rule) {
  // An endpoint can be a host name, so only a word that begins like a list of operations is one.
  if (!more()) return true;
  const std::string& text = peek().text;
  const std::string_view first = std::string_view(text).substr(0, text.find(','));
  const bool named = std::find(kOps.begin(), kOps.end(), first) != kOps.end();
  const bool almost = text.find_first_of("./:*@[{$~0123456789") == std::string::npos &&
                      (text.find(',') != std::string::npos || !nearest(first, kOps).empty());
  if (!named && !almost) return true;
  std::vector<size_t> chosen;
  if (!choose_list("network operation", kOps, &chosen)) return false;
  for (const size_t i : chosen) rule->ops |= 1u << i;
  return true;
}

bool StatementParser::parse_network() {
  NetRule rule;
  if (!parse_verdict(&rule.ruling)) return false;
  std::vector<std::string_view> words;
  words.reserve(std::size(kFamilies));
  for (const FamilyWord& family : kFamilies) words.push_back(family.word);
  size_t chosen = 0;
  if (!choose("family", words, &chosen)) return false;
  rule.families = kFamilies[chosen].families;
  const std::string_view family = kFamilies[chosen].word;
  parse_trailing_log(&rule.ruling);
  if (family == "all" && more()) {
    return fail(peek().column,
                "`all` is a whole statement (expected nothing after it; `any` takes operations "
                "and endpoints)",
                "any " + peek().text);
  }
  const bool protocol = family == "netlink" && more() && netlink_protocol(peek().text);
  if (!protocol && !parse_net_ops(&rule)) return false;
  bool any = false;
  bool endpoints_named = false;
  while (more()) {
    parse_trailing_log(&rule.ruling);
    if (!more()) break;
    endpoints_named = true;
    if (!parse_endpoint(take(), family, &rule, &any)) return false;
  }
  const bool unknown = endpoints_named && rule.endpoints.empty() && !any;
  if (any) rule.endpoints.clear();
  rule.ruling.statement = commit();
  // No endpoints means all of them; endpoints that are not known now (${PROGRAM}) mean none.
  if (unknown) return true;
  context_.program.networks.push_back(std::move(rule));
  return true;
}

}  // namespace callgate
