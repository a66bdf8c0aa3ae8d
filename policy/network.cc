#include "policy/network.h"

#include <arpa/inet.h>

#include <algorithm>

namespace callgate {
namespace {

// ::ffff:0:0/96, RFC 4291 2.5.5.2.
constexpr std::array<uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

std::span<const NetlinkWord> netlink_protocols() {
  static constexpr std::array<NetlinkWord, 14> kProtocols = {{{"route", 0},
                                                                  {"usersock", 2},
                                                                  {"sock_diag", 4},
                                                                  {"nflog", 5},
                                                                  {"xfrm", 6},
                                                                  {"selinux", 7},
                                                                  {"audit", 9},
                                                                  {"fib_lookup", 10},
                                                                  {"connector", 11},
                                                                  {"netfilter", 12},
                                                                  {"kobject_uevent", 15},
                                                                  {"generic", 16},
                                                                  {"rdma", 20},
                                                                  {"crypto", 21}}};
  return kProtocols;
}

std::optional<int> netlink_protocol(std::string_view word) {
  for (const NetlinkWord& known : netlink_protocols()) {
    if (known.word == word) return known.number;
  }
  return std::nullopt;
}

std::string_view net_family_name(NetFamily family) {
  switch (family) {
    case NetFamily::Tcp:
      return "tcp";
    case NetFamily::Udp:
      return "udp";
    case NetFamily::Unix:
      return "unix";
    case NetFamily::Netlink:
      return "netlink";
    case NetFamily::Raw:
      return "raw";
    case NetFamily::Packet:
      return "packet";
    case NetFamily::Vsock:
      return "vsock";
    case NetFamily::Other:
      return "other";
  }
  return "other";
}

std::string_view net_op_name(NetOp op) {
  switch (op) {
    case NetOp::Connect:
      return "connect";
    case NetOp::Bind:
      return "bind";
    case NetOp::Send:
      return "send";
    case NetOp::Listen:
      return "listen";
    case NetOp::Accept:
      return "accept";
    case NetOp::Create:
      return "create";
  }
  return "create";
}

Endpoint Endpoint::v4(std::array<uint8_t, 4> address, uint16_t port) {
  Endpoint out;
  out.kind = Kind::V4;
  std::copy(address.begin(), address.end(), out.address.begin());
  out.port = port;
  return out;
}

Endpoint Endpoint::v6(std::array<uint8_t, 16> address, uint16_t port, uint32_t scope) {
  if (std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), address.begin())) {
    return v4({address[12], address[13], address[14], address[15]}, port);
  }
  Endpoint out;
  out.kind = Kind::V6;
  out.address = address;
  out.port = port;
  out.scope = scope;
  return out;
}

std::string Endpoint::text() const {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  switch (kind) {
    case Kind::None:
      return {};
    case Kind::V4:
      inet_ntop(AF_INET, address.data(), buffer.data(), buffer.size());
      return std::string(buffer.data()) + ':' + std::to_string(port);
    case Kind::V6:
      inet_ntop(AF_INET6, address.data(), buffer.data(), buffer.size());
      return '[' + std::string(buffer.data()) +
             (scope == 0 ? std::string() : '%' + std::to_string(scope)) +
             "]:" + std::to_string(port);
    case Kind::UnixPath:
      return "unix:" + name;
    case Kind::UnixAbstract:
      return "unix:@" + name;
    case Kind::UnixUnnamed:
      return "unix:unnamed";
    case Kind::Netlink:
      return "netlink:" + std::to_string(netlink_protocol);
    case Kind::Other:
      return "other";
  }
  return {};
}

}  // namespace callgate
