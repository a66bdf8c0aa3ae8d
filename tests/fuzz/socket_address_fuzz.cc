// An address is read as the kernel reads it. Where a real socket takes the address (a UDP connect
// sends nothing, an abstract name is bound and given up again), the peer or name that the kernel
// then reports is the endpoint that was read; what is refused here as EINVAL it never takes.
// Whatever the socket is: only a unix socket has unix names, and no name holds a NUL that a path
// would end at.
//
// The input: which socket (a digit, kSockets), which call (a digit, kOps), then the address.
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>

#include "arch/unique_fd.h"
#include "monitor/socket_address.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/kernel_endpoint.h"

namespace callgate::fuzz {
namespace {

constexpr SocketFacts kSockets[] = {
    {AF_INET, SOCK_DGRAM, 0, false},   {AF_INET6, SOCK_DGRAM, 0, false},
    {AF_UNIX, SOCK_DGRAM, 0, false},   {AF_INET, SOCK_STREAM, 0, false},
    {AF_INET6, SOCK_RAW, 17, false},   {AF_NETLINK, SOCK_RAW, 9, false},
    {AF_PACKET, SOCK_DGRAM, 0, false}, {AF_VSOCK, SOCK_STREAM, 0, false},
    {AF_UNIX, SOCK_STREAM, 0, false},  {43 /*AF_SMC*/, SOCK_STREAM, 0, false}};
constexpr NetOp kOps[] = {NetOp::Connect, NetOp::Bind, NetOp::Send};

void ask_udp(const SocketFacts& facts, std::span<const std::byte> bytes,
             const Result<Endpoint>& endpoint) {
  const UniqueFd fd(::socket(facts.domain, facts.type | SOCK_CLOEXEC, 0));
  const auto* address = reinterpret_cast<const sockaddr*>(bytes.data());
  if (!fd.valid() || ::connect(fd.get(), address, static_cast<socklen_t>(bytes.size())) != 0)
    return;
  holds(endpoint.ok(), "what the kernel takes can be read");
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getpeername(fd.get(), reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
    holds(endpoint->kind == Endpoint::Kind::None || endpoint->port == 0, "no peer, or none shown");
    return;
  }
  Endpoint peer = told(storage);
  peer.scope = endpoint->scope;  // getpeername tells it for link-local addresses alone
  const bool unspecified = endpoint->address == std::array<uint8_t, 16>{};
  holds(peer == *endpoint || (unspecified && loopback(peer) && peer.port == endpoint->port),
        "the kernel's peer is the endpoint");
}

void ask_abstract(std::span<const std::byte> bytes, const Result<Endpoint>& endpoint) {
  const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto* address = reinterpret_cast<const sockaddr*>(bytes.data());
  if (::bind(fd.get(), address, static_cast<socklen_t>(bytes.size())) != 0) return;
  holds(endpoint.ok(), "what the kernel binds can be read");
  sockaddr_un name{};
  socklen_t size = sizeof name;
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&name), &size);
  const size_t length = size - offsetof(sockaddr_un, sun_path) - 1;
  holds(endpoint->kind == Endpoint::Kind::UnixAbstract &&
            endpoint->name == std::string(&name.sun_path[1], length),
        "the kernel's name is the endpoint's");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using Kind = Endpoint::Kind;
  Input input(data, size);
  const SocketFacts& facts = kSockets[input.choice(std::size(kSockets))];
  const NetOp op = kOps[input.choice(std::size(kOps))];
  const auto bytes = input.bytes().first(std::min(input.bytes().size(), sizeof(sockaddr_storage)));
  const Result<Endpoint> endpoint = read_endpoint(bytes, facts, op);
  if (!endpoint.ok()) holds(endpoint.error().code == EINVAL, "the only errno is EINVAL");
  if (op == NetOp::Connect && &facts <= &kSockets[1]) ask_udp(facts, bytes, endpoint);
  const bool abstract = bytes.size() > 2 && bytes[0] == std::byte{AF_UNIX} &&
                        bytes[1] == std::byte{0} && bytes[2] == std::byte{0};
  if (op == NetOp::Bind && facts.domain == AF_UNIX && abstract) ask_abstract(bytes, endpoint);
  if (!endpoint.ok()) return 0;
  const bool named = endpoint->kind == Kind::UnixPath || endpoint->kind == Kind::UnixAbstract ||
                     endpoint->kind == Kind::UnixUnnamed;
  holds(!named || facts.domain == AF_UNIX, "only a unix socket has unix names");
  if (endpoint->kind == Kind::UnixPath) {
    holds(!endpoint->name.empty() && endpoint->name.find('\0') == std::string::npos &&
              endpoint->name.size() <= sizeof(sockaddr_un::sun_path),
          "a path is what stands before the NUL");
  }
  holds(endpoint->kind != Kind::None || op == NetOp::Connect || facts.domain == AF_INET6,
        "only a connect dissolves");
  holds(endpoint->kind == Kind::None || !endpoint->text().empty(), "an endpoint can be shown");
  return 0;
}

}  // namespace callgate::fuzz
