#include "arch/syscall_table.h"

#include <cerrno>
#include <initializer_list>
#include <iterator>

namespace callgate {
namespace {

constexpr std::array<Role, 6> make_roles(std::initializer_list<Role> given) {
  std::array<Role, 6> roles{};  // Role::None
  size_t i = 0;
  for (Role role : given) roles.at(i++) = role;
  return roles;
}

// Follow and Role both have an OpenFlags; the lambda brings only Role's names into scope.
#define SYSCALL(name, x86_64, i386, aarch64, gate, error, operation, follow, condition, need, ...) \
  SyscallRow{#name,                                                                                \
             {x86_64, i386, aarch64},                                                              \
             Gate::gate,                                                                           \
             error,                                                                                \
             Operation::operation,                                                                 \
             Follow::follow,                                                                       \
             Condition::condition,                                                                 \
             Need::need,                                                                           \
             [] {                                                                                  \
               using enum Role;                                                                    \
               return make_roles({__VA_ARGS__});                                                   \
             }()},
constexpr SyscallRow kRows[] = {
#include "arch/syscalls.def"
};
#undef SYSCALL
constexpr size_t kRowCount = std::size(kRows);

constexpr int kNumberLimit = 512;
using NumberIndex = std::array<int16_t, kNumberLimit>;  // row index, or -1

// Evaluated by the compiler: a number that two rows claim, or one past the limit, does not compile.
constexpr NumberIndex index_numbers(size_t abi) {
  NumberIndex index{};
  index.fill(-1);
  for (size_t row = 0; row < kRowCount; ++row) {
    const int number = kRows[row].number[abi];
    if (number < 0) continue;
    int16_t& slot = index.at(static_cast<size_t>(number));
    if (slot != -1) throw "two rows claim one number";
    slot = static_cast<int16_t>(row);
  }
  return index;
}
constexpr std::array<NumberIndex, kAbiCount> kByNumber = {index_numbers(0), index_numbers(1),
                                                          index_numbers(2)};

// Open addressing; twice as many slots as rows keeps the probes short.
constexpr size_t kNameSlots = 1024;
static_assert(kRowCount * 2 <= kNameSlots);

constexpr size_t hash_name(std::string_view name) {
  uint32_t hash = 2166136261U;  // FNV-1a
  for (char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return hash % kNameSlots;
}

constexpr std::array<int16_t, kNameSlots> index_names() {
  std::array<int16_t, kNameSlots> index{};
  index.fill(-1);
  for (size_t row = 0; row < kRowCount; ++row) {
    size_t slot = hash_name(kRows[row].name);
    while (index[slot] != -1) {
      if (kRows[static_cast<size_t>(index[slot])].name == kRows[row].name) {
        throw "two rows of one name";
      }
      slot = (slot + 1) % kNameSlots;
    }
    index[slot] = static_cast<int16_t>(row);
  }
  return index;
}
constexpr std::array<int16_t, kNameSlots> kByName = index_names();

}  // namespace

std::span<const SyscallRow> syscall_table() { return kRows; }

const SyscallRow* find_syscall(Abi abi, int number) {
  if (number < 0 || number >= kNumberLimit) return nullptr;
  const int row = kByNumber[static_cast<size_t>(abi)][static_cast<size_t>(number)];
  return row < 0 ? nullptr : &kRows[row];
}

const SyscallRow* find_syscall(std::string_view name) {
  for (size_t slot = hash_name(name); kByName[slot] != -1; slot = (slot + 1) % kNameSlots) {
    const SyscallRow& row = kRows[kByName[slot]];
    if (row.name == name) return &row;
  }
  return nullptr;
}

}  // namespace callgate
