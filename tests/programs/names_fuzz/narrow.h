// The same calls by the 32-bit entry of an x86 kernel (int 0x80), which a 64-bit program may use,
// too: other numbers, only the low halves of the registers count, and open(2) is no large one.
#pragma once

#include <sys/mman.h>

#include "tests/programs/names_fuzz/call.h"

namespace names_fuzz {

// For memory whose addresses it can be told.
#if defined(MAP_32BIT)
constexpr int kMapReachable = MAP_32BIT;
#else
constexpr int kMapReachable = 0;
#endif

// Whether the kernel has that entry.
bool has_narrow_entry();
// Whether i386 has this call with the same structures in memory, and its pointers fit.
bool fits_narrow_entry(long nr, const Arguments& arguments);
// As syscall(2): -1 and errno. For what fits.
long call_narrowly(long nr, const Arguments& arguments);

}  // namespace names_fuzz
