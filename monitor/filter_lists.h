// How the filter judges scalar arguments: decision lists, of which the first clause that holds
// answers. libseccomp picks the list by architecture and number; its own argument rules are not
// used, because rules of different actions that overlap have no defined order there.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <string>
#include <vector>

#include "arch/abi.h"
#include "monitor/filter.h"

namespace callgate {

struct ArgumentTest {
  enum class Op : uint8_t { Eq, Ne, Lt, Ge, MaskedEq, AnyBits };
  int argument = 0;
  Op op = Op::Eq;
  // The kernel truncates ints, flags and commands to 32 bits, and so must the filter (garbage in
  // the upper half is an old trick); pointers and lengths are compared whole.
  bool wide = false;
  uint64_t value = 0;
  uint64_t mask = UINT64_MAX;  // applied to the argument before the comparison; not by AnyBits
};

struct Clause {
  std::vector<ArgumentTest> tests;  // all must hold; none: always
  uint32_t answer = 0;              // a SECCOMP_RET_* value or kAskBase
  uint16_t note = 0;                // FilterNote::data() of the statement that says so
};
// The answer of a `syscall allow` statement on a call that is traced or guarded: what the row says.
// With a note, that of a refusing statement in an audit: what the row says, and what is not refused
// there is traced with the note.
inline constexpr uint32_t kAskBase = 0xffffffff;

struct DecisionList {
  std::vector<Clause> rules;  // the policy's syscall statements
  std::vector<Clause> base;   // the row's condition
  uint32_t otherwise = 0;     // the row's answer
  uint16_t note = 0;          // with `otherwise`, where a statement made it so
  [[nodiscard]] bool unconditional() const { return rules.empty() && base.empty(); }
};

// The row's plan as the table and the policy's needs make it, before any syscall statement.
RowPlan plan_row(const SyscallRow& row, const FilterInputs& inputs);

DecisionList decision_list(const RowPlan& plan, Abi abi, const FilterInputs& inputs);
// What the program returns: a refusal that is told is a stop with a note.
uint32_t told(uint32_t answer, uint16_t note);
// Appends the list's program; every path of it returns.
void emit_list(const DecisionList& list, Abi abi, std::vector<sock_filter>* program);
// One clause a line, each indented by two spaces.
std::string list_text(const DecisionList& list);
std::string answer_text(uint32_t answer);

}  // namespace callgate
