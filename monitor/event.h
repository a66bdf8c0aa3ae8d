// One judged or observed call, complete with its result: what the audit writes, the denial report
// says and the lab shows. Owned bytes only; nothing in it points into a tracee.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "arch/abi.h"
#include "policy/policy.h"

namespace callgate {

struct Event {
  enum class Kind : uint8_t { Path, Network, Exec, Signal, Process, Other };
  struct Object {
    std::string asked;               // the name as the program gave it, raw bytes
    std::string real;                // the canonical name, raw bytes; empty when it has none
    std::vector<std::string> links;  // symlinks passed through, in order, canonical
    bool is_link = false;            // it is a symlink itself, and was not followed
  };

  int64_t time_ns = 0;  // CLOCK_REALTIME at the entry stop
  pid_t tid = 0;
  pid_t pid = 0;
  pid_t parent = 0;
  std::shared_ptr<const std::string> executable;  // canonical name of the program image
  std::string_view call;                          // the row's name
  Abi abi = Abi::X86_64;
  uint64_t instruction_pointer = 0;
  std::string call_site;  // "libc.so.6+0x10f2b3 syscall" when asked for; else empty

  Kind kind = Kind::Other;
  std::string operation;        // "read", "write,create", "tcp connect", "signal 9", "execute"
  std::vector<Object> objects;  // none, one or two (rename, link)

  Verdict verdict = Verdict::Allow;
  const Statement* rule = nullptr;  // the deciding statement; null: nothing matched
  std::string reason;          // why, when no statement says it: "mount API", "unreadable memory"
  std::string remedy;          // what would allow it, where operation and objects do not say so
  bool would_deny = false;     // audit --policy: runs, but the policy would have refused
  bool lookup_failed = false;  // the name led nowhere (ENOENT, ENOTDIR ...)
  bool log = false;            // the deciding statement asked to be logged
  int64_t result = 0;          // what the program saw: value, or -errno
};

// Life of a process, for the tree of executed programs.
struct ProcessEvent {
  enum class Kind : uint8_t { Started, Executed, Exited };
  Kind kind = Kind::Started;
  int64_t time_ns = 0;
  pid_t pid = 0;
  pid_t parent = 0;
  std::string executable;         // Executed: canonical name
  std::vector<std::string> argv;  // Executed: the arguments the kernel copied, capped
  int wait_status = 0;            // Exited: as waitpid gives it
};

class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void on_event(const Event& event) = 0;
  virtual void on_process(const ProcessEvent& event) = 0;
  // The last task is gone: write summaries.
  virtual void on_finish() {}
  // False when records are being lost (full disk, closed pipe); the loop asks after each record.
  [[nodiscard]] virtual bool healthy() const { return true; }
};

}  // namespace callgate
