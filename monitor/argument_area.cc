#include "monitor/argument_area.h"

#include <sys/ipc.h>
#include <sys/shm.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "arch/return_stub.h"

namespace callgate {

Result<ArgumentArea> ArgumentArea::create() {
  const int segment = shmget(IPC_PRIVATE, kSlotSize * kSlots, IPC_CREAT | 0600);
  if (segment < 0) return last_error();
  void* base = shmat(segment, nullptr, 0);
  const Error attach_error = last_error();
  // Readable by whatever user a tracee becomes, writable by none from here on. Marked for
  // destruction: it goes with its last attachment, and Linux still attaches it by number.
  shmid_ds state{};
  bool ok = base != reinterpret_cast<void*>(-1);  // NOLINT: shmat's error value
  if (ok && shmctl(segment, IPC_STAT, &state) == 0) {
    state.shm_perm.mode = 0555;
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
  // arm64 tags and x86 LAM: the kernel ignores the top bits of an address given to munmap.
  address &= (uint64_t{1} << 56) - 1;
  const uint64_t end = address + length < address ? UINT64_MAX : address + length;
  return address < kWindowEnd && end > kAddress;
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
