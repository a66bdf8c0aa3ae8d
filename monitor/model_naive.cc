#include "monitor/model_naive.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "monitor/guard.h"
#include "monitor/named.h"
#include "monitor/socket_address.h"

namespace callgate {
namespace {

// "/tmp/../etc/./x" -> "/etc/x" without asking the file system: mistake one.
std::string collapse(const std::string& path) {
  std::vector<std::string> parts;
  size_t at = 0;
  while (at < path.size()) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string part = path.substr(at, end - at);
    if (part == "..") {
      if (!parts.empty()) parts.pop_back();
    } else if (!part.empty() && part != ".") {
      parts.push_back(part);
    }
    at = end + 1;
  }
  std::string out;
  for (const std::string& part : parts) out += "/" + part;
  return out.empty() ? "/" : out;
}

// Reading or writing, by the access mode alone, and an O_PATH open is neither. Nothing for calls
// that it has never heard of, or that change and tell no contents.
PathOps asked(const Stop& stop) {
  const Operation operation = stop.row->operation;
  if (operation == Operation::Open) {
    const uint64_t flags = stop.argument(Role::OpenFlags);
    if ((flags & O_PATH) != 0) return {};
    const bool reads = stop.row->argument(Role::OpenFlags) >= 0 && (flags & O_ACCMODE) == O_RDONLY;
    return reads ? PathOp::Read : PathOp::Write;
  }
  if (operation == Operation::Create || operation == Operation::Link) return PathOp::Create;
  if (operation == Operation::Rename || operation == Operation::Delete) return PathOp::Delete;
  if (operation == Operation::Truncate) return PathOp::Write;
  if (operation == Operation::Exec) return PathOp::Execute;
  return {};
}

bool is_about_sockets(Operation operation) {
  return operation == Operation::Connect || operation == Operation::Bind ||
         operation == Operation::Listen || operation == Operation::SendTo ||
         operation == Operation::SendMsg || operation == Operation::SendMmsg;
}

bool is_about_memory(Operation operation) {
  return operation == Operation::MapMemory || operation == Operation::ProtectMemory;
}

bool is_about_names(Operation operation) {
  return operation == Operation::Open || operation == Operation::Attributes ||
         operation == Operation::Stat;
}

// As much of a name as the buffer of a monitor of 1996 holds.
constexpr size_t kBuffer = 1024;  // MAXPATHLEN

std::optional<std::string> read_name(const TraceeMemory& memory, TraceeAddr at) {
  auto whole = memory.read_string(at, kBuffer);
  if (whole.ok()) return *whole;
  if (whole.error().code != ENAMETOOLONG) return std::nullopt;
  std::string cut(kBuffer - 1, '\0');
  if (!memory.read(at, std::as_writable_bytes(std::span(cut))).ok()) return std::nullopt;
  return cut;
}

// One table of numbers, whatever the ABI: i386's open (5) is fstat here. Mistake two. And a number
// that is not in the table as it stands in the register, all 64 bits of it, is no call: twelve.
const SyscallRow* believed_row(const Stop& stop) {
  if (stop.abi == Registers::native() && stop.registers &&
      stop.registers->whole_number() > INT_MAX) {
    return nullptr;
  }
  const int number = stop.row->number[static_cast<size_t>(stop.abi)];
  return find_syscall(stop.abi == Abi::I386 ? Abi::X86_64 : stop.abi, number);
}

// Takes for done what has only been asked for: three. Of the ways to change what a number or a
// relative name means it knows dup2, dup3 and chdir: four.
void learn(NaiveMirror::Process& process, const Stop& stop, const TraceeMemory& memory) {
  if (stop.row->name == "chdir") {
    auto text = memory.read_string(TraceeAddr{stop.argument(Role::Path)}, PATH_MAX);
    if (!text.ok()) return;
    process.directory = collapse(text->starts_with('/') ? *text : process.directory + "/" + *text);
  } else if (stop.row->name == "dup2" || stop.row->name == "dup3") {
    const auto from = process.sockets.find(static_cast<int>(stop.arguments[0]));
    const auto to = static_cast<int>(stop.arguments[1]);
    if (from == process.sockets.end()) {
      process.sockets.erase(to);
    } else {
      process.sockets[to] = from->second;
    }
  }
}

// Waves the call through.
NaiveAnswer harmless(Event::Kind kind, std::string_view what, std::string asked = {}) {
  NaiveAnswer answer;
  answer.kind = kind;
  answer.operation = what;
  answer.asked = std::move(asked);
  answer.reason = "not judged";
  answer.decision.verdict = Verdict::Allow;
  return answer;
}

// The bytes as they stand: ::ffff:127.0.0.1 is not 127.0.0.1.
std::optional<Endpoint> spelled(std::span<const std::byte> bytes) {
  sockaddr_storage address{};
  if (!bytes.empty()) {
    std::memcpy(&address, bytes.data(), std::min(bytes.size(), sizeof address));
  }
  Endpoint endpoint;
  if (address.ss_family == AF_INET) {
    const auto* ip = reinterpret_cast<const sockaddr_in*>(&address);
    endpoint.kind = Endpoint::Kind::V4;
    endpoint.port = ntohs(ip->sin_port);
    std::memcpy(endpoint.address.data(), &ip->sin_addr, sizeof ip->sin_addr);
  } else if (address.ss_family == AF_INET6) {
    const auto* ip = reinterpret_cast<const sockaddr_in6*>(&address);
    endpoint.kind = Endpoint::Kind::V6;
    endpoint.port = ntohs(ip->sin6_port);
    std::memcpy(endpoint.address.data(), &ip->sin6_addr, sizeof ip->sin6_addr);
  } else {
    return std::nullopt;
  }
  return endpoint;
}

NetOp net_op(Operation operation) {
  if (operation == Operation::Bind) return NetOp::Bind;
  if (operation == Operation::Listen) return NetOp::Listen;
  return operation == Operation::Connect ? NetOp::Connect : NetOp::Send;
}

std::vector<std::byte> address_bytes(const Stop& stop, const TraceeMemory& memory) {
  std::vector<std::byte> bytes(
      std::min<uint64_t>(stop.argument(Role::SockAddrLen), sizeof(sockaddr_storage)));
  if (!memory.read(TraceeAddr{stop.argument(Role::SockAddr)}, bytes).ok()) bytes.clear();
  return bytes;
}

// The network is what connect and bind do to an Internet socket whose number it knows, and what is
// sent from one that has no peer: eight. It compares all 64 bits of a number, of which the kernel
// reads 32, and an address as it is spelled: nine and ten.
std::optional<NaiveAnswer> consider_socket(const Policy& policy, NaiveMirror::Process& process,
                                           const Stop& stop, const TraceeMemory& memory) {
  const Operation operation = stop.row->operation;
  const uint64_t fd = stop.argument(Role::Fd);
  const auto known =
      fd > INT_MAX ? process.sockets.end() : process.sockets.find(static_cast<int>(fd));
  if (known == process.sockets.end()) return harmless(Event::Kind::Network, stop.row->name);
  const SocketFacts& facts = known->second;
  NetQuestion question;
  question.family = net_family(facts);
  question.op = net_op(operation);
  const std::string words =
      std::string(net_family_name(question.family)) + " " + std::string(net_op_name(question.op));
  const std::vector<std::byte> bytes = address_bytes(stop, memory);
  const auto endpoint = spelled(bytes);
  const bool internet = facts.domain == AF_INET || facts.domain == AF_INET6;
  const bool sends = question.op == NetOp::Send;
  const bool has_peer = facts.type == SOCK_STREAM || process.peers.contains(known->first);
  if (internet && sends && !has_peer && operation != Operation::SendTo) return std::nullopt;
  if (!internet || !endpoint || (sends && has_peer)) {
    const auto told = read_endpoint(bytes, facts, question.op);
    return harmless(Event::Kind::Network, words, told.ok() ? told->text() : std::string());
  }
  question.endpoint = *endpoint;
  NaiveAnswer answer;
  answer.kind = Event::Kind::Network;
  answer.operation = words;
  answer.asked = question.endpoint.text();
  answer.decision = policy.network(question);
  if (operation == Operation::Connect && answer.decision.allowed()) {
    process.peers.insert(known->first);
  }
  return answer;
}

}  // namespace

std::optional<NaiveAnswer> consider_naively(const Policy& policy, Mirror& mirror, const Task& task,
                                            const Stop& stop) {
  const TraceeMemory memory(task.tid);
  NaiveMirror::Process& process = mirror.naive().of(task.process->pid, task.process->parent);
  if (process.directory.empty()) {
    auto directory = Resolver::directory_name({task.tid, task.process->pid, nullptr}, AT_FDCWD);
    process.directory = directory.ok() ? *directory : "/";
  }
  Stop believed = stop;
  believed.row = believed_row(stop);
  NaiveAnswer answer;
  const PathOps ops = believed.row != nullptr ? asked(believed) : PathOps{};
  if (believed.row != stop.row && ops.empty()) {  // a call that it does not know is harmless: five
    return harmless(Event::Kind::Other, believed.row != nullptr ? believed.row->name : "unknown");
  }
  if (is_about_sockets(stop.row->operation)) return consider_socket(policy, process, stop, memory);
  // To execute is to call execve; what is mapped is no business of its: thirteen.
  if (is_about_memory(stop.row->operation)) return harmless(Event::Kind::Path, stop.row->name);
  learn(process, believed, memory);
  if (ops.empty() && !is_about_names(stop.row->operation)) return std::nullopt;
  // Of a link it looks at the new name alone: eleven.
  const Role named = believed.row->operation == Operation::Link ? Role::NewPath : Role::Path;
  // What it cannot read it lets pass, and what does not fit its buffer it cuts off: seven.
  const auto text = read_name(memory, TraceeAddr{believed.argument(named)});
  if (ops.empty() || !text) {
    return harmless(Event::Kind::Path, ops.empty() ? stop.row->name : ops_text(ops),
                    text ? *text : "(unreadable)");
  }
  answer.operation = ops_text(ops);
  answer.asked = *text;
  // Whatever directory descriptor the call was given: six.
  const std::string path = text->starts_with('/') ? *text : process.directory + "/" + *text;
  answer.believed = collapse(path);
  answer.decision = policy.path(ops, answer.believed);
  return answer;
}

}  // namespace callgate
