// What an open asks for is read as the kernel reads it. An open_how in memory: whatever is refused
// here, openat2 refuses too, and what is accepted it does not find misplaced or too
// long. Flags of the older calls: openat and openat2 with what was made of them say the same. The
// name is the bytes up to its NUL, or the errno that getname has for it.
//
// The input: flags (8 bytes), mode (2), size of the open_how (2), its place and the name's (2
// each), then memory from TraceeArena::kAddress on.
#include <fcntl.h>
#include <sys/syscall.h>

#include "monitor/open_how.h"
#include "tests/fuzz/tracee_arena.h"

namespace callgate::fuzz {
namespace {

// -1 is no directory: every call ends there at the latest, and nothing is ever opened.
int openat_error(uint64_t flags, uint64_t mode) {
  return ::syscall(SYS_openat, -1, "x", flags, mode) < 0 ? errno : 0;
}
int openat2_error(const void* how, uint64_t size) {
  return ::syscall(SYS_openat2, -1, "x", how, size) < 0 ? errno : 0;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static TraceeArena arena;
  Input input(data, size);
  const auto flags = input.take<uint64_t>();
  const auto mode = input.take<uint16_t>();
  const auto how_size = input.take<uint16_t>();
  const uint64_t how_at = TraceeArena::kAddress + input.take<uint16_t>() % (2 * TraceeArena::kSize);
  const uint64_t name_at =
      TraceeArena::kAddress + input.take<uint16_t>() % (2 * TraceeArena::kSize);
  arena.fill(input.bytes());

  const auto how = read_open_how(arena.memory(), TraceeAddr{how_at}, how_size);
  const int kernel = openat2_error(reinterpret_cast<const void*>(how_at), how_size);
  holds(kernel != 0, "the kernel opened nothing");
  if (how.ok()) {
    holds(kernel != EFAULT && kernel != E2BIG, "what the kernel cannot read is not read here");
    const auto bytes = arena.at(how_at, sizeof *how);
    holds(bytes.size() == sizeof *how && std::memcmp(bytes.data(), &*how, sizeof *how) == 0,
          "it is read byte by byte");
    holds(openat2_error(&*how, sizeof *how) == kernel, "the copy means what the original meant");
  } else {
    // The kernel may find a byte that it does not know before it comes to what it cannot read.
    const bool either = how.error().code == EFAULT && kernel == E2BIG;
    holds(how.error().code == kernel || either, "the same errno as the kernel's");
  }

  const auto open_flags = static_cast<uint32_t>(flags);
  const open_how made = how_to_open(open_flags, mode);
  holds(openat2_error(&made, sizeof made) == openat_error(open_flags, mode),
        "an open's flags mean the same as openat2's");

  for (const size_t limit : {size_t{1}, size_t{16}, size_t{300}, TraceeArena::kSize}) {
    const auto name = arena.memory().read_string(TraceeAddr{name_at}, limit);
    const size_t readable = TraceeArena::kAddress + TraceeArena::kSize - name_at;
    const bool inside = name_at < TraceeArena::kAddress + TraceeArena::kSize;
    const auto bytes = arena.at(name_at, inside ? std::min(limit, readable) : 0);
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const size_t end = text.find('\0');
    if (end != std::string_view::npos) {
      holds(name.ok() && *name == text.substr(0, end), "a name ends at its NUL");
    } else {
      const int expected = text.size() == limit ? ENAMETOOLONG : EFAULT;
      holds(!name.ok() && name.error().code == expected, "a name without end is none");
    }
  }
  return 0;
}

}  // namespace callgate::fuzz
