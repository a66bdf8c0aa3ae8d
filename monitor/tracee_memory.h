// A tracee's memory. Addresses are a type of their own: they are never dereferenced here. Every
// read is one copy; what was read is judged and acted on, never read again.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "arch/result.h"

namespace callgate {

enum class TraceeAddr : uint64_t {};

class TraceeMemory {
 public:
  explicit TraceeMemory(pid_t tid) : tid_(tid) {}

  // Exactly bytes.size() bytes, or EFAULT. EPERM: the task is undumpable and we may not look.
  // ESRCH: it is gone.
  [[nodiscard]] Status read(TraceeAddr from, std::span<std::byte> bytes) const;
  // A C string of less than `limit` bytes: EFAULT, EPERM, ESRCH, or ENAMETOOLONG where no NUL
  // stands within `limit` (as the kernel's getname says it).
  [[nodiscard]] Result<std::string> read_string(TraceeAddr from, size_t limit) const;
  [[nodiscard]] Status write(TraceeAddr to, std::span<const std::byte> bytes) const;

  template <typename T>
  [[nodiscard]] Result<T> read_value(TraceeAddr from) const {
    T value;
    auto status = read(from, std::as_writable_bytes(std::span(&value, 1)));
    if (!status.ok()) return status.error();
    return value;
  }

 private:
  pid_t tid_;
};

}  // namespace callgate
