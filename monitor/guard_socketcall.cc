// The i386 multiplexer keeps its arguments in memory, where they could still change: copied once,
// judged as the direct call, and made as the direct call with the arguments in registers.
#include <array>
#include <string>

#include "monitor/guard.h"

namespace callgate {

Answer Guard::socketcall(Task& task, const Stop& stop) {
  struct Direct {
    const char* name;
    size_t arguments;
  };
  static constexpr std::array<Direct, 21> kCalls = {
      {{nullptr, 0},      {"socket", 3},   {"bind", 3},        {"connect", 3},
       {"listen", 2},     {"accept4", 3},  {"getsockname", 3}, {"getpeername", 3},
       {"socketpair", 4}, {"sendto", 4},   {"recvfrom", 4},    {"sendto", 6},
       {"recvfrom", 6},   {"shutdown", 2}, {"setsockopt", 5},  {"getsockopt", 5},
       {"sendmsg", 3},    {"recvmsg", 3},  {"accept4", 4},     {"recvmmsg", 5},
       {"sendmmsg", 4}}};
  const auto sub = static_cast<unsigned>(stop.arguments[0]);
  if (sub == 0 || sub >= kCalls.size()) return Refuse{EINVAL};
  const Direct& direct = kCalls[sub];
  std::array<uint32_t, 6> words{};
  auto copied =
      TraceeMemory(task.tid).read(TraceeAddr{stop.arguments[1]},
                                  std::as_writable_bytes(std::span(words).first(direct.arguments)));
  if (!copied.ok()) return Refuse{EFAULT};
  Stop plain = stop;
  plain.translated = true;
  plain.row = find_syscall(direct.name);
  if (plain.row == nullptr || plain.row->number[static_cast<size_t>(stop.abi)] < 0) {
    return Refuse{ENOSYS};
  }
  for (size_t i = 0; i < words.size(); ++i) plain.arguments[i] = words[i];
  const bool unaddressed = plain.row->operation == Operation::SendTo && words[4] == 0;
  Answer answer =
      plain.row->gate == Gate::Trace && !unaddressed ? consider(task, plain) : Answer(Proceed{});
  if (auto* track = std::get_if<Track>(&answer); track != nullptr && !track->flight.redirected) {
    auto redirect = begin_redirect_registers(task, plain);
    if (!redirect.ok()) return exhausted(task, stop, redirect.error().code);
    track->flight.redirected = true;
    track->flight.original = redirect->flight.original;
    track->changed = redirect->changed;
  }
  if (std::holds_alternative<Proceed>(answer)) {
    auto redirect = begin_redirect_registers(task, plain);
    if (!redirect.ok()) return exhausted(task, stop, redirect.error().code);
    return *std::move(redirect);
  }
  return answer;
}

}  // namespace callgate
