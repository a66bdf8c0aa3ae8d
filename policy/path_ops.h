// The seven things a path rule can speak of, and sets of them.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace callgate {

enum class PathOp : uint8_t { Read, Write, Create, Delete, Attributes, Execute, Stat };
inline constexpr int kPathOpCount = 7;

std::string_view path_op_name(PathOp op);  // "read", "write", ...

class PathOps {
 public:
  constexpr PathOps() = default;
  constexpr PathOps(PathOp op) : bits_(bit(op)) {}  // NOLINT: implicit
  constexpr PathOps(std::initializer_list<PathOp> ops) {
    for (PathOp op : ops) bits_ |= bit(op);
  }
  static constexpr PathOps all() { return from_bits((1u << kPathOpCount) - 1); }
  static constexpr PathOps from_bits(unsigned bits) {
    PathOps ops;
    ops.bits_ = static_cast<uint8_t>(bits);
    return ops;
  }
  [[nodiscard]] constexpr unsigned bits() const { return bits_; }
  [[nodiscard]] constexpr bool has(PathOp op) const { return (bits_ & bit(op)) != 0; }
  [[nodiscard]] constexpr bool empty() const { return bits_ == 0; }
  [[nodiscard]] constexpr bool contains(PathOps other) const {
    return (other.bits_ & ~bits_) == 0;
  }
  friend constexpr PathOps operator|(PathOps a, PathOps b) { return from_bits(a.bits_ | b.bits_); }
  friend constexpr PathOps operator&(PathOps a, PathOps b) {
    return from_bits(static_cast<unsigned>(a.bits_) & b.bits_);
  }
  friend constexpr PathOps operator-(PathOps a, PathOps b) {
    return from_bits(static_cast<unsigned>(a.bits_) & ~static_cast<unsigned>(b.bits_));
  }
  friend constexpr bool operator==(PathOps, PathOps) = default;

 private:
  static constexpr uint8_t bit(PathOp op) {
    return static_cast<uint8_t>(1u << static_cast<unsigned>(op));
  }
  uint8_t bits_ = 0;
};

}  // namespace callgate
