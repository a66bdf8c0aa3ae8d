// The random numbers that a seed stands for, and the log that two runs must agree on byte by byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace names_fuzz {

// splitmix64: the same numbers everywhere.
struct Generator {
  uint64_t state = 0;
  uint64_t next() {
    uint64_t z = (state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  int below(int n) { return static_cast<int>(next() % static_cast<uint64_t>(n)); }
  bool percent(int p) { return below(100) < p; }
  template <typename T, size_t N>
  T of(const T (&choices)[N]) {
    return choices[below(static_cast<int>(N))];
  }
};
extern Generator generator;

uint64_t hash(std::string_view text);
std::string shown(std::string_view bytes);
// The kernel's names hold our pid, which is another one each time.
std::string without_pid(const std::string& text);

void say(const std::string& text);
void log_flags(const char* what, uint64_t flags);
void end_line();

}  // namespace names_fuzz
