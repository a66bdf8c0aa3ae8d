// What sockets a program is started with, and what follows for its accept calls.
#pragma once

#include "monitor/session.h"

namespace callgate {

// Whether accept calls have to be judged: those of a program that is started now, by this process
// or by the one that forked it, with the descriptors that it leaves to it.
bool accept_matters(const SessionOptions& options, const Policy& policy);

}  // namespace callgate
