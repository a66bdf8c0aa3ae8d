// Sockets and endpoints as the policy speaks of them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace callgate {

// What a socket *is* (its own domain, type and protocol), not what a call says of it.
// Other: any family the language has no word for; only `any` and `all` rules speak of it.
enum class NetFamily : uint8_t { Tcp, Udp, Unix, Netlink, Raw, Packet, Vsock, Other };
enum class NetOp : uint8_t { Connect, Bind, Send, Listen, Accept, Create };
inline constexpr int kNetFamilyCount = 8;
inline constexpr int kNetOpCount = 6;

std::string_view net_family_name(NetFamily family);
std::string_view net_op_name(NetOp op);

// The netlink protocols that have a word (include/uapi/linux/netlink.h).
struct NetlinkWord {
  std::string_view word;
  int number;
};
std::span<const NetlinkWord> netlink_protocols();
std::optional<int> netlink_protocol(std::string_view word);

// An address as the kernel will read it. The constructor functions canonicalise: IPv4-mapped IPv6
// becomes IPv4.
struct Endpoint {
  enum class Kind : uint8_t { None, V4, V6, UnixPath, UnixAbstract, UnixUnnamed, Netlink, Other };
  Kind kind = Kind::None;
  std::array<uint8_t, 16> address{};  // V4: first four bytes, network order
  uint16_t port = 0;                  // host order
  uint32_t scope = 0;                 // V6 scope id
  std::string name;                   // UnixPath: canonical path; UnixAbstract: bytes after the NUL
  int netlink_protocol = -1;          // Netlink: NETLINK_ROUTE is 0

  static Endpoint v4(std::array<uint8_t, 4> address, uint16_t port);
  static Endpoint v6(std::array<uint8_t, 16> address, uint16_t port, uint32_t scope);
  // "127.0.0.1:80", "[::1]:80", "unix:/run/x", "unix:@name"; foreign bytes are not escaped here.
  [[nodiscard]] std::string text() const;
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

struct NetQuestion {
  NetFamily family = NetFamily::Other;
  NetOp op = NetOp::Create;
  Endpoint endpoint;  // Kind::None for create, and for a listen without a bound address
};

}  // namespace callgate
