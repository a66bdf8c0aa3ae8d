#include "monitor/call_site.h"

#include <array>

#include "arch/instruction.h"
#include "monitor/tracee_memory.h"

namespace callgate {
namespace {

constexpr size_t kMostSpaces = 1024;
constexpr size_t kMostSites = 4096;

const Mapping* holding(std::span<const Mapping> mappings, uint64_t address) {
  for (const Mapping& mapping : mappings) {
    if (mapping.start <= address && address < mapping.end) return &mapping;
  }
  return nullptr;
}

std::string hexadecimal(uint64_t value) {
  std::array<char, 24> text{};
  snprintf(text.data(), text.size(), "0x%llx", static_cast<unsigned long long>(value));
  return text.data();
}

}  // namespace

std::string code_place(std::span<const Mapping> mappings, uint64_t address) {
  const Mapping* mapping = holding(mappings, address);
  if (mapping == nullptr || mapping->name.empty()) return hexadecimal(address);
  const size_t slash = mapping->name.find_last_of('/');
  return mapping->name.substr(slash == std::string::npos ? 0 : slash + 1) + "+" +
         hexadecimal(address - mapping->start + mapping->offset);
}

std::string CallSites::describe(const Task& task, uint64_t instruction_pointer) {
  if (known_.size() > kMostSpaces) known_.clear();
  Known& known = known_[task.memory.get()];
  if (known.space.lock() != task.memory) known = Known{task.memory, {}, {}};  // a recycled address
  if (known.sites.size() > kMostSites) known.sites.clear();
  if (auto found = known.sites.find(instruction_pointer); found != known.sites.end()) {
    return found->second;
  }
  if (holding(known.mappings, instruction_pointer) == nullptr) {
    auto mappings = read_mappings(task.tid);
    if (!mappings.ok()) return {};
    known.mappings = *std::move(mappings);
  }
  std::string site = code_place(known.mappings, instruction_pointer);
  std::array<uint8_t, 16> bytes{};
  const TraceeMemory memory(task.tid);
  if (memory
          .read(TraceeAddr{instruction_pointer - bytes.size()},
                std::as_writable_bytes(std::span(bytes)))
          .ok()) {
    site += std::string(" ") + entry_instruction_name(decode_entry_instruction(bytes));
  }
  known.sites[instruction_pointer] = site;
  return site;
}

}  // namespace callgate
