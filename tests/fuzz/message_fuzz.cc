// A message header of either ABI is read field by field as the kernel lays it out, at every place
// of a sendmmsg vector, and all that the kernel judges by is copied: what is written into the
// argument area is the same message again, wherever the caller's memory goes meanwhile.
//
// The input: ABI (1 byte), then memory from TraceeArena::kAddress on, which begins with the vector.
#include <sys/socket.h>
#include <sys/syscall.h>

#include "arch/unique_fd.h"
#include "monitor/message.h"
#include "tests/fuzz/tracee_arena.h"

namespace callgate::fuzz {
namespace {

// Field offsets of struct msghdr and struct compat_msghdr (include/linux/socket.h, net/compat.h).
struct Layout {
  size_t word, name, name_length, vectors, count, control, control_length, flags;
};
constexpr Layout kLayouts[] = {{8, 0, 8, 16, 24, 32, 40, 48}, {4, 0, 4, 8, 12, 16, 20, 24}};

uint64_t field(const TraceeArena& arena, uint64_t at, size_t size) {
  uint64_t value = 0;
  const auto bytes = arena.at(at, size);
  std::memcpy(&value, bytes.data(), bytes.size());
  return value;
}

// So many bytes, and where they came from the arena (all else of this process can be read too),
// those.
bool copied(const TraceeArena& arena, std::span<const std::byte> copy, uint64_t at, uint64_t size) {
  const auto bytes = arena.at(at, size);
  return copy.size() == size && (bytes.empty() || std::ranges::equal(copy, bytes));
}

void check_fields(const TraceeArena& arena, uint64_t at, const Layout& layout,
                  const Message& message) {
  const size_t word = layout.word;
  const uint64_t name = field(arena, at + layout.name, word);
  const auto length = static_cast<int32_t>(field(arena, at + layout.name_length, 4));
  const size_t kept = name == 0 ? 0 : std::min<size_t>(static_cast<size_t>(length), 128);
  holds(length >= 0 || name == 0, "a negative length is refused");
  holds(copied(arena, message.name, name, kept), "the name");
  const uint64_t count = field(arena, at + layout.count, word);
  holds(message.vector_count == count && count <= 1024, "the number of vectors");
  const uint64_t vectors = field(arena, at + layout.vectors, word);
  holds(copied(arena, message.vectors, vectors, count * 2 * word), "the vectors");
  holds(message.control == field(arena, at + layout.control, word), "the control message");
  holds(message.control_length == field(arena, at + layout.control_length, word), "its length");
  holds(message.flags == field(arena, at + layout.flags, 4), "the flags");
}

// A stream that is not connected copies the header and then sends nothing, to nobody.
int sendmsg_error(uint64_t at) {
  static const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto* header = reinterpret_cast<const msghdr*>(at);
  return ::syscall(SYS_sendmsg, fd.get(), header, MSG_NOSIGNAL) < 0 ? errno : 0;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static TraceeArena arena;
  static ArgumentArea area = attached_area();
  Input input(data, size);
  const size_t layout = input.choice(2);
  const Abi abi = layout == 0 ? Abi::X86_64 : Abi::I386;
  for (uint64_t i = 0; i < 4; ++i) {
    arena.fill(input.bytes());
    const uint64_t at = TraceeArena::kAddress + i * message_stride(abi);
    const auto message = read_message(arena.memory(), TraceeAddr{at}, abi);
    if (!message.ok()) {
      const int error = message.error().code;
      const int kernel = abi == Abi::X86_64 ? sendmsg_error(at) : error;
      // The kernel may come to a length that cannot be before the vector that cannot be read.
      holds(error == kernel || (error == EFAULT && kernel == EINVAL), "the kernel's errno");
      continue;
    }
    check_fields(arena, at, kLayouts[layout], *message);
    arena.fill({});  // from here on the caller's memory is somebody else's
    auto slot = area.take();
    const auto copy = put_message(*slot, *message, abi);
    holds(copy.ok(), "every message fits one slot");
    const auto again = read_message(arena.memory(), *copy, abi);
    holds(again.ok() && again->name == message->name && again->vectors == message->vectors &&
              again->vector_count == message->vector_count && again->flags == message->flags &&
              again->control == message->control &&
              again->control_length == message->control_length,
          "the copy is the message");
  }
  return 0;
}

}  // namespace callgate::fuzz
