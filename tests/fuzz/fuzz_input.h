// What every fuzz target needs: the input as the fuzzer made it, cut into parts, and a way to say
// that a property does not hold. A target states its property in its first comment.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace callgate::fuzz {

// A property: says which one does not hold and stops, so that the fuzzer keeps the input.
inline void holds(bool truth, std::string_view property) {
  if (truth) return;
  std::fprintf(stderr, "does not hold: %.*s\n", static_cast<int>(property.size()), property.data());
  std::abort();
}

class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(data, size) {}

  // The next bytes as a value; zeros where the input is too short.
  template <typename T>
  T take() {
    T value{};
    const size_t size = std::min(sizeof value, rest_.size());
    if (size > 0) std::memcpy(&value, rest_.data(), size);
    rest_ = rest_.subspan(size);
    return value;
  }
  // One of so many choices; the digits choose the first ten, so that a seed can be read.
  size_t choice(size_t count) {
    const auto byte = take<uint8_t>();
    return (byte >= '0' && byte <= '9' ? byte - size_t{'0'} : byte) % count;
  }
  [[nodiscard]] std::span<const std::byte> bytes() const { return std::as_bytes(rest_); }
  [[nodiscard]] std::string_view text() const {
    return {reinterpret_cast<const char*>(rest_.data()), rest_.size()};
  }

 private:
  std::span<const uint8_t> rest_;
};

// The parts between separators; "" is one empty part.
inline std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (;;) {
    const size_t end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// A canonical name made of the bytes: absolute, no NUL, no component that is none. May be empty.
inline std::string canonical(std::string_view bytes) {
  std::string name;
  for (std::string part : split(bytes, '/')) {
    std::erase(part, '\0');
    if (!part.empty() && part != "." && part != "..") name += '/' + part;
  }
  return name;
}

// Nothing that drives a terminal: printable ASCII and, where `also` names them, others.
inline bool printable(std::string_view text, std::string_view also = {}) {
  for (const char c : text) {
    if ((c < 0x20 || c > 0x7e) && also.find(c) == std::string_view::npos) return false;
  }
  return true;
}

}  // namespace callgate::fuzz
