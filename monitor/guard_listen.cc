// The server's side: listening, which may bind a port of the kernel's choice, and accepting.
#include <sys/socket.h>

#include "monitor/guard.h"
#include "monitor/socket_address.h"

namespace callgate {

Answer Guard::listen_call(Task& task, const Stop& stop) {
  Event event = start_event(task, stop, Event::Kind::Network, "listen");
  uint64_t inode = 0;
  auto facts = socket_facts(task, stop.int_argument(Role::Fd), &inode);
  if (!facts.ok()) return failed_lookup(task, std::move(event), facts.error().code);
  NetQuestion question;
  question.family = net_family(*facts);
  question.op = NetOp::Listen;
  event.operation = net_operation_text(question.family, NetOp::Listen);
  Decision decision = policy_.network(question);
  if (!decision.allowed() && decision.rule == nullptr) {
    if (facts->bound) {
      decision.verdict = Verdict::Allow;  // its address was judged when it was bound
    } else if (question.family == NetFamily::Unix) {
      decision.verdict = Verdict::Allow;  // the kernel says EINVAL: there is no address
    } else {
      question.op = NetOp::Bind;  // the kernel binds a port of its choice
      question.endpoint = facts->domain == AF_INET6 ? Endpoint::v6({}, 0, 0) : Endpoint::v4({}, 0);
      decision = policy_.network(question);
      event.remedy = "network allow " + net_operation_text(question.family, NetOp::Bind) + " " +
                     question.endpoint.text();
      event.objects.push_back({"", question.endpoint.text(), {}});
    }
  }
  if (decision.allowed() && enforcing() && !stop.alone && task.files.use_count() > 1) {
    return HoldOthers{HoldOthers::Scope::DescriptorTable};
  }
  return decided(task, stop, std::move(event), decision, Proceed{});
}

// Who listens may accept, unless a statement that speaks of accept decides otherwise.
Answer Guard::accept_call(Task& task, const Stop& stop) {
  if (!accept_matters_) return Proceed{};
  Event event = start_event(task, stop, Event::Kind::Network, "accept");
  uint64_t inode = 0;
  auto facts = socket_facts(task, stop.int_argument(Role::Fd), &inode);
  if (!facts.ok()) return failed_lookup(task, std::move(event), facts.error().code);
  NetQuestion question;
  question.family = net_family(*facts);
  question.op = NetOp::Accept;
  event.operation = net_operation_text(question.family, NetOp::Accept);
  Decision decision = policy_.network(question);
  if (decision.rule == nullptr) decision.verdict = Verdict::Allow;
  // Another thread could put a socket of another family in the place of this one.
  if (decision.allowed() && enforcing() && !stop.alone && task.files.use_count() > 1) {
    return HoldOthers{HoldOthers::Scope::DescriptorTable};
  }
  if (decision.allowed() && !decision.log) return Proceed{};
  return decided(task, stop, std::move(event), decision, Proceed{});
}

}  // namespace callgate
