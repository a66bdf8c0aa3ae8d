// Calls on memory: what makes a file's memory executable, and what could disturb the argument area.
#include <linux/mman.h>
#include <sys/mman.h>
#include <sys/shm.h>

#include <algorithm>

#include "monitor/guard.h"
#include "monitor/named.h"

namespace callgate {
namespace {

// The kernel keeps an AIO ring's address and length, and io_destroy unmaps by them: where one page
// of a ring is moved to, the whole ring is said to begin (aio_ring_mremap). A ring holds 256 MiB of
// events at most (ioctx_alloc), and its header.
constexpr uint64_t kLongestRing = uint64_t{257} << 20;

}  // namespace

// The common case, a library with a plain name: the name alone decides.
bool Guard::maps_allowed_file(const Task& task, int fd) const {
  if (options_.observe_all) return false;
  auto name = Resolver::directory_name(viewer(task), fd);
  if (!name.ok() || name->starts_with("/proc/") || resolver_.in_other_proc(*name)) return false;
  const Decision decision = judge_name(PathOp::Execute, *name);
  return decision.allowed() && !decision.log;
}

Answer Guard::map_call(Task& task, const Stop& stop) {
  const uint64_t address = stop.argument(Role::Address);
  const uint64_t protection = stop.argument(Role::Protection);
  const uint64_t flags = stop.argument(Role::MapFlags);
  const bool huge = (flags & MAP_HUGETLB) != 0 || (flags & MAP_ANONYMOUS) == 0;
  uint64_t length = stop.argument(Role::Length);
  if (huge) length = ArgumentArea::in_huge_pages(address, length);
  const bool fixed = (flags & MAP_FIXED) != 0;
  if ((address != 0 || fixed) && ArgumentArea::touches(address, length)) {
    if (fixed) return refuse_area(task, stop);
    // A wish: what is mapped stays, and the kernel looks elsewhere. Only it must be mapped.
    if (task.memory->area == AddressSpace::Area::Unmapped) return MapAreaFirst{};
  }
  if ((protection & PROT_EXEC) == 0 || (flags & MAP_ANONYMOUS) != 0) return Proceed{};
  const bool raced = !stop.alone && task.files.use_count() > 1;
  if (!raced && maps_allowed_file(task, stop.int_argument(Role::Fd))) return Proceed{};
  Event event = start_event(task, stop, Event::Kind::Path, "execute");
  auto place = resolver_.descriptor(viewer(task), stop.int_argument(Role::Fd));
  if (!place.ok()) return failed_lookup(task, std::move(event), place.error().code);
  event.objects.push_back({place->name, place->name, {}});
  // A device or memory without a name is no program file.
  Decision decision = judge(PathOp::Execute, *place);
  if (decision.allowed() && raced && enforcing() && policy_.needs().execute) {
    return HoldOthers{HoldOthers::Scope::DescriptorTable};
  }
  return decided(task, stop, std::move(event), decision, Proceed{});
}

Answer Guard::protect_call(Task& task, const Stop& stop) {
  if (!enforcing() || !policy_.needs().execute) return Proceed{};
  if (!stop.alone && task.memory.use_count() > 1) {
    return HoldOthers{HoldOthers::Scope::AddressSpace};
  }
  const uint64_t start = untagged(stop.argument(Role::Address));
  const uint64_t end = start + stop.argument(Role::Length);
  auto mappings = read_mappings(task.tid);
  Event event = start_event(task, stop, Event::Kind::Path, "execute");
  if (!mappings.ok()) {
    return refuse_for(task, stop, std::move(event), EACCES,
                      "the program's mappings are unreadable");
  }
  for (const Mapping& mapping : *mappings) {
    if (mapping.end <= start || mapping.start >= end) continue;
    if (mapping.inode == 0 || mapping.execute) continue;
    const std::string name = living_name(mapping.name, mapping.inode);
    const Decision decision = policy_.path(PathOp::Execute, name);
    if (decision.allowed()) continue;
    event.objects.push_back({name, name, {}});
    return decided(task, stop, std::move(event), decision, Proceed{});
  }
  return Proceed{};
}

Answer Guard::area_call(Task& task, const Stop& stop) {
  const uint64_t length = std::max<uint64_t>(stop.argument(Role::Length), 1);
  if (ArgumentArea::touches(stop.argument(Role::Address), length)) return refuse_area(task, stop);
  if (stop.row->argument(Role::NewAddress) >= 0 && (stop.arguments[3] & MREMAP_FIXED) != 0) {
    const uint64_t to = stop.argument(Role::NewAddress);
    const uint64_t long_at_most =
        std::max(ArgumentArea::in_huge_pages(to, stop.arguments[2]), kLongestRing);
    if (ArgumentArea::touches(to, long_at_most)) return refuse_area(task, stop);
  }
  return Proceed{};
}

Answer Guard::shared_memory_call(Task& task, const Stop& stop) {
  // ipc multiplexes: SHMAT 21 and SHMCTL 24 carry the segment first, SHMAT and SHMDT 22 an address
  // last, SHMAT the flags where shmat has them; the rest of it is none of our business.
  constexpr unsigned kNewLayout = 0x100;  // IPC_64, which 32-bit programs add to the command
  const SyscallRow& row = *stop.row;
  const bool mux = row.name == "ipc";
  const auto sub = static_cast<unsigned>(stop.arguments[0]) & 0xffffu;
  const bool attaches = mux ? sub == 21 : row.name == "shmat";
  const bool detaches = mux ? sub == 22 : row.name == "shmdt";
  const bool controls = mux ? sub == 24 : row.name == "shmctl";
  const auto id = static_cast<int>(mux ? stop.arguments[1] : stop.argument(Role::ShmId));
  const uint64_t address = mux ? stop.arguments[4] : stop.argument(Role::Address);
  const auto command =
      static_cast<unsigned>(mux ? stop.arguments[2] : stop.argument(Role::Command));
  const bool changes = (attaches && (stop.arguments[2] & SHM_RDONLY) == 0) ||
                       (controls && (command & ~kNewLayout) == IPC_SET);
  if ((attaches || controls) && id == area_.segment()) return refuse_area(task, stop);
  // Of another callgate, whose programs must not lose theirs to a neighbour of the same user.
  if (changes && ArgumentArea::is_one(id)) return refuse_area(task, stop);
  if (detaches && ArgumentArea::touches(address, 1)) return refuse_area(task, stop);
  // A segment of unknown length below the window might reach into it; without SHM_REMAP it takes
  // the place of nothing that is mapped.
  if (attaches && address != 0 && ArgumentArea::touches(address, UINT64_MAX)) {
    if ((stop.arguments[2] & SHM_REMAP) != 0) return refuse_area(task, stop);
    if (task.memory->area == AddressSpace::Area::Unmapped) return MapAreaFirst{};
  }
  return Proceed{};
}

std::optional<Answer> Guard::without_area(Task& task, const Stop& stop) {
  if (task.memory->area == AddressSpace::Area::Mapped) return std::nullopt;
  if (task.memory->area == AddressSpace::Area::Unmapped) return MapAreaFirst{};
  return refuse_for(task, stop, start_event(task, stop, Event::Kind::Other, "argument area"),
                    ENOMEM, "the argument area cannot be mapped at its address");
}

Answer Guard::refuse_area(const Task& task, const Stop& stop) {
  Event event = start_event(task, stop, Event::Kind::Other, "argument area");
  event.reason = kAreaReason;
  event.verdict = Verdict::Deny;
  record(std::move(event), -EINVAL);
  return Refuse{EINVAL};
}

}  // namespace callgate
