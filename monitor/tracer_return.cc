// Calls that come back by themselves, through the return stub (arch/return_stub.h): what the next
// stop of their task tells of them. Nothing is asked of most: the next stop is that of another
// call.
#include "arch/return_stub.h"
#include "monitor/tracer.h"

namespace callgate {
namespace {

StubPoint point_of(uint64_t instruction_pointer) {
  return instruction_pointer < ArgumentArea::kAddress
             ? StubPoint::Outside
             : stub_point(instruction_pointer - ArgumentArea::kAddress);
}

int64_t result_at(StubPoint point, int64_t result) {
  if (point == StubPoint::Looped) return -ELOOP;
  return point == StubPoint::Refused ? -EACCES : result;
}

Stop stop_of(const InFlight& flight) {
  Stop stop;
  stop.abi = flight.abi;
  stop.row = flight.row;
  stop.registers = flight.original;
  for (int i = 0; i < 6; ++i) {
    stop.arguments[static_cast<size_t>(i)] = flight.original->argument(flight.abi, i);
  }
  stop.instruction_pointer = flight.original->instruction_pointer();
  return stop;
}

}  // namespace

// At a seccomp stop of a task whose last call went through the stub. True: the stop was the stub's
// own, and has been dealt with.
bool Tracer::came_back(Task& task, const Stop& stop) {
  auto flight = std::move(task.in_flight);
  const StubPoint point = point_of(stop.instruction_pointer);
  // A code segment of the program's own (modify_ldt) may have a base, and any number as its
  // pointer.
  if (!flight->returns_itself || point == StubPoint::Outside || stop.abi != flight->abi) {
    task.retry = Retry{};
    return false;
  }
  // The task is made to stand at its own call once more, as it did when that was considered.
  const Stop own = stop_of(*flight);
  Registers& registers = *flight->original;
  if (point != StubPoint::Returning) {
    task.retry = Retry{};
    int64_t result = result_at(point, 0);
    if (guard_.finish(task, *flight, result) == Finished::Done) {
      registers.skip_call(flight->abi, result);
      if (registers.store(task.tid).ok()) resume(task);
      return true;
    }
  }
  if (!registers.store(task.tid).ok()) return true;
  flight.reset();
  consider_stop(task, own);
  return true;
}

// At any other stop. A signal's handler, which may look at the registers it interrupted or never
// return to them, must find what it would have found without us.
void Tracer::settle(Task& task) {
  if (!task.in_flight->returns_itself) return;
  auto flight = std::move(task.in_flight);
  auto registers = Registers::fetch(task.tid);
  if (!registers.ok()) return;  // it is gone
  const StubPoint point = point_of(registers->instruction_pointer());
  if (point == StubPoint::Outside) {
    task.retry = Retry{};
    return;
  }
  static_cast<void>(conclude(task, *flight, result_at(point, registers->result(flight->abi))));
}

}  // namespace callgate
