#include "monitor/model_naive.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <climits>
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

// Reading or writing, by the access mode alone; nothing for calls it has never heard of.
PathOps asked(const Stop& stop) {
  const Operation operation = stop.row->operation;
  if (operation == Operation::Open) {
    const bool reads = stop.row->argument(Role::OpenFlags) >= 0 &&
                       (stop.argument(Role::OpenFlags) & O_ACCMODE) == O_RDONLY;
    return reads ? PathOp::Read : PathOp::Write;
  }
  if (operation == Operation::Create || operation == Operation::Link) return PathOp::Create;
  if (operation == Operation::Rename || operation == Operation::Delete) return PathOp::Delete;
  if (operation == Operation::Truncate) return PathOp::Write;
  if (operation == Operation::Attributes) return PathOp::Attributes;
  if (operation == Operation::Stat) return PathOp::Stat;
  if (operation == Operation::Exec) return PathOp::Execute;
  return {};
}

// One table of numbers, whatever the ABI: i386's open (5) is fstat here. Mistake two.
const SyscallRow* believed_row(const Stop& stop) {
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

std::optional<NaiveAnswer> consider_address(const Policy& policy,
                                            const NaiveMirror::Process& process, const Stop& stop,
                                            const TraceeMemory& memory) {
  NaiveAnswer answer;
  answer.kind = Event::Kind::Network;
  const auto known = process.sockets.find(stop.int_argument(Role::Fd));
  const auto length = stop.argument(Role::SockAddrLen);
  if (known == process.sockets.end() || length > sizeof(sockaddr_storage)) return std::nullopt;
  const SocketFacts& facts = known->second;
  NetQuestion question;
  question.family = net_family(facts);
  question.op = stop.row->operation == Operation::Bind      ? NetOp::Bind
                : stop.row->operation == Operation::Connect ? NetOp::Connect
                                                            : NetOp::Send;
  std::vector<std::byte> bytes(length);
  if (!memory.read(TraceeAddr{stop.argument(Role::SockAddr)}, bytes).ok()) return std::nullopt;
  auto endpoint = read_endpoint(bytes, facts, question.op);
  if (!endpoint.ok()) return std::nullopt;
  question.endpoint = *endpoint;
  answer.operation =
      std::string(net_family_name(question.family)) + " " + std::string(net_op_name(question.op));
  answer.asked = question.endpoint.text();
  answer.decision = policy.network(question);
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
    answer.kind = Event::Kind::Other;
    answer.operation = believed.row != nullptr ? believed.row->name : "unknown";
    answer.decision.verdict = Verdict::Allow;
    return answer;
  }
  if (stop.row->operation == Operation::Connect || stop.row->operation == Operation::Bind ||
      stop.row->operation == Operation::SendTo) {
    return consider_address(policy, process, stop, memory);
  }
  learn(process, believed, memory);
  if (ops.empty()) return std::nullopt;
  auto text = memory.read_string(TraceeAddr{believed.argument(Role::Path)}, PATH_MAX);
  if (!text.ok()) return std::nullopt;
  answer.operation = ops_text(ops);
  answer.asked = *text;
  // Whatever directory descriptor the call was given: six.
  const std::string path = text->starts_with('/') ? *text : process.directory + "/" + *text;
  answer.believed = collapse(path);
  answer.decision = policy.path(ops, answer.believed);
  return answer;
}

}  // namespace callgate
