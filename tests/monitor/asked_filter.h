// A compiled filter that tests ask by name, and the inputs they compile it from.
#pragma once

#include <gtest/gtest.h>
#include <linux/seccomp.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "monitor/filter.h"

namespace callgate {

using Arguments = std::array<uint64_t, 6>;

inline constexpr uint64_t kWindowEnd = 0x7100'0000;
inline constexpr int kSegment = 7;
inline constexpr uint64_t kGarbage = 0xdead'beef'0000'0000;
inline constexpr uint32_t kPass = SECCOMP_RET_ALLOW;
inline constexpr uint32_t kTrace = SECCOMP_RET_TRACE;
inline constexpr uint32_t kKill = SECCOMP_RET_KILL_PROCESS;
// What the table refuses, and what statement `rule` of the policy does.
constexpr uint32_t refuse(int error) {
  if (error == EPERM) return SECCOMP_RET_TRACE | uint32_t{FilterNote{}.data()};
  return SECCOMP_RET_ERRNO | static_cast<uint32_t>(error);
}
constexpr uint32_t refused_by(size_t rule) {
  return SECCOMP_RET_TRACE | uint32_t{FilterNote{FilterNote::Kind::Refused, rule}.data()};
}

inline FilterInputs nothing_needed() {
  FilterInputs inputs;
  inputs.needs = {.paths = false,
                  .attributes = false,
                  .execute = false,
                  .stat = false,
                  .network = false,
                  .signals = false};
  inputs.window_end = kWindowEnd;
  inputs.area_segment = kSegment;
  return inputs;
}

inline FilterInputs everything_needed() {
  FilterInputs inputs = nothing_needed();
  inputs.needs = {.paths = true,
                  .attributes = true,
                  .execute = true,
                  .stat = true,
                  .network = true,
                  .signals = true};
  inputs.limits = true;
  inputs.co_schedule = true;
  return inputs;
}

inline FilterInputs audit() {
  FilterInputs inputs = nothing_needed();
  inputs.observe_all = true;
  return inputs;
}

inline FilterInputs no_area() {
  FilterInputs inputs = everything_needed();
  inputs.window_end = 0;
  inputs.area_segment = -1;
  return inputs;
}

inline SyscallRule rule(Verdict verdict, const std::string& name, int error = EPERM) {
  SyscallRule made;
  made.verdict = verdict;
  made.error = error;
  made.name = name;
  return made;
}
inline SyscallRule rule_when(Verdict verdict, const std::string& name, SyscallRule::When when) {
  SyscallRule made = rule(verdict, name);
  made.when = when;
  return made;
}

// Whether plain_stops says so of the number.
inline bool is_plain(const std::vector<bool>& plain, int number) {
  return number >= 0 && static_cast<size_t>(number) < plain.size() &&
         plain[static_cast<size_t>(number)];
}

// A compiled filter to be asked by name.
class Asked {
 public:
  explicit Asked(const FilterInputs& inputs) {
    auto filter = compile_filter(inputs);
    EXPECT_TRUE(filter.ok()) << "errno " << (filter.ok() ? 0 : filter.error().code);
    if (filter.ok()) program_ = std::move(filter->program);
  }
  [[nodiscard]] uint32_t number(uint32_t arch, int number, const Arguments& arguments = {}) const {
    return evaluate_filter(program_, arch, number, arguments, 0x401000);
  }
  [[nodiscard]] uint32_t name(Abi abi, std::string_view name,
                              const Arguments& arguments = {}) const {
    const SyscallRow* row = find_syscall(name);
    if (row == nullptr) return 0;
    return number(audit_arch(abi), row->number[static_cast<size_t>(abi)], arguments);
  }
  [[nodiscard]] uint32_t operator()(std::string_view call, const Arguments& arguments = {}) const {
    return name(Abi::X86_64, call, arguments);
  }
  [[nodiscard]] const std::vector<sock_filter>& program() const { return program_; }

 private:
  std::vector<sock_filter> program_;
};

}  // namespace callgate
