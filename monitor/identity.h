// Looking at the file system with a tracee's eyes: while one of these lives, this thread's file
// access is judged by the tracee's user, groups and capabilities, so that a root-run monitor finds
// no more than the tracee could.
#pragma once

#include <sys/types.h>

#include "monitor/proc_files.h"

namespace callgate {

// Whether this process, and so the program, is root or holds any capability: it may become another
// user, reach objects that are not its user's, and what lies behind /proc/<pid>/map_files.
bool has_privileges();

class ScopedIdentity {
 public:
  // `own` is what this process started with; nothing is done where `wanted` equals it. Aborts if
  // the kernel refuses to give the own identity back.
  ScopedIdentity(const Credentials& own, const Credentials& wanted);
  ~ScopedIdentity();
  ScopedIdentity(const ScopedIdentity&) = delete;
  ScopedIdentity& operator=(const ScopedIdentity&) = delete;
  // False: the identity could not be taken; the caller must refuse.
  [[nodiscard]] bool ok() const { return ok_; }

 private:
  const Credentials& own_;
  int parent_death_signal_ = 0;
  pid_t parent_ = 0;
  bool changed_ = false;
  bool ok_ = true;
};

}  // namespace callgate
