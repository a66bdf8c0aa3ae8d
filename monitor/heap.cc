#include "monitor/heap.h"

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

namespace callgate {

void grow_heap(size_t bytes) {
  constexpr size_t kHugePage = size_t{2} << 20;
  constexpr size_t kMost = size_t{256} << 20;
  static bool grown = false;
  if (grown || bytes < kHugePage || bytes > kMost) return;
  grown = true;
  // What malloc touches while the heap grows must not lie in a huge page to come. The request that
  // makes it grow is kept: so what follows begins right before the first of them.
  constexpr size_t kRequest = size_t{512} << 10;
  constexpr size_t kBefore = size_t{64} << 10;
  const auto now = reinterpret_cast<uintptr_t>(sbrk(0));  // NOLINT: an address as a number
  const uintptr_t first = (now + kRequest + kBefore + kHugePage - 1) / kHugePage * kHugePage;
  const auto gap = static_cast<intptr_t>(first - kRequest - kBefore - now);
  if (sbrk(gap) == reinterpret_cast<void*>(-1)) return;    // NOLINT: as sbrk says it
  mallopt(M_MMAP_THRESHOLD, static_cast<int>(kHugePage));  // large objects are among the others
  mallopt(M_TRIM_THRESHOLD, static_cast<int>(2 * bytes));
  mallopt(M_TOP_PAD, static_cast<int>(bytes + kHugePage));  // by which the heap grows next
  [[maybe_unused]] static void* volatile kept = malloc(kRequest);  // NOLINT: volatile, or not made
  const auto end = reinterpret_cast<uintptr_t>(sbrk(0));           // NOLINT
  if (first >= end) return;  // the heap did not grow, or is not the C library's
  madvise(reinterpret_cast<void*>(first), end - first, MADV_HUGEPAGE);  // NOLINT: it is advice
}

}  // namespace callgate
