// The argument area: memory that the monitor writes and every tracee can read, but never write,
// unmap or replace. A redirected call's pointers lead here, so the kernel reads the very bytes
// that were judged. It is a System V segment: attaching it takes one call with register arguments
// only (docs/architecture.md says why not a memfd), and a read-only attachment of a shared segment
// can be made writable neither by mprotect (EACCES) nor through /proc/self/mem (EIO).
#pragma once

#include <sys/shm.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "arch/abi.h"
#include "arch/result.h"
#include "monitor/tracee_memory.h"

namespace callgate {

class ArgumentArea {
 public:
  static constexpr uint64_t kAddress = 0x70000000;  // low, so that 32-bit calls reach it too
  static constexpr size_t kSlotSize = size_t{32} * 1024;
  static constexpr size_t kSlots = 2048;
  static constexpr uint64_t kWindowEnd = kAddress + kSlotSize * kSlots;

  // Creates the segment and attaches it here, writable. errno of shmget or shmat.
  static Result<ArgumentArea> create();
  ArgumentArea(ArgumentArea&& other) noexcept;
  ArgumentArea& operator=(ArgumentArea&&) = delete;
  ~ArgumentArea();

  [[nodiscard]] int segment() const { return segment_; }
  // Flags with which a tracee attaches it: never writable; executable where the return stub, which
  // lies at its beginning, can be used.
  [[nodiscard]] int attach_flags() const { return attach_flags_; }
  [[nodiscard]] bool has_stub() const { return (attach_flags_ & SHM_EXEC) != 0; }
  // Whether a range given to munmap, mmap ... touches the window.
  static bool touches(uint64_t address, uint64_t length);
  // The longest that the kernel makes of this length at this address if its pages are huge: whole
  // ones, none of them larger than what the address is a multiple of.
  static uint64_t in_huge_pages(uint64_t address, uint64_t length);
  // Whether the segment is some callgate's area: of its size, and marked for destruction.
  static bool is_one(int segment);
  // st_dev of the segment's file. 0: it cannot be told.
  uint64_t device();

  // One task's share of the area while its call is in the kernel; given back when destroyed.
  class Slot {
   public:
    Slot() = default;
    Slot(Slot&& other) noexcept;
    Slot& operator=(Slot&& other) noexcept;
    ~Slot();
    [[nodiscard]] bool valid() const { return area_ != nullptr; }
    // Appends bytes, 16-aligned; where the tracee will find them, or E2BIG when the slot is full.
    Result<TraceeAddr> put(std::span<const std::byte> bytes);
    Result<TraceeAddr> put_string(std::string_view text);  // with its NUL
    template <typename T>
    Result<TraceeAddr> put_value(const T& value) {
      return put(std::as_bytes(std::span(&value, 1)));
    }
    void clear() { used_ = 0; }

   private:
    friend class ArgumentArea;
    Slot(ArgumentArea* area, size_t index) : area_(area), index_(index) {}
    ArgumentArea* area_ = nullptr;
    size_t index_ = 0;
    size_t used_ = 0;
  };
  // EAGAIN when every slot is in use.
  Result<Slot> take();
  // Whether a slot can be left with a task until its next stop, however far off that is.
  [[nodiscard]] bool plenty() const { return free_.size() > kSlots / 4; }

 private:
  ArgumentArea(int segment, std::byte* base);
  int segment_;
  uint64_t device_ = 0;
  int attach_flags_ = SHM_RDONLY;
  std::byte* base_;
  std::vector<size_t> free_;  // the lowest index last, so that few pages are ever touched
};

}  // namespace callgate
