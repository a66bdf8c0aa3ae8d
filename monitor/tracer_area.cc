// Calls of ours in a task's place: its stopped call becomes shmat, by which the argument area comes
// into its memory, or a short wait, and is considered anew when that is done.
#include <array>
#include <string_view>

#include "monitor/tracer.h"

namespace callgate {

void Tracer::run_instead(Task& task, const Stop& stop, After after, std::string_view name,
                         const std::array<uint64_t, 3>& arguments) {
  auto registers = Registers::fetch(task.tid);
  if (!registers.ok()) return;
  auto flight = std::make_unique<InFlight>();
  flight->after = after;
  flight->abi = stop.abi;
  flight->row = stop.row;
  flight->original = *registers;
  registers->set_number(stop.abi, find_syscall(name)->number[static_cast<size_t>(stop.abi)]);
  for (size_t i = 0; i < arguments.size(); ++i) {
    registers->set_argument(stop.abi, static_cast<int>(i), arguments.at(i));
  }
  if (!registers->store(task.tid).ok()) return;
  task.in_flight = std::move(flight);
  resume(task);
}

void Tracer::map_area(Task& task, const Stop& stop) {
  run_instead(task, stop, After::MapArea, "shmat",
              {static_cast<uint64_t>(area_.segment()), ArgumentArea::kAddress,
               static_cast<uint64_t>(area_.attach_flags())});
}

void Tracer::pause(Task& task, const Stop& stop) {
  constexpr uint64_t kMilliseconds = 5;
  const bool has_poll = find_syscall("poll")->number[static_cast<size_t>(stop.abi)] >= 0;
  run_instead(task, stop, After::Pause, has_poll ? "poll" : "sched_yield", {0, 0, kMilliseconds});
}

// What lies at the address counts, not what shmat answered: another thread may have mapped it
// first, or something else may be there. Who is alone in its memory need not be doubted.
void Tracer::finish_area(Task& task, int64_t answered) {
  if (answered == static_cast<int64_t>(ArgumentArea::kAddress) && task.memory.use_count() == 1) {
    task.memory->area = AddressSpace::Area::Mapped;
    return;
  }
  if (task.memory.use_count() > 1) task.memory->copies_doubted = true;
  task.memory->area = AddressSpace::Area::Failed;
  auto mappings = read_mappings(task.tid);
  if (!mappings.ok()) return;
  for (const Mapping& mapping : *mappings) {
    if (mapping.start == ArgumentArea::kAddress && mapping.end == ArgumentArea::kWindowEnd &&
        mapping.inode == static_cast<uint64_t>(area_.segment()) && mapping.device != 0 &&
        mapping.device == area_.device() && mapping.offset == 0 && mapping.read && !mapping.write &&
        mapping.shared && mapping.name.starts_with("/SYSV")) {
      task.memory->area = AddressSpace::Area::Mapped;
    }
  }
}

}  // namespace callgate
