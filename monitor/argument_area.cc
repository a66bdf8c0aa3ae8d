#include "monitor/argument_area.h"

#include <sys/ipc.h>
#include <sys/shm.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "arch/return_stub.h"
#include "monitor/identity.h"
#include "monitor/proc_files.h"

namespace callgate {

Result<ArgumentArea> ArgumentArea::create() {
  const int segment = shmget(IPC_PRIVATE, kSlotSize * kSlots, IPC_CREAT | 0600);
  if (segment < 0) return last_error();
  void* base = shmat(segment, nullptr, 0);
  const Error attach_error = last_error();
  // Readable by whatever user a tracee may become, writable by none from here on. Marked for
  // destruction: it goes with its last attachment, and Linux still attaches it by number.
  shmid_ds state{};
  bool ok = base != reinterpret_cast<void*>(-1);  // NOLINT: shmat's error value
  if (ok && shmctl(segment, IPC_STAT, &state) == 0) {
    state.shm_perm.mode = has_privileges() ? 0555 : 0500;
    ok = shmctl(segment, IPC_SET, &state) == 0;
  }
  shmctl(segment, IPC_RMID, nullptr);
  if (!ok) return attach_error.code != 0 ? attach_error : Error{EACCES};
  return ArgumentArea(segment, static_cast<std::byte*>(base));
}

ArgumentArea::ArgumentArea(int segment, std::byte* base) : segment_(segment), base_(base) {
  free_.reserve(kSlots);
  for (size_t i = kSlots; i-- > 1;) free_.push_back(i);  // the first holds the return stub
  const auto stub = return_stub();
  if (stub.empty()) return;
  void* trial = shmat(segment, nullptr, SHM_RDONLY | SHM_EXEC);
  if (trial == reinterpret_cast<void*>(-1)) return;  // NOLINT: shmat's error value
  shmdt(trial);
  std::memcpy(base, stub.data(), stub.size());
  attach_flags_ |= SHM_EXEC;
}

ArgumentArea::ArgumentArea(ArgumentArea&& other) noexcept
    : segment_(other.segment_),
      attach_flags_(other.attach_flags_),
      base_(std::exchange(other.base_, nullptr)),
      free_(std::move(other.free_)) {}

ArgumentArea::~ArgumentArea() {
  if (base_ != nullptr) shmdt(base_);
}

bool ArgumentArea::touches(uint64_t address, uint64_t length) {
  address = untagged(address);
  const uint64_t end = address + length < address ? UINT64_MAX : address + length;
  return address < kWindowEnd && end > kAddress;
}

uint64_t ArgumentArea::in_huge_pages(uint64_t address, uint64_t length) {
  if (address == 0) return UINT64_MAX;
  const uint64_t rest = (address & -address) - 1;
  return std::max(length, (length + rest) & ~rest);
}

bool ArgumentArea::is_one(int segment) {
  shmid_ds state{};
  if (shmctl(segment, IPC_STAT, &state) != 0) return false;  // nobody's, or out of reach
  return state.shm_segsz == kSlotSize * kSlots && (state.shm_perm.mode & SHM_DEST) != 0;
}

uint64_t ArgumentArea::device() {
  if (device_ != 0) return device_;
  auto mappings = read_mappings(::getpid());
  if (!mappings.ok()) return 0;
  for (const Mapping& mapping : *mappings) {
    if (mapping.start == reinterpret_cast<uintptr_t>(base_)) device_ = mapping.device;  // NOLINT
  }
  return device_;
}

Result<ArgumentArea::Slot> ArgumentArea::take() {
  if (free_.empty()) return Error{EAGAIN};
  const size_t index = free_.back();
  free_.pop_back();
  return Slot(this, index);
}

ArgumentArea::Slot::Slot(Slot&& other) noexcept
    : area_(std::exchange(other.area_, nullptr)), index_(other.index_), used_(other.used_) {}

ArgumentArea::Slot& ArgumentArea::Slot::operator=(Slot&& other) noexcept {
  std::swap(area_, other.area_);
  std::swap(index_, other.index_);
  std::swap(used_, other.used_);
  return *this;
}

ArgumentArea::Slot::~Slot() {
  if (area_ != nullptr) area_->free_.push_back(index_);
}

Result<TraceeAddr> ArgumentArea::Slot::put(std::span<const std::byte> bytes) {
  const size_t start = (used_ + 15) & ~size_t{15};
  if (start + bytes.size() > kSlotSize) return Error{E2BIG};
  const size_t offset = index_ * kSlotSize + start;
  std::copy(bytes.begin(), bytes.end(), area_->base_ + offset);
  used_ = start + bytes.size();
  return TraceeAddr{kAddress + offset};
}

Result<TraceeAddr> ArgumentArea::Slot::put_string(std::string_view text) {
  const std::string copy(text);
  return put(std::as_bytes(std::span(copy.c_str(), copy.size() + 1)));
}

}  // namespace callgate
