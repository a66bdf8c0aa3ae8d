#include "monitor/source_route.h"

#include <linux/in6.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

namespace callgate {
namespace {

// Asking for IP options or a routing header as they came in is harmless, so get has its own list.
constexpr auto kSet = std::to_array<SocketOption>({
    {IPPROTO_IP, IP_OPTIONS},  // LSRR, SSRR
    {IPPROTO_IP, 16},          // IP_IPSEC_POLICY: tunnels
    {IPPROTO_IP, IP_XFRM_POLICY},
    {IPPROTO_IP, IP_HDRINCL},    // the packet brings its own
    {IPPROTO_IPV6, 36},          // IPV6_HDRINCL
    {IPPROTO_IPV6, IPV6_RTHDR},  // needs no right: type 2 and segment routing
    {IPPROTO_IPV6, 5},           // IPV6_2292RTHDR
    {IPPROTO_IPV6, 6},           // IPV6_2292PKTOPTIONS: control messages as one option
    {IPPROTO_IPV6, 32},          // IPV6_FLOWLABEL_MGR: a label brings control messages along
    {IPPROTO_IPV6, 34},          // IPV6_IPSEC_POLICY
    {IPPROTO_IPV6, IPV6_XFRM_POLICY},
    {IPPROTO_SCTP, 100},  // SCTP_SOCKOPT_BINDX_ADD
    {IPPROTO_SCTP, 107},  // SCTP_SOCKOPT_CONNECTX_OLD
    {IPPROTO_SCTP, 110},  // SCTP_SOCKOPT_CONNECTX
});
constexpr auto kGet = std::to_array<SocketOption>({
    {IPPROTO_SCTP, 111},  // SCTP_SOCKOPT_CONNECTX3
});
constexpr auto kControl = std::to_array<SocketOption>({
    {IPPROTO_IP, IP_RETOPTS},
    {IPPROTO_IPV6, IPV6_RTHDR},
    {IPPROTO_IPV6, 5},  // IPV6_2292RTHDR
    {IPPROTO_SCTP, 7},  // SCTP_DSTADDRV4
    {IPPROTO_SCTP, 8},  // SCTP_DSTADDRV6
});

// struct cmsghdr; compat_cmsghdr has a narrower length.
template <typename Word>
struct ControlHeader {
  Word length;
  int32_t level;
  int32_t type;
};

template <typename Word>
Result<bool> routes_as(std::span<const std::byte> control) {
  using Header = ControlHeader<Word>;
  while (control.size() >= sizeof(Header)) {
    Header header;
    std::memcpy(&header, control.data(), sizeof header);
    // CMSG_OK; for_each_cmsghdr.
    if (header.length < sizeof header || header.length > control.size()) return Error{EINVAL};
    const SocketOption option{header.level, header.type};
    if (std::find(kControl.begin(), kControl.end(), option) != kControl.end()) return true;
    const auto length = static_cast<size_t>(header.length);
    const size_t aligned = (length + sizeof(Word) - 1) & ~(sizeof(Word) - 1);
    control = control.subspan(std::min(aligned, control.size()));
  }
  return false;
}

}  // namespace

std::span<const SocketOption> routing_options(bool get) {
  if (get) return kGet;
  return kSet;
}

Result<bool> routes_elsewhere(std::span<const std::byte> control, Abi abi) {
  return pointer_size(abi) == 4 ? routes_as<uint32_t>(control) : routes_as<uint64_t>(control);
}

}  // namespace callgate
