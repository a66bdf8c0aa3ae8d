// The one way in which names_fuzz makes the calls that it logs, so that an oracle can take the
// place of a monitor.
#pragma once

#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <string>

namespace names_fuzz {

using Arguments = std::array<uint64_t, 5>;
constexpr int kKilled = -1;

// Asked before each call when it is set: 0, the errno of a refusal, or kKilled. A refused call is
// not made.
extern int (*refusal)(long nr, const Arguments& arguments);

long call(long nr, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0, uint64_t d = 0, uint64_t e = 0);
template <typename T>
uint64_t at(T* pointer) {
  return reinterpret_cast<uint64_t>(pointer);
}
// The kernel takes an int: what stands above it must not matter.
uint64_t as_register(int value);

// Logs the result of a call, and returns it.
long answer(long result);
std::string status_text(const struct stat& st);
// The kernel's name of a descriptor, the same in every run.
std::string name_of(int fd);
void describe_descriptor(int fd);

}  // namespace names_fuzz
