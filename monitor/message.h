// msghdr of either ABI: copied once with everything it points to that the kernel judges by, and
// laid out anew in the argument area.
#pragma once

#include <cstddef>
#include <vector>

#include "arch/abi.h"
#include "arch/result.h"
#include "monitor/argument_area.h"
#include "monitor/tracee_memory.h"

namespace callgate {

struct Message {
  std::vector<std::byte> name;     // empty: not addressed
  std::vector<std::byte> vectors;  // the iovec array as it is; the data stays where it is
  uint64_t vector_count = 0;
  uint64_t control = 0;  // the caller's own pointer, unless the content is sealed
  uint64_t control_length = 0;
  std::vector<std::byte> sealed_control;  // of a socket for which it is judged
  uint32_t flags = 0;
};

// EFAULT; EMSGSIZE for more than 1024 vectors, as the kernel says it.
Result<Message> read_message(const TraceeMemory& memory, TraceeAddr at, Abi abi);
// Copies the control message as well. EFAULT; ENOBUFS for more than a slot could take.
Status seal_control(const TraceeMemory& memory, Message& message);
// Where the tracee finds the copy.
Result<TraceeAddr> put_message(ArgumentArea::Slot& slot, const Message& message, Abi abi);

size_t message_stride(Abi abi);         // sizeof(struct mmsghdr)
size_t message_length_offset(Abi abi);  // offsetof(struct mmsghdr, msg_len)

}  // namespace callgate
