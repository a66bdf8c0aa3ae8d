#include "monitor/model_naive.h"

#include <fcntl.h>
#include <sys/socket.h>

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

}  // namespace

std::optional<NaiveAnswer> consider_naively(const Policy& policy, Mirror& mirror,
                                            const Task& task, const Stop& stop) {
  NaiveAnswer answer;
  const TraceeMemory memory(task.tid);
  if (stop.row->operation == Operation::Connect || stop.row->operation == Operation::Bind ||
      stop.row->operation == Operation::SendTo) {
    answer.kind = Event::Kind::Network;
    const SocketFacts* facts =
        mirror.socket_by_number(task.process->pid, stop.int_argument(Role::Fd));  // mistake two
    const auto length = stop.argument(Role::SockAddrLen);
    if (facts == nullptr || length > sizeof(sockaddr_storage)) return std::nullopt;
    std::vector<std::byte> bytes(length);
    NetQuestion question;
    question.family = net_family(*facts);
    question.op = stop.row->operation == Operation::Bind      ? NetOp::Bind
                  : stop.row->operation == Operation::Connect ? NetOp::Connect
                                                              : NetOp::Send;
    if (!memory.read(TraceeAddr{stop.argument(Role::SockAddr)}, bytes).ok()) return std::nullopt;
    auto endpoint = read_endpoint(bytes, *facts, question.op);
    if (!endpoint.ok()) return std::nullopt;
    question.endpoint = *endpoint;
    answer.operation = std::string(net_family_name(question.family)) + " " +
                       std::string(net_op_name(question.op));
    answer.asked = question.endpoint.text();
    answer.decision = policy.network(question);
    return answer;
  }
  const PathOps ops = asked(stop);
  if (ops.empty()) return std::nullopt;
  auto text = memory.read_string(TraceeAddr{stop.argument(Role::Path)}, 4096);
  if (!text.ok()) return std::nullopt;
  answer.operation = ops_text(ops);
  answer.asked = *text;
  std::string path = *text;
  if (!path.starts_with('/')) {
    auto cwd = Resolver::directory_name({task.tid, task.process->pid, nullptr}, AT_FDCWD);  // no dirfd: three
    path = (cwd.ok() ? *cwd : std::string()) + "/" + path;
  }
  answer.believed = collapse(path);
  answer.decision = policy.path(ops, answer.believed);
  return answer;
}

}  // namespace callgate
