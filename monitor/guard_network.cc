// Sockets: judged by what the socket is and by the address as the kernel will read it: the bytes
// are copied once, judged, and the copy is what the kernel gets.
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "monitor/guard.h"
#include "monitor/message.h"
#include "monitor/named.h"
#include "monitor/socket_address.h"
#include "monitor/source_route.h"
#include "monitor/stand_in.h"
#include "policy/network_index.h"

namespace callgate {
namespace {

constexpr size_t kLargestAddress = sizeof(sockaddr_storage);
constexpr const char* kRouted = "it would lead traffic past the address that is judged";
constexpr int kTypeMask = 0xf;  // SOCK_TYPE_MASK: the rest is SOCK_NONBLOCK and SOCK_CLOEXEC

NetOp net_op(Operation operation, NetFamily family) {
  if (operation == Operation::Connect) return NetOp::Connect;
  if (operation == Operation::Bind) return NetOp::Bind;
  // An addressed send on a stream connects (TCP fast open).
  return family == NetFamily::Tcp ? NetOp::Connect : NetOp::Send;
}

// What is sent goes to the peer that these have: whatever address stands beside it, no kernel looks
// at its name, but says EISCONN or EOPNOTSUPP, or passes over it (net/unix/af_unix.c).
bool goes_by_peer(const SocketFacts& facts) {
  return facts.domain == AF_UNIX && (facts.type == SOCK_STREAM || facts.type == SOCK_SEQPACKET);
}

}  // namespace

Answer Guard::socket_call(Task& task, const Stop& stop) {
  SocketFacts facts;
  facts.domain = stop.int_argument(Role::Domain);
  facts.type = stop.int_argument(Role::SocketType) & kTypeMask;
  facts.protocol = stop.int_argument(Role::Protocol);
  NetQuestion question;
  question.family = net_family(facts);
  question.op = NetOp::Create;
  if (question.family == NetFamily::Netlink) {
    question.endpoint.kind = Endpoint::Kind::Netlink;
    question.endpoint.netlink_protocol = facts.protocol;
  }
  Event event = start_event(task, stop, Event::Kind::Network,
                            net_operation_text(question.family, NetOp::Create));
  Decision decision = policy_.network(question);
  if (options_.model == Model::Naive)
    decision.verdict = Verdict::Allow;  // it waits for the connect
  if (!decision.allowed()) return decided(task, stop, std::move(event), decision, Proceed{});
  const bool addresses_itself = question.family == NetFamily::Raw && facts.protocol == IPPROTO_RAW;
  if (addresses_itself && options_.model != Model::Naive && policy_.needs().network) {
    return refuse_for(task, stop, std::move(event), EPERM, kRouted);
  }
  event.rule = decision.rule;
  Track track;
  track.flight.abi = stop.abi;
  track.flight.row = stop.row;
  track.flight.after = After::Socket;
  track.flight.facts = facts;
  if (options_.observe_all || decision.log) track.flight.event = std::move(event);
  return track;
}

void Guard::finish_socket(Task& task, const InFlight& flight, int64_t result) {
  if (result < 0) return;
  if (flight.row->operation == Operation::Socket) {
    auto inode = socket_inode(task.tid, static_cast<int>(result));
    if (inode.ok()) mirror_.learn_socket(*inode, flight.facts);
    if (options_.model == Model::Naive) {
      mirror_.naive()
          .of(task.process->pid, task.process->parent)
          .sockets[static_cast<int>(result)] = flight.facts;
    }
  } else {
    mirror_.learn_socket(flight.inode, flight.facts);  // bind: the same socket, bound now
  }
}

// Named as what is judged: an unspecified address is loopback, where the kernel goes with it.
Event::Object Guard::JudgedAddress::object() const {
  const NetQuestion judged = judged_instead(question).value_or(question);
  return {asked, lookup_error == 0 ? judged.endpoint.text() : "", {}};
}

Result<SocketFacts> Guard::socket_facts(Task& task, int fd, uint64_t* inode) {
  CALLGATE_TRY(*inode, socket_inode(task.tid, fd));
  if (const SocketFacts* known = mirror_.socket(*inode)) return *known;
  auto facts = query_socket(task.tid, fd, *inode);
  if (facts.ok()) mirror_.learn_socket(*inode, *facts);
  return facts;
}

// Judges one address; where it is a pathname socket, `place` is set to where it leads.
Result<Guard::JudgedAddress> Guard::judge_address(Task& task, const Stop& stop,
                                                  std::span<const std::byte> bytes,
                                                  const SocketFacts& facts) {
  JudgedAddress judged;
  judged.question.family = net_family(facts);
  judged.question.op = net_op(stop.row->operation, judged.question.family);
  CALLGATE_TRY(judged.question.endpoint, read_endpoint(bytes, facts, judged.question.op));
  Endpoint& endpoint = judged.question.endpoint;
  judged.asked = endpoint.text();
  if (endpoint.kind == Endpoint::Kind::UnixPath) {
    CALLGATE_TRY(const Credentials credentials, credentials_of(task));
    ResolveOptions options;
    options.follow = judged.question.op != NetOp::Bind;
    options.parent_call = !options.follow;
    std::string lost;
    if (policy_.needs().stat) options.lost = &lost;
    auto place = resolver_.resolve(viewer(task, &credentials), AT_FDCWD, endpoint.name, options);
    if (!place.ok() || (!place->exists() && options.follow)) {
      endpoint.name = place.ok() ? place->name : lost;
      if (const auto hiding = hides(endpoint.name)) {
        judged.decision = *hiding;
      } else {
        judged.lookup_error = place.ok() ? ENOENT : place.error().code;
      }
      return judged;
    }
    endpoint.name = place->name;
    judged.place = *std::move(place);
  }
  if (endpoint.kind == Endpoint::Kind::None) {
    judged.decision.verdict = Verdict::Allow;  // connect(AF_UNSPEC): gives up a peer
  } else {
    judged.decision = policy_.network(judged.question);
  }
  return judged;
}

// The address as the kernel shall read it.
Result<std::vector<std::byte>> Guard::sealed_address(Task& task, InFlight& flight,
                                                     std::span<const std::byte> bytes,
                                                     JudgedAddress& judged) {
  std::vector<std::byte> out(bytes.begin(), bytes.end());
  if (!judged.place || judged.question.op == NetOp::Bind) return out;
  // Under Landlock a pin is a name, and nobody could be held while a connect waits.
  if (task.landlocked) return Error{EACCES};
  CALLGATE_TRY(const std::string path, pin(task, flight, *judged.place, true));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return Error{ENAMETOOLONG};
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  out.resize(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  std::memcpy(out.data(), &address, out.size());
  return out;
}

// The call with this address in place of its own.
Answer Guard::put_address(Task& task, const Stop& stop, std::span<const std::byte> address) {
  auto track = begin_redirect(task, stop);
  if (!track.ok()) return exhausted(task, stop, track.error().code);
  auto at = track->flight.slot.put(address);
  if (!at.ok()) return exhausted(task, stop, at.error().code);
  track->changed->set_argument(stop.abi, stop.row->argument(Role::SockAddr),
                               static_cast<uint64_t>(*at));
  track->changed->set_argument(stop.abi, stop.row->argument(Role::SockAddrLen), address.size());
  return *std::move(track);
}

Answer Guard::address_call(Task& task, const Stop& stop) {
  Event event = start_event(task, stop, Event::Kind::Network, std::string(stop.row->name));
  const int length = stop.int_argument(Role::SockAddrLen);
  if (length < 0 || static_cast<size_t>(length) > kLargestAddress) {
    return failed_lookup(task, std::move(event), EINVAL);
  }
  if (length == 0 && stop.row->operation == Operation::SendTo) return Proceed{};
  std::vector<std::byte> bytes(static_cast<size_t>(length));
  auto copied = TraceeMemory(task.tid).read(TraceeAddr{stop.argument(Role::SockAddr)}, bytes);
  if (!copied.ok()) return failed_lookup(task, std::move(event), EFAULT);
  uint64_t inode = 0;
  auto facts = socket_facts(task, stop.int_argument(Role::Fd), &inode);
  if (!facts.ok()) {
    if (facts.error().code == EBADF || facts.error().code == ENOTSOCK) {
      return failed_lookup(task, std::move(event), facts.error().code);
    }
    return refuse_for(task, stop, std::move(event), EACCES, "it cannot be told what the socket is");
  }
  if (stop.row->operation == Operation::SendTo && goes_by_peer(*facts)) {
    if (!enforcing() || options_.model != Model::Sealed) return Proceed{};
    // Should the descriptor be another socket by then, nobody is there either.
    return put_address(task, stop, failing_address());
  }
  auto judged = judge_address(task, stop, bytes, *facts);
  if (!judged.ok()) return failed_lookup(task, std::move(event), judged.error().code);
  event.operation = net_operation_text(judged->question.family, judged->question.op);
  event.objects.push_back(judged->object());
  if (judged->lookup_error != 0) return failed_lookup(task, std::move(event), judged->lookup_error);
  if (!judged->decision.allowed() || !enforcing() || options_.model != Model::Sealed) {
    return decided(task, stop, std::move(event), judged->decision, Proceed{});
  }
  const bool names_path = judged->place && judged->question.op == NetOp::Bind;
  if (!stop.alone) {
    // A pathname that is bound keeps the program's own spelling (getsockname shows it), so nobody
    // may move a directory meanwhile; elsewhere the address is sealed and only the descriptor
    // could become another socket.
    if (names_path) return HoldOthers{HoldOthers::Scope::Sandbox};
    if (task.files.use_count() > 1 && policy_.network_depends_on_type()) {
      return HoldOthers{HoldOthers::Scope::DescriptorTable};
    }
  }
  event.rule = judged->decision.rule;
  auto track = begin_redirect(task, stop);
  if (!track.ok()) return exhausted(task, stop, track.error().code);
  InFlight& flight = track->flight;
  if (options_.observe_all || judged->decision.log) flight.event = std::move(event);
  auto sealed = sealed_address(task, flight, bytes, *judged);
  if (!sealed.ok()) return exhausted(task, stop, sealed.error().code);
  auto at = flight.slot.put(*sealed);
  if (!at.ok()) return exhausted(task, stop, at.error().code);
  Registers& changed = *track->changed;
  changed.set_argument(stop.abi, stop.row->argument(Role::SockAddr), static_cast<uint64_t>(*at));
  changed.set_argument(stop.abi, stop.row->argument(Role::SockAddrLen), sealed->size());
  if (stop.row->operation == Operation::Bind) {
    flight.after = After::Socket;
    flight.inode = inode;
    flight.facts = *facts;
    flight.facts.bound = true;
  }
  return *std::move(track);
}

// sendmsg, and one entry of sendmmsg: `header_at` is the caller's msghdr.
Answer Guard::send_message(Task& task, const Stop& stop, uint64_t header_at) {
  Event event = start_event(task, stop, Event::Kind::Network, "send");
  auto message = read_message(TraceeMemory(task.tid), TraceeAddr{header_at}, stop.abi);
  if (!message.ok()) return failed_lookup(task, std::move(event), message.error().code);
  uint64_t inode = 0;
  auto facts = socket_facts(task, stop.int_argument(Role::Fd), &inode);
  if (!facts.ok() && !message->name.empty()) {
    return failed_lookup(task, std::move(event), facts.error().code);
  }
  // A unix socket's control messages hold descriptors, which are nobody's address; but another
  // socket may have taken the number by the time of the call.
  if (message->control_length > 0 && policy_.needs().network) {
    auto elsewhere = [&]() -> Result<bool> {
      CALLGATE_TRY([[maybe_unused]] Unit done, seal_control(TraceeMemory(task.tid), *message));
      return routes_elsewhere(message->sealed_control, stop.abi);
    }();
    if (!elsewhere.ok() && enforcing()) {
      return failed_lookup(task, std::move(event), elsewhere.error().code);
    }
    if (elsewhere.ok() && *elsewhere) {
      return refuse_for(task, stop, std::move(event), EPERM, kRouted);
    }
  }
  std::optional<JudgedAddress> judged;
  bool keep = false;
  if (!message->name.empty() && facts.ok() && goes_by_peer(*facts)) {
    if (!enforcing() || options_.model != Model::Sealed) return Proceed{};
    message->name = failing_address();
  } else if (!message->name.empty()) {
    auto address = judge_address(task, stop, message->name, *facts);
    if (!address.ok()) return failed_lookup(task, std::move(event), address.error().code);
    judged = *std::move(address);
    event.operation = net_operation_text(judged->question.family, judged->question.op);
    event.objects.push_back(judged->object());
    if (judged->lookup_error != 0) {
      return failed_lookup(task, std::move(event), judged->lookup_error);
    }
    if (!judged->decision.allowed() || !enforcing() || options_.model != Model::Sealed) {
      return decided(task, stop, std::move(event), judged->decision, Proceed{});
    }
    if (!stop.alone && task.files.use_count() > 1 && policy_.network_depends_on_type()) {
      return HoldOthers{HoldOthers::Scope::DescriptorTable};
    }
    event.rule = judged->decision.rule;
    keep = options_.observe_all || judged->decision.log;
  } else if (!enforcing() || options_.model != Model::Sealed) {
    return Proceed{};
  }
  auto track = begin_redirect(task, stop);
  if (!track.ok()) return exhausted(task, stop, track.error().code);
  if (keep) track->flight.event = std::move(event);
  if (judged) {
    auto sealed = sealed_address(task, track->flight, message->name, *judged);
    if (!sealed.ok()) return exhausted(task, stop, sealed.error().code);
    message->name = *std::move(sealed);
  }
  auto at = put_message(track->flight.slot, *message, stop.abi);
  if (!at.ok()) return exhausted(task, stop, at.error().code);
  static const SyscallRow* const sendmsg = find_syscall("sendmsg");
  Registers& changed = *track->changed;
  changed.set_number(stop.abi, sendmsg->number[static_cast<size_t>(stop.abi)]);
  changed.set_argument(stop.abi, 0, stop.argument(Role::Fd));
  changed.set_argument(stop.abi, 1, static_cast<uint64_t>(*at));
  changed.set_argument(stop.abi, 2, stop.argument(Role::MsgFlags));
  return *std::move(track);
}

Answer Guard::message_call(Task& task, const Stop& stop) {
  return send_message(task, stop, stop.argument(Role::MsgHdr));
}

// sendmmsg becomes one sendmsg after the other: the kernel writes each length into the caller's
// array, which it could not do in the sealed area.
Answer Guard::messages_call(Task& task, const Stop& stop) {
  constexpr size_t kMost = 1024;  // UIO_MAXIOV: the kernel's own limit
  const size_t count =
      std::min<size_t>(static_cast<unsigned>(stop.argument(Role::MmsgCount)), kMost);
  if (count == 0) return Pretend{0};
  const size_t done = task.retry.progress;
  const uint64_t vector = stop.argument(Role::MmsgVec);
  Answer answer = send_message(task, stop, vector + done * message_stride(stop.abi));
  if (auto* track = std::get_if<Track>(&answer); track != nullptr && track->flight.redirected) {
    track->flight.after = After::SendOne;
    track->flight.vector_address = vector;
    track->flight.vector_count = count;
    track->flight.retry.progress = done;
    return answer;
  }
  // A refusal after the first message is what the kernel says too: how many were sent.
  if (std::holds_alternative<Refuse>(answer) && done > 0) {
    return Pretend{static_cast<int64_t>(done)};
  }
  return answer;
}

Finished Guard::finish_messages(Task& task, InFlight& flight, int64_t& result) {
  const size_t done = flight.retry.progress;
  if (result < 0) {
    if (done > 0) result = static_cast<int64_t>(done);
    return Finished::Done;
  }
  const auto sent = static_cast<uint32_t>(result);
  const uint64_t at =
      flight.vector_address + done * message_stride(flight.abi) + message_length_offset(flight.abi);
  const auto written =
      TraceeMemory(task.tid).write(TraceeAddr{at}, std::as_bytes(std::span(&sent, 1)));
  result = static_cast<int64_t>(done + 1);
  // A pending signal ends the call early, as it does in the kernel: a handler may call again.
  auto status = read_task_status(task.tid);
  const bool interrupted = !status.ok() || (status->pending & ~status->blocked) != 0;
  if (!written.ok() || interrupted || done + 1 >= flight.vector_count) return Finished::Done;
  task.retry = flight.retry;
  task.retry.progress = done + 1;
  return Finished::RunAgain;
}

// Scalars only: the filter shows those that route, the i386 multiplexer shows all.
Answer Guard::option_call(Task& task, const Stop& stop) {
  const SocketOption option{stop.int_argument(Role::Which), stop.int_argument(Role::Command)};
  const auto routing = routing_options(stop.row->name == "getsockopt");
  if (!policy_.needs().network || std::ranges::find(routing, option) == routing.end()) {
    return Proceed{};
  }
  return refuse_for(task, stop,
                    start_event(task, stop, Event::Kind::Network, std::string(stop.row->name)),
                    EPERM, kRouted);
}

}  // namespace callgate
