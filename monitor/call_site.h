// Where in a program a call was made: "libc.so.6+0x10f2b3 syscall".
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "monitor/mirror.h"
#include "monitor/proc_files.h"

namespace callgate {

// "libc.so.6+0x10f2b3": the last component of the mapped name and the offset into the file, or the
// bare address where nothing with a name is mapped.
std::string code_place(std::span<const Mapping> mappings, uint64_t address);

class CallSites {
 public:
  // The object the instruction lies in, the offset into its file, and the instruction that entered
  // the kernel, as far as they can be read. Mappings are kept per address space and read again
  // when an address is in none of them.
  std::string describe(const Task& task, uint64_t instruction_pointer);

 private:
  struct Known {
    std::weak_ptr<AddressSpace> space;
    std::vector<Mapping> mappings;
    std::unordered_map<uint64_t, std::string> sites;
  };
  std::unordered_map<const AddressSpace*, Known> known_;
};

}  // namespace callgate
