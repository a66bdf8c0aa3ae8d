// Time as a number.
#pragma once

#include <time.h>

#include <cstdint>

namespace callgate {

// Nanoseconds of this clock (CLOCK_REALTIME: since 1970).
inline int64_t clock_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return now.tv_sec * int64_t{1'000'000'000} + now.tv_nsec;
}

}  // namespace callgate
