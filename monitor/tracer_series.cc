// A call that the monitor makes as a series of calls (kill of a group). The program's own call
// would be one, so no handler of its may run in between.
#include <sys/ptrace.h>

#include <cstdint>

#include "monitor/tracer.h"

namespace callgate {
namespace {

// ptrace's address and data are numbers here.
bool control_mask(__ptrace_request request, pid_t tid, uint64_t& mask) {
  return ptrace(request, tid, reinterpret_cast<void*>(sizeof mask), &mask) == 0;  // NOLINT
}

}  // namespace

void Tracer::keep_signals_back(Task& task) {
  uint64_t mask = 0;
  uint64_t all = UINT64_MAX;
  if (task.signal_mask || !control_mask(PTRACE_GETSIGMASK, task.tid, mask)) return;
  if (control_mask(PTRACE_SETSIGMASK, task.tid, all)) task.signal_mask = mask;
}

void Tracer::let_signals_in(Task& task) {
  if (!task.signal_mask) return;
  control_mask(PTRACE_SETSIGMASK, task.tid, *task.signal_mask);
  task.signal_mask.reset();
}

}  // namespace callgate
