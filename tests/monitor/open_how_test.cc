#include "monitor/open_how.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <vector>

namespace callgate {
namespace {

// This very process stands for the tracee: its memory is read the same way.
Result<open_how> read_own(const void* at, uint64_t size) {
  return read_open_how(TraceeMemory(::getpid()),
                       TraceeAddr{static_cast<uint64_t>(reinterpret_cast<uintptr_t>(at))}, size);
}

// -1 is no directory, so the kernel judges the structure and opens nothing.
int openat2_error(const void* how, size_t size) {
  return ::syscall(SYS_openat2, -1, "x", how, size) < 0 ? errno : 0;
}

TEST(OpenHow, IsReadWhole) {
  open_how asked{};
  asked.flags = O_CREAT | O_WRONLY;
  asked.mode = 0640;
  asked.resolve = RESOLVE_BENEATH;
  auto how = read_own(&asked, sizeof asked);
  ASSERT_TRUE(how.ok());
  EXPECT_EQ(std::memcmp(&*how, &asked, sizeof asked), 0);
}

TEST(OpenHow, OfAnyLengthIsRefusedAsTheKernelRefusesIt) {
  std::vector<char> page(8192);
  for (const size_t size : {0, 1, 16, 23, 24, 25, 64, 4095, 4096, 4097, 8192}) {
    const int kernel = openat2_error(page.data(), size);
    auto how = read_own(page.data(), size);
    EXPECT_EQ(how.ok() ? EBADF : how.error().code, kernel) << size;
  }
  page[30] = 1;  // something that a later version may ask for
  EXPECT_EQ(openat2_error(page.data(), 64), E2BIG);
  EXPECT_EQ(read_own(page.data(), 64).error().code, E2BIG);
  EXPECT_EQ(openat2_error(nullptr, 24), EFAULT);
  EXPECT_EQ(read_own(nullptr, 24).error().code, EFAULT);
}

// Every flag by itself and with the access modes: openat2 with what is made of them says what
// openat says of them.
TEST(OpenHow, OfAnOlderCallMeansWhatItsFlagsMeant) {
  for (unsigned bit = 0; bit < 32; ++bit) {
    for (const unsigned with : {0U, 1U, 2U, 3U, unsigned{O_CREAT}, unsigned{O_TMPFILE | O_RDWR},
                                unsigned{O_PATH}, unsigned{O_DIRECTORY}}) {
      const unsigned flags = 1U << bit | with;
      const int older = ::syscall(SYS_openat, -1, "x", flags, 0177777) < 0 ? errno : 0;
      const open_how how = how_to_open(flags, 0177777);
      EXPECT_EQ(openat2_error(&how, sizeof how), older) << std::hex << flags;
    }
  }
}

}  // namespace
}  // namespace callgate
