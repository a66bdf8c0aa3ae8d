// The heap of this process, before much is put into it.
#pragma once

#include <cstddef>

namespace callgate {

// Makes room for `bytes` of small objects, in huge pages where the kernel has them. Less than one
// huge page is not worth it, and nothing is done; nor is it a second time. What is then not used
// costs address space only.
void grow_heap(size_t bytes);

}  // namespace callgate
