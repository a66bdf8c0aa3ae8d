#include "monitor/tracee_memory.h"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace callgate {
namespace {

constexpr uint64_t kPage = 4096;  // a smaller unit than the real page is only slower

void* remote(TraceeAddr address) {
  return reinterpret_cast<void*>(static_cast<uintptr_t>(address));  // NOLINT: another process's
}

// Bytes read before a fault (possibly 0), or an errno.
Result<size_t> read_some(pid_t tid, TraceeAddr from, std::span<std::byte> bytes) {
  iovec local{bytes.data(), bytes.size()};
  iovec foreign{remote(from), bytes.size()};
  const ssize_t n = process_vm_readv(tid, &local, 1, &foreign, 1, 0);
  if (n < 0) return last_error();
  return static_cast<size_t>(n);
}

}  // namespace

Status TraceeMemory::read(TraceeAddr from, std::span<std::byte> bytes) const {
  if (bytes.empty()) return Unit{};
  CALLGATE_TRY(const size_t n, read_some(tid_, from, bytes));
  if (n != bytes.size()) return Error{EFAULT};
  return Unit{};
}

Result<std::string> TraceeMemory::read_string(TraceeAddr from, size_t limit) const {
  std::string text;
  std::array<std::byte, kPage> page;
  auto at = static_cast<uint64_t>(from);
  while (text.size() < limit) {
    // Most names are short: the first read takes 256 bytes, and none crosses into a page that
    // may not be mapped.
    const uint64_t want =
        std::min({kPage - at % kPage, uint64_t{limit} - text.size(),
                  text.empty() ? uint64_t{256} : kPage});
    CALLGATE_TRY(const size_t n, read_some(tid_, TraceeAddr{at}, std::span(page).first(want)));
    if (n == 0) return Error{EFAULT};
    const auto* begin = reinterpret_cast<const char*>(page.data());
    const void* end = std::memchr(begin, 0, n);
    if (end != nullptr) {
      text.append(begin, static_cast<const char*>(end));
      return text;
    }
    text.append(begin, n);
    at += n;
  }
  return Error{ENAMETOOLONG};
}

Status TraceeMemory::write(TraceeAddr to, std::span<const std::byte> bytes) const {
  iovec local{const_cast<std::byte*>(bytes.data()), bytes.size()};  // NOLINT: not written
  iovec foreign{remote(to), bytes.size()};
  const ssize_t n = process_vm_writev(tid_, &local, 1, &foreign, 1, 0);
  if (n < 0) return last_error();
  if (static_cast<size_t>(n) != bytes.size()) return Error{EFAULT};
  return Unit{};
}

}  // namespace callgate
