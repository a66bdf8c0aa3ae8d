// What an open asks for, in the one form that openat2 takes: read from the caller's memory, or made
// of the older calls' flags.
#pragma once

#include <linux/openat2.h>

#include <cstdint>

#include "arch/result.h"
#include "monitor/tracee_memory.h"

namespace callgate {

// open() and openat() as openat2 (fs/open.c, build_open_how): bits that they ignore are gone.
open_how how_to_open(uint64_t flags, uint64_t mode);

// The caller's own open_how of `size` bytes. EINVAL when it is shorter than the first version,
// E2BIG when it is longer than a page or asks for something that is not known here, EFAULT.
Result<open_how> read_open_how(const TraceeMemory& memory, TraceeAddr at, uint64_t size);

}  // namespace callgate
