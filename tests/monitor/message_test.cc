#include "monitor/message.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

namespace callgate {
namespace {

// This very process stands for the tracee: its memory is read the same way.
TraceeAddr address(const void* pointer) {
  return TraceeAddr{static_cast<uint64_t>(reinterpret_cast<uintptr_t>(pointer))};
}

struct Sent {
  sockaddr_un name{};
  char one[5] = "abcd";
  char two[3] = "xy";
  iovec vectors[2] = {{one, 4}, {two, 2}};
  char control[32] = {};
  msghdr header{};
  Sent() {
    name.sun_family = AF_UNIX;
    std::strcpy(name.sun_path, "socket");
    header.msg_name = &name;
    header.msg_namelen = sizeof name;
    header.msg_iov = vectors;
    header.msg_iovlen = 2;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    header.msg_flags = MSG_NOSIGNAL;
  }
};

Result<Message> read_own(const msghdr& header) {
  return read_message(TraceeMemory(::getpid()), address(&header), Abi::X86_64);
}

TEST(Message, EverythingTheKernelJudgesByIsCopied) {
  Sent sent;
  auto message = read_own(sent.header);
  ASSERT_TRUE(message.ok());
  ASSERT_EQ(message->name.size(), sizeof sent.name);
  EXPECT_EQ(std::memcmp(message->name.data(), &sent.name, sizeof sent.name), 0);
  EXPECT_EQ(message->vector_count, 2u);
  ASSERT_EQ(message->vectors.size(), sizeof sent.vectors);
  EXPECT_EQ(std::memcmp(message->vectors.data(), sent.vectors, sizeof sent.vectors), 0);
  EXPECT_EQ(message->control, static_cast<uint64_t>(address(sent.control)));
  EXPECT_EQ(message->control_length, sizeof sent.control);
  EXPECT_EQ(message->flags, static_cast<uint32_t>(MSG_NOSIGNAL));
}

TEST(Message, ANullNameOrAnEmptyOneIsNotAddressed) {
  Sent null;
  null.header.msg_name = nullptr;
  null.header.msg_namelen = static_cast<socklen_t>(-1);  // nobody looks at it then
  auto message = read_own(null.header);
  ASSERT_TRUE(message.ok());
  EXPECT_TRUE(message->name.empty());
  Sent empty;
  empty.header.msg_namelen = 0;
  message = read_own(empty.header);
  ASSERT_TRUE(message.ok());
  EXPECT_TRUE(message->name.empty());
}

TEST(Message, AnOverlongNameIsCutAsTheKernelCutsIt) {
  Sent sent;
  std::vector<std::byte> big(4096);
  sent.header.msg_name = big.data();
  sent.header.msg_namelen = 4096;
  auto message = read_own(sent.header);
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message->name.size(), sizeof(sockaddr_storage));
}

TEST(Message, WhatTheKernelRefusesIsRefusedWithItsErrno) {
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
  std::vector<iovec> many(1025, iovec{nullptr, 0});
  Sent too_many;
  too_many.header.msg_name = nullptr;
  too_many.header.msg_control = nullptr;
  too_many.header.msg_controllen = 0;
  too_many.header.msg_iov = many.data();
  too_many.header.msg_iovlen = many.size();
  Sent negative;
  negative.header.msg_control = nullptr;
  negative.header.msg_controllen = 0;
  negative.header.msg_namelen = static_cast<socklen_t>(-1);
  Sent bad_vectors = too_many;
  bad_vectors.header.msg_iov = reinterpret_cast<iovec*>(8);
  bad_vectors.header.msg_iovlen = 1;
  Sent bad_name;
  bad_name.header.msg_control = nullptr;
  bad_name.header.msg_controllen = 0;
  bad_name.header.msg_name = reinterpret_cast<void*>(8);
  Sent bad_name_and_too_many = too_many;
  bad_name_and_too_many.header.msg_name = reinterpret_cast<void*>(8);
  for (const Sent* sent : {&too_many, &negative, &bad_vectors, &bad_name, &bad_name_and_too_many}) {
    EXPECT_EQ(::sendmsg(pair[0], &sent->header, MSG_DONTWAIT), -1);
    const int kernel = errno;
    auto message = read_own(sent->header);
    ASSERT_FALSE(message.ok()) << strerror(kernel);
    EXPECT_EQ(message.error().code, kernel) << strerror(kernel);
  }
  auto unreadable = read_message(TraceeMemory(::getpid()), TraceeAddr{8}, Abi::X86_64);
  ASSERT_FALSE(unreadable.ok());
  EXPECT_EQ(unreadable.error().code, EFAULT);
  ::close(pair[0]);
  ::close(pair[1]);
}

// The 32-bit layout, at addresses that fit it.
struct Header32 {
  uint32_t name;
  int32_t name_length;
  uint32_t vectors;
  uint32_t vector_count;
  uint32_t control;
  uint32_t control_length;
  uint32_t flags;
};

TEST(Message, TheI386LayoutIsReadWithItsOwnWidths) {
  auto* low = static_cast<char*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE,
                                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0));
  ASSERT_NE(low, MAP_FAILED);
  const auto base = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(low));
  const Header32 header{base + 1000, 16, base + 2000, 3, base + 3000, 8, MSG_DONTWAIT};
  std::memcpy(low, &header, sizeof header);
  std::memset(low + 1000, 'n', 16);
  const uint32_t vectors[6] = {1, 2, 3, 4, 5, 6};
  std::memcpy(low + 2000, vectors, sizeof vectors);
  auto message = read_message(TraceeMemory(::getpid()), address(low), Abi::I386);
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message->name, std::vector<std::byte>(16, std::byte{'n'}));
  EXPECT_EQ(message->vector_count, 3u);
  ASSERT_EQ(message->vectors.size(), sizeof vectors);
  EXPECT_EQ(std::memcmp(message->vectors.data(), vectors, sizeof vectors), 0);
  EXPECT_EQ(message->control, base + 3000);
  EXPECT_EQ(message->control_length, 8u);
  EXPECT_EQ(message->flags, static_cast<uint32_t>(MSG_DONTWAIT));
  ::munmap(low, 4096);
  EXPECT_EQ(message_stride(Abi::I386), 32u);
  EXPECT_EQ(message_length_offset(Abi::I386), 28u);
  EXPECT_EQ(message_stride(Abi::X86_64), sizeof(mmsghdr));
}

TEST(Message, TheCopyIsAMessageThatTheKernelSends) {
  auto area = ArgumentArea::create();
  ASSERT_TRUE(area.ok());
  ASSERT_EQ(::shmat(area->segment(), reinterpret_cast<void*>(ArgumentArea::kAddress), SHM_RDONLY),
            reinterpret_cast<void*>(ArgumentArea::kAddress));
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
  Sent sent;
  sent.header.msg_name = nullptr;
  sent.header.msg_control = nullptr;
  sent.header.msg_controllen = 0;
  auto message = read_own(sent.header);
  ASSERT_TRUE(message.ok());
  auto slot = area->take();
  ASSERT_TRUE(slot.ok());
  auto at = put_message(*slot, *message, Abi::X86_64);
  ASSERT_TRUE(at.ok());
  // Whatever the program does to its own header now, the copy is what is sent.
  sent.header.msg_iovlen = 0;
  sent.vectors[0].iov_len = 0;
  EXPECT_EQ(::sendmsg(pair[0], reinterpret_cast<const msghdr*>(*at), 0), 6);
  char received[16] = {};
  EXPECT_EQ(::recv(pair[1], received, sizeof received, MSG_DONTWAIT), 6);
  EXPECT_STREQ(received, "abcdxy");
  ::close(pair[0]);
  ::close(pair[1]);
  ::shmdt(reinterpret_cast<void*>(ArgumentArea::kAddress));
}

TEST(Message, ASealedControlMessageIsAsTheCallerHadIt) {
  auto area = ArgumentArea::create();
  ASSERT_TRUE(area.ok());
  ASSERT_EQ(::shmat(area->segment(), reinterpret_cast<void*>(ArgumentArea::kAddress), SHM_RDONLY),
            reinterpret_cast<void*>(ArgumentArea::kAddress));
  Sent sent;
  std::memcpy(sent.control, "judged", 6);
  auto message = read_own(sent.header);
  ASSERT_TRUE(message.ok());
  ASSERT_TRUE(seal_control(TraceeMemory(::getpid()), *message).ok());
  std::memcpy(sent.control, "forged", 6);
  auto slot = area->take();
  auto at = put_message(*slot, *message, Abi::X86_64);
  ASSERT_TRUE(at.ok());
  const auto* copy = reinterpret_cast<const msghdr*>(*at);
  EXPECT_EQ(copy->msg_controllen, sizeof sent.control);
  EXPECT_STREQ(static_cast<const char*>(copy->msg_control), "judged");
  ::shmdt(reinterpret_cast<void*>(ArgumentArea::kAddress));
}

TEST(Message, AControlMessageThatCannotBeSealedIsAnErrno) {
  Sent sent;
  sent.header.msg_control = reinterpret_cast<void*>(8);
  auto message = read_own(sent.header);
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(seal_control(TraceeMemory(::getpid()), *message).error().code, EFAULT);
  sent.header.msg_controllen = 1 << 20;
  message = read_own(sent.header);
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(seal_control(TraceeMemory(::getpid()), *message).error().code, ENOBUFS);
}

TEST(Message, TheMostVectorsAndTheLongestControlMessageFitOneSlot) {
  auto area = ArgumentArea::create();
  ASSERT_TRUE(area.ok());
  std::vector<iovec> many(1024, iovec{nullptr, 0});
  std::vector<std::byte> control(8192);
  Sent sent;
  sent.header.msg_iov = many.data();
  sent.header.msg_iovlen = many.size();
  sent.header.msg_control = control.data();
  sent.header.msg_controllen = control.size();
  auto message = read_own(sent.header);
  ASSERT_TRUE(message.ok());
  ASSERT_TRUE(seal_control(TraceeMemory(::getpid()), *message).ok());
  auto slot = area->take();
  ASSERT_TRUE(slot.ok());
  EXPECT_TRUE(put_message(*slot, *message, Abi::X86_64).ok());
}

}  // namespace
}  // namespace callgate
