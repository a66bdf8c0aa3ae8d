// The monitor of 1996, kept to be beaten: it mirrors descriptors by number and working directories
// by string (naive_mirror.h), looks every number up in one table, compares the text it reads, and
// lets the call run with the caller's own pointer. Every line of it is a mistake that attacks/
// exploits.
#pragma once

#include <optional>
#include <string>

#include "monitor/event.h"
#include "monitor/mirror.h"
#include "policy/policy.h"

namespace callgate {

struct Stop;

struct NaiveAnswer {
  Event::Kind kind = Event::Kind::Path;
  std::string operation;
  std::string asked;
  std::string believed;  // the name that was judged; empty: as asked
  std::string reason;    // why there was nothing to judge
  Decision decision;
};

// nullopt: a call the naive monitor has no opinion on, judged as the canonical model does.
std::optional<NaiveAnswer> consider_naively(const Policy& policy, Mirror& mirror, const Task& task,
                                            const Stop& stop);

}  // namespace callgate
