// What would lead IP traffic by way of another address than the one that was judged: routing
// headers, source routes, and options that carry addresses of their own. The kernel takes them from
// socket options and from control messages; neither is the address of the call.
#pragma once

#include <cstddef>
#include <span>

#include "arch/abi.h"
#include "arch/result.h"

namespace callgate {

struct SocketOption {
  int level = 0;
  int name = 0;
  friend bool operator==(const SocketOption&, const SocketOption&) = default;
};
// Of setsockopt, or of getsockopt: SCTP connects by one.
std::span<const SocketOption> routing_options(bool get);

// Whether a control message holds such an option. EINVAL where it is malformed, as the kernel says.
Result<bool> routes_elsewhere(std::span<const std::byte> control, Abi abi);

}  // namespace callgate
