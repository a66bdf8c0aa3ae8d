// What the guard says to one stopped call. A handler must return one; the default refuses.
#pragma once

#include <cerrno>
#include <cstdint>
#include <optional>
#include <variant>

#include "arch/registers.h"
#include "monitor/in_flight.h"

namespace callgate {

// The call runs with the caller's own arguments; nothing more is asked of it.
struct Proceed {};
// The call does not run; the program sees this errno.
struct Refuse {
  int error = EACCES;
};
// The call does not run; the program sees this value.
struct Pretend {
  int64_t value = 0;
};
// The call runs, with other registers when `changed` holds some, and is met again at its exit.
struct Track {
  InFlight flight;
  std::optional<Registers> changed;
};
// The process is killed before the call runs.
struct KillProcess {};
// The argument area must be mapped first; the call is then considered anew.
struct MapAreaFirst {};
// It cannot be told yet: the call is considered anew in a moment.
struct AskAgain {};
// The call depends on something that others could change meanwhile: they are held first, then the
// call is considered anew, with `alone` true.
struct HoldOthers {
  enum class Scope : uint8_t { DescriptorTable, AddressSpace, Sandbox };
  Scope scope = Scope::Sandbox;
};

using Answer =
    std::variant<Refuse, Proceed, Pretend, Track, KillProcess, MapAreaFirst, AskAgain, HoldOthers>;

}  // namespace callgate
