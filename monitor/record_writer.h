// Writing whole records to a descriptor that belongs to somebody else: a terminal that may be
// stopped with ^S, a pipe whose reader may be gone or asleep, a disk that may be full. SIGPIPE
// never reaches the process: the program under callgate must not inherit it as ignored, so it is
// blocked and eaten around the write instead.
#pragma once

#include <chrono>
#include <string_view>

#include "arch/result.h"

namespace callgate {

// One write(2), and only if the descriptor takes it within `patience`; false when the record was
// not written in full. For records of at most PIPE_BUF (4096) bytes, which a pipe takes whole.
bool write_record(int fd, std::string_view record, std::chrono::milliseconds patience);

// All of it, in as many writes as it takes. ETIMEDOUT when the descriptor takes nothing for
// `patience`; else what write(2) said (ENOSPC, EPIPE, EDQUOT, EFBIG, EIO).
Status write_all(int fd, std::string_view bytes, std::chrono::milliseconds patience);

}  // namespace callgate
