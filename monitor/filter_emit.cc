// Decision lists as classic BPF, and as text.
#include <linux/seccomp.h>

#include <cstddef>
#include <cstring>
#include <map>
#include <optional>

#include "monitor/filter_lists.h"

namespace callgate {
namespace {

using Op = ArgumentTest::Op;
using Program = std::vector<sock_filter>;

constexpr uint8_t kFail = 0xff;  // a jump to the end of the clause, patched there

sock_filter statement(int code, uint32_t k) { return {static_cast<uint16_t>(code), 0, 0, k}; }
sock_filter jump(int condition, uint32_t k, uint8_t jt, uint8_t jf) {
  return {static_cast<uint16_t>(BPF_JMP | BPF_K | condition), jt, jf, k};
}

void load(int argument, bool upper, uint64_t mask, Program* program) {
  // seccomp_data holds the arguments in the machine's order: little-endian on both machines.
  const size_t offset = offsetof(seccomp_data, args) + static_cast<size_t>(argument) * 8;
  program->push_back(
      statement(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset + (upper ? 4 : 0))));
  const auto half = static_cast<uint32_t>(upper ? mask >> 32 : mask);
  if (half != UINT32_MAX) program->push_back(statement(BPF_ALU | BPF_AND | BPF_K, half));
}

// Without an upper half (i386), a value that has one makes the answer constant.
std::optional<bool> constant_on_32_bits(const ArgumentTest& test) {
  if ((test.value >> 32) == 0) return std::nullopt;
  return test.op == Op::Ne || test.op == Op::Lt;
}

void emit_lower(const ArgumentTest& test, Program* program) {
  const auto value = static_cast<uint32_t>(test.value);
  const bool masked = test.op != Op::AnyBits;
  load(test.argument, false, masked ? test.mask : UINT64_MAX, program);
  switch (test.op) {
    case Op::Eq:
    case Op::MaskedEq:
      program->push_back(jump(BPF_JEQ, value, 0, kFail));
      break;
    case Op::Ne:
      program->push_back(jump(BPF_JEQ, value, kFail, 0));
      break;
    case Op::Lt:
      program->push_back(jump(BPF_JGE, value, kFail, 0));
      break;
    case Op::Ge:
      program->push_back(jump(BPF_JGE, value, 0, kFail));
      break;
    case Op::AnyBits:
      program->push_back(jump(BPF_JSET, value, 0, kFail));
      break;
  }
}

// The upper half first; where it settles the question, the lower half's code is jumped over.
void emit_wide(const ArgumentTest& test, Program* program) {
  const auto upper = static_cast<uint32_t>(test.value >> 32);
  Program lower;
  emit_lower(test, &lower);
  const auto skip = static_cast<uint8_t>(lower.size());
  load(test.argument, true, test.mask, program);
  switch (test.op) {
    case Op::Eq:
    case Op::MaskedEq:
    case Op::AnyBits:
      program->push_back(jump(BPF_JEQ, upper, 0, kFail));
      break;
    case Op::Ne:
      program->push_back(jump(BPF_JEQ, upper, 0, skip));
      break;
    case Op::Lt:
      program->push_back(jump(BPF_JGT, upper, kFail, 0));
      program->push_back(jump(BPF_JEQ, upper, 0, skip));
      break;
    case Op::Ge:
      program->push_back(jump(BPF_JGT, upper, static_cast<uint8_t>(skip + 1), 0));
      program->push_back(jump(BPF_JEQ, upper, 0, kFail));
      break;
  }
  program->insert(program->end(), lower.begin(), lower.end());
}

using BaseJumps = std::map<uint16_t, std::vector<size_t>>;  // by the note that goes along

// Appends the clause, or nothing if it can never hold in this ABI. With `base_jumps`, a kAskBase
// answer leaves a jump for the caller to aim.
void emit_clause(const Clause& clause, Abi abi, BaseJumps* base_jumps, Program* program) {
  Program code;
  for (const ArgumentTest& test : clause.tests) {
    if (!test.wide) {
      emit_lower(test, &code);
      continue;
    }
    if (abi != Abi::I386) {
      emit_wide(test, &code);
      continue;
    }
    const std::optional<bool> constant = constant_on_32_bits(test);
    if (!constant) {
      emit_lower(test, &code);
    } else if (!*constant) {
      return;
    }
  }
  const size_t end = code.size() + 1;  // behind the answer
  for (size_t i = 0; i < code.size(); ++i) {
    if (BPF_CLASS(code[i].code) != BPF_JMP) continue;
    const auto distance = static_cast<uint8_t>(end - i - 1);
    if (code[i].jt == kFail) code[i].jt = distance;
    if (code[i].jf == kFail) code[i].jf = distance;
  }
  program->insert(program->end(), code.begin(), code.end());
  if (clause.answer == kAskBase && base_jumps != nullptr) {
    (*base_jumps)[clause.note].push_back(program->size());
    program->push_back(statement(BPF_JMP | BPF_JA, 0));
  } else {
    program->push_back(statement(BPF_RET | BPF_K, told(clause.answer, clause.note)));
  }
}

// What goes along with the base's answer where an audit's `note` (or none, 0) led there.
uint16_t note_with(uint32_t answer, uint16_t note) {
  std::optional<FilterNote> read = FilterNote::read(note);
  if (!read) return 0;
  switch (answer & SECCOMP_RET_ACTION_FULL) {
    case SECCOMP_RET_ALLOW:
      return note;
    case SECCOMP_RET_TRACE:
      read->kind = FilterNote::Kind::Judged;
      return read->data();
    default:
      return 0;
  }
}

std::string hex(uint64_t value) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  do {
    text.insert(text.begin(), kDigits[value & 0xf]);
    value >>= 4;
  } while (value != 0);
  return "0x" + text;
}

std::string test_text(const ArgumentTest& test) {
  std::string argument = "arg" + std::to_string(test.argument);
  if (!test.wide) argument += ":32";
  const uint64_t full = test.wide ? UINT64_MAX : UINT32_MAX;
  if (test.op != Op::AnyBits && (test.mask & full) != full) {
    argument = "(" + argument + " & " + hex(test.mask) + ")";
  }
  switch (test.op) {
    case Op::Eq:
    case Op::MaskedEq:
      return argument + " == " + hex(test.value);
    case Op::Ne:
      return argument + " != " + hex(test.value);
    case Op::Lt:
      return argument + " < " + hex(test.value);
    case Op::Ge:
      return argument + " >= " + hex(test.value);
    case Op::AnyBits:
      return "(" + argument + " & " + hex(test.value) + ") != 0x0";
  }
  return argument;
}

void append_clauses(const std::vector<Clause>& clauses, std::string* text) {
  for (const Clause& clause : clauses) {
    *text += "  ";
    const char* separator = "if ";
    for (const ArgumentTest& test : clause.tests) {
      *text += separator + test_text(test);
      separator = " and ";
    }
    if (!clause.tests.empty()) *text += ": ";
    const bool tells = clause.answer == kAskBase && clause.note != 0;
    *text += answer_text(clause.answer) + (tells ? ", and told" : "") + "\n";
  }
}

}  // namespace

uint32_t told(uint32_t answer, uint16_t note) {
  constexpr uint32_t kToldRefusal = SECCOMP_RET_ERRNO | static_cast<uint32_t>(kToldError);
  if (note == 0 && answer == kToldRefusal) note = FilterNote{}.data();
  return note == 0 ? answer : SECCOMP_RET_TRACE | uint32_t{note};
}

void emit_list(const DecisionList& list, Abi abi, std::vector<sock_filter>* program) {
  BaseJumps base_jumps;
  for (const Clause& clause : list.rules) emit_clause(clause, abi, &base_jumps, program);
  base_jumps[0];  // reached, if by no jump, by falling through, and so it comes first
  for (const auto& [note, jumps] : base_jumps) {
    for (const size_t at : jumps) {
      (*program)[at].k = static_cast<uint32_t>(program->size() - at - 1);
    }
    for (Clause clause : list.base) {
      clause.note = note_with(clause.answer, note);
      emit_clause(clause, abi, nullptr, program);
    }
    const uint16_t last = note == 0 ? list.note : note_with(list.otherwise, note);
    program->push_back(statement(BPF_RET | BPF_K, told(list.otherwise, last)));
  }
}

std::string answer_text(uint32_t answer) {
  if (answer == kAskBase) return "as the table says";
  switch (answer & SECCOMP_RET_ACTION_FULL) {
    case SECCOMP_RET_ALLOW:
      return "pass";
    case SECCOMP_RET_TRACE:
      return "trace";
    case SECCOMP_RET_KILL_PROCESS:
      return "kill";
    case SECCOMP_RET_ERRNO: {
      const char* name = ::strerrorname_np(static_cast<int>(answer & SECCOMP_RET_DATA));
      return std::string("refuse ") + (name == nullptr ? "?" : name);
    }
    default:
      return hex(answer);
  }
}

std::string list_text(const DecisionList& list) {
  std::string text;
  append_clauses(list.rules, &text);
  append_clauses(list.base, &text);
  return text + "  " + (list.unconditional() ? "" : "else: ") + answer_text(list.otherwise) + "\n";
}

}  // namespace callgate
