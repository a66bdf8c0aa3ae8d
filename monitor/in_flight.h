// A call that is in the kernel on our terms: what must be put back and learned at its exit stop.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "arch/abi.h"
#include "arch/registers.h"
#include "arch/syscall_table.h"
#include "arch/unique_fd.h"
#include "monitor/argument_area.h"
#include "monitor/event.h"
#include "monitor/exec_words.h"
#include "monitor/socket_facts.h"

namespace callgate {

// -512..-516: the kernel will run the call again or turn it into EINTR; either way it is not the
// result the program sees, unless a handler comes first (signal(7)).
constexpr int64_t kRestartNoHand = -514;
constexpr bool restarts(int64_t result) { return result >= -516 && result <= -512; }

// What the exit stop means.
enum class After : uint8_t {
  Finish,      // restore, record
  MapArea,     // our own shmat: check it, then run the stopped call again
  Pause,       // our own wait: run the stopped call again
  OpenByName,  // openat2 of the decided name: a symlink or search refusal means another attempt
  Exec,        // a failed execve; a successful one comes as an exec event
  Socket,      // learn what was made, or that it is bound
  SendOne,     // one message of a sendmmsg: its length to fill in, the next to send
  Landlock,    // a task entered a domain of its own making
  Unshare,     // a task stopped sharing something
  SignalOne,   // one process of a group that is signalled
};

// How the next stop of the same call shall go about it. Bounded: attempts only grow.
struct Retry {
  uint64_t instruction_pointer = 0;  // of the call it is meant for
  bool resolve = false;              // no optimism: walk the name
  bool pin = false;                  // through a pinned directory instead of the whole name
  int attempts = 0;
  size_t progress = 0;  // SendOne, SignalOne: how many are done
  pid_t signalled = 0;  // SignalOne: the latest of them
  int64_t series = 0;   // SignalOne: what the call as a whole says, so far
};

// A name that leads nowhere is replaced by one on which the kernel fails (stand_in.h): what it then
// says, and what the program's own name deserves.
struct ErrorInStead {
  int kernel_says = 0;
  int means = 0;
};

struct InFlight {
  After after = After::Finish;
  Abi abi = Abi::X86_64;
  const SyscallRow* row = nullptr;
  bool redirected = false;            // registers differ from `original`
  bool returns_itself = false;        // through the return stub: no exit stop is asked for
  bool names_process = false;         // by a number that must not become another's meanwhile
  std::optional<Registers> original;  // always there when redirected
  ArgumentArea::Slot slot;
  std::vector<UniqueFd> pins;  // what /proc/<keeper>/fd/<n> leads to while the call runs
  std::optional<Event> event;  // to be recorded with the result
  std::array<ErrorInStead, 2> errors;
  Retry retry;                   // how this attempt was made
  bool loop_is_genuine = false;  // OpenByName: ELOOP is the program's own
  bool may_pin = false;          // OpenByName: EACCES may be the longer walk's fault
  bool create_removed = false;   // OpenByName: O_CREAT was taken away from an existing file
  bool exclusive_added = false;  // OpenByName: O_EXCL keeps the missing leaf from being a link
  uint64_t device = 0;           // Exec: identity of the object that was judged
  uint64_t inode = 0;
  std::unique_ptr<const ExecWords> words;  // Exec: how its argument list may begin
  SocketFacts facts;            // Socket: what is being made or bound (`inode`)
  uint64_t unshared = 0;        // Unshare: clone flags
  bool whole_process = false;   // Landlock: every thread enters
  uint64_t vector_address = 0;  // SendOne: the caller's mmsghdr array
  size_t vector_count = 0;      // SendOne: its entries
};

}  // namespace callgate
