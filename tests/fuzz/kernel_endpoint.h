// Endpoints as the kernel tells them back, read here without the monitor's code.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "policy/network.h"

namespace callgate::fuzz {

inline bool loopback(Endpoint peer) {
  peer.port = 0;
  peer.scope = 0;
  return peer == Endpoint::v4({127, 0, 0, 1}, 0) ||
         peer == Endpoint::v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 0, 0);
}

// What the kernel says it understood.
inline Endpoint told(const sockaddr_storage& address) {
  std::array<uint8_t, 16> bytes{};
  if (address.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(address);
    const uint32_t host = ntohl(in.sin_addr.s_addr);
    return Endpoint::v4({static_cast<uint8_t>(host >> 24), static_cast<uint8_t>(host >> 16),
                         static_cast<uint8_t>(host >> 8), static_cast<uint8_t>(host)},
                        ntohs(in.sin_port));
  }
  const auto& in6 = reinterpret_cast<const sockaddr_in6&>(address);
  std::copy_n(in6.sin6_addr.s6_addr, 16, bytes.begin());
  return Endpoint::v6(bytes, ntohs(in6.sin6_port), 0);
}

}  // namespace callgate::fuzz
