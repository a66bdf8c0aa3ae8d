#include "monitor/message.h"

#include <sys/socket.h>

#include <algorithm>
#include <span>

namespace callgate {
namespace {

constexpr uint64_t kMostVectors = 1024;  // UIO_MAXIOV
constexpr uint64_t kMostControl = 8192;  // with the most vectors it still fits a slot

// The two layouts of struct msghdr; widths differ, the order does not.
template <typename Word>
struct Header {
  Word name;
  int32_t name_length;
  Word vectors;
  Word vector_count;
  Word control;
  Word control_length;
  uint32_t flags;
};
static_assert(sizeof(Header<uint64_t>) == sizeof(msghdr));

template <typename Word>
Result<Message> read_as(const TraceeMemory& memory, TraceeAddr at) {
  CALLGATE_TRY(const auto header, memory.read_value<Header<Word>>(at));
  Message message;
  // In the order of __copy_msghdr: without a name its length means nothing.
  if (header.name != 0 && header.name_length < 0) return Error{EINVAL};
  if (header.name != 0 && header.name_length > 0) {
    // Longer names are cut to sockaddr_storage, as __copy_msghdr does.
    message.name.resize(
        std::min(static_cast<size_t>(header.name_length), sizeof(sockaddr_storage)));
    CALLGATE_TRY([[maybe_unused]] Unit read, memory.read(TraceeAddr{header.name}, message.name));
  }
  if (header.vector_count > kMostVectors) return Error{EMSGSIZE};
  message.vector_count = header.vector_count;
  message.vectors.resize(static_cast<size_t>(header.vector_count) * 2 * sizeof(Word));
  CALLGATE_TRY([[maybe_unused]] Unit read,
               memory.read(TraceeAddr{header.vectors}, message.vectors));
  message.control = header.control;
  message.control_length = header.control_length;
  message.flags = header.flags;
  return message;
}

template <typename Word>
Result<TraceeAddr> put_as(ArgumentArea::Slot& slot, const Message& message) {
  Header<Word> header{};
  if (!message.name.empty()) {
    CALLGATE_TRY(const TraceeAddr name, slot.put(message.name));
    header.name = static_cast<Word>(name);
    header.name_length = static_cast<int32_t>(message.name.size());
  }
  CALLGATE_TRY(const TraceeAddr vectors, slot.put(message.vectors));
  header.vectors = static_cast<Word>(vectors);
  header.vector_count = static_cast<Word>(message.vector_count);
  header.control = static_cast<Word>(message.control);
  if (!message.sealed_control.empty()) {
    CALLGATE_TRY(const TraceeAddr control, slot.put(message.sealed_control));
    header.control = static_cast<Word>(control);
  }
  header.control_length = static_cast<Word>(message.control_length);
  header.flags = message.flags;
  return slot.put_value(header);
}

}  // namespace

Result<Message> read_message(const TraceeMemory& memory, TraceeAddr at, Abi abi) {
  return pointer_size(abi) == 4 ? read_as<uint32_t>(memory, at) : read_as<uint64_t>(memory, at);
}

Status seal_control(const TraceeMemory& memory, Message& message) {
  if (message.control_length > kMostControl) return Error{ENOBUFS};
  message.sealed_control.resize(static_cast<size_t>(message.control_length));
  return memory.read(TraceeAddr{message.control}, message.sealed_control);
}

Result<TraceeAddr> put_message(ArgumentArea::Slot& slot, const Message& message, Abi abi) {
  return pointer_size(abi) == 4 ? put_as<uint32_t>(slot, message) : put_as<uint64_t>(slot, message);
}

size_t message_stride(Abi abi) { return pointer_size(abi) == 4 ? 32 : sizeof(mmsghdr); }
size_t message_length_offset(Abi abi) {
  return pointer_size(abi) == 4 ? 28 : offsetof(mmsghdr, msg_len);
}

}  // namespace callgate
