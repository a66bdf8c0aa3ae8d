// sockaddr bytes as the kernel reads them, and sockets as it made them.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <span>
#include <string>

#include "arch/result.h"
#include "monitor/mirror.h"
#include "policy/network.h"

namespace callgate {

// What a socket is in the words of the policy.
NetFamily net_family(const SocketFacts& facts);
// "tcp connect", as events tell it.
std::string net_operation_text(NetFamily family, NetOp op);

// The endpoint in `bytes`, for a socket with these facts. A pathname AF_UNIX address comes back as
// UnixPath with the name as given (not yet canonical). EINVAL where the kernel would say so.
// AF_UNSPEC is read as the kernel does: as an address by bind and by a datagram's sendto, as
// "dissolve" (Kind::None) by connect. A family that the socket does not take is Kind::Other.
Result<Endpoint> read_endpoint(std::span<const std::byte> bytes, const SocketFacts& facts,
                               NetOp op);

// "socket:[1234]" -> 1234, for a task's descriptor; ENOTSOCK or EBADF.
Result<uint64_t> socket_inode(pid_t tid, int fd);
// Asks the kernel about a socket that was not made under our eyes, through a short-lived duplicate
// (pidfd_getfd); EPERM where that is not allowed.
Result<SocketFacts> query_socket(pid_t tid, int fd, uint64_t inode);
// How long a call waits on a task's socket; `option` is SO_RCVTIMEO or SO_SNDTIMEO. 0: for ever.
Result<int64_t> socket_timeout_ns(pid_t tid, int fd, int option);

}  // namespace callgate
