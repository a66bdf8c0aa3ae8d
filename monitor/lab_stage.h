// A process of its own in which attacks run: everything they start and abandon becomes its child,
// so that at the end it can be found and ended, and nothing else is. The stage outlives neither
// the lab nor an interrupt, and tidies up after both.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <functional>

namespace callgate {

// The signals by which a user ends a command; on a stage they are blocked and taken by signalfd.
sigset_t lab_ending_signals();

// Runs `body` on a stage and returns what it returned; dies as the stage died when a signal that
// the user sent has ended it. `body` is to return soon after one of the ending signals is pending.
int on_lab_stage(const std::function<int()>& body);

// An ending signal that has come to this process and is still blocked; 0: none.
int pending_ending_signal();

// Kills every child of this process but `spared`, and theirs as they become its own, until none
// is left. False when some would not die within ten seconds.
bool end_children(pid_t spared);

}  // namespace callgate
