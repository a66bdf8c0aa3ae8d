#include "monitor/tracee_memory.h"

#include <gtest/gtest.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>

namespace callgate {
namespace {

constexpr size_t kPage = 4096;

TraceeAddr address(const void* pointer) {
  return TraceeAddr{static_cast<uint64_t>(reinterpret_cast<uintptr_t>(pointer))};
}

// A child with the same memory, stopped for good; killed at the end.
class Child {
 public:
  explicit Child(bool dumpable = true) {
    pid_ = ::fork();
    if (pid_ == 0) {
      if (!dumpable) {
        if (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) _exit(1);
        ::prctl(PR_SET_DUMPABLE, 0);
      }
      ::raise(SIGSTOP);
      for (;;) ::pause();
    }
    int status = 0;
    ::waitpid(pid_, &status, WUNTRACED);
    stopped_ = WIFSTOPPED(status);
  }
  ~Child() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] bool stopped() const { return stopped_; }

 private:
  pid_t pid_ = -1;
  bool stopped_ = false;
};

class TraceeMemoryTest : public testing::Test {
 protected:
  void SetUp() override {
    // Two pages, then one that nobody may touch.
    base_ = static_cast<char*>(::mmap(nullptr, 3 * kPage, PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(base_, MAP_FAILED);
    ASSERT_EQ(::mprotect(base_ + 2 * kPage, kPage, PROT_NONE), 0);
    end_ = base_ + 2 * kPage;
  }
  void TearDown() override { ::munmap(base_, 3 * kPage); }
  char* base_ = nullptr;
  char* end_ = nullptr;
};

TEST_F(TraceeMemoryTest, AStringIsReadUpToItsEnd) {
  std::strcpy(base_, "hello");
  Child child;
  auto text = TraceeMemory(child.pid()).read_string(address(base_), PATH_MAX);
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(*text, "hello");
}

TEST_F(TraceeMemoryTest, AStringMayEndWithTheLastByteOfMemory) {
  std::strcpy(end_ - 6, "hello");
  Child child;
  auto text = TraceeMemory(child.pid()).read_string(address(end_ - 6), PATH_MAX);
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(*text, "hello");
}

TEST_F(TraceeMemoryTest, AStringMayCrossAPage) {
  std::memset(base_, 'x', kPage + 100);
  base_[kPage + 100] = '\0';
  Child child;
  auto text = TraceeMemory(child.pid()).read_string(address(base_ + 50), 2 * kPage);
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(text->size(), kPage + 50);
}

TEST_F(TraceeMemoryTest, AStringWithoutEndBeforeMemoryEndsIsEfault) {
  std::memset(end_ - 10, 'x', 10);
  Child child;
  auto text = TraceeMemory(child.pid()).read_string(address(end_ - 10), PATH_MAX);
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.error().code, EFAULT);
}

TEST_F(TraceeMemoryTest, TheLimitCountsTheNulAsTheKernelsGetnameDoes) {
  std::memset(base_, 'x', 2 * kPage);
  base_[PATH_MAX - 1] = '\0';
  Child longest;
  auto text = TraceeMemory(longest.pid()).read_string(address(base_), PATH_MAX);
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(text->size(), static_cast<size_t>(PATH_MAX - 1));
  base_[PATH_MAX - 1] = 'x';
  Child too_long;
  auto refused = TraceeMemory(too_long.pid()).read_string(address(base_), PATH_MAX);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ENAMETOOLONG);
}

TEST_F(TraceeMemoryTest, ANullPointerAndAKernelAddressAreEfault) {
  Child child;
  for (const uint64_t at : {uint64_t{0}, uint64_t{0xffff800000000000}, UINT64_MAX}) {
    auto text = TraceeMemory(child.pid()).read_string(TraceeAddr{at}, PATH_MAX);
    ASSERT_FALSE(text.ok());
    EXPECT_EQ(text.error().code, EFAULT) << at;
  }
}

TEST_F(TraceeMemoryTest, AReadIsWholeOrEfault) {
  Child child;
  std::array<std::byte, 64> bytes;
  EXPECT_TRUE(TraceeMemory(child.pid()).read(address(end_ - 64), bytes).ok());
  auto crossing = TraceeMemory(child.pid()).read(address(end_ - 63), bytes);
  ASSERT_FALSE(crossing.ok());
  EXPECT_EQ(crossing.error().code, EFAULT);
  EXPECT_TRUE(TraceeMemory(child.pid()).read(TraceeAddr{0}, std::span(bytes).first(0)).ok());
}

TEST_F(TraceeMemoryTest, AWriteReachesTheTraceeAndNotUs) {
  std::strcpy(base_, "before");
  Child child;
  const TraceeMemory memory(child.pid());
  ASSERT_TRUE(memory.write(address(base_), std::as_bytes(std::span("after!", 7))).ok());
  auto text = memory.read_string(address(base_), PATH_MAX);
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(*text, "after!");
  EXPECT_STREQ(base_, "before");
  auto refused = memory.write(address(end_), std::as_bytes(std::span("x", 1)));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, EFAULT);
}

TEST_F(TraceeMemoryTest, ATaskThatIsGoneIsEsrch) {
  const pid_t gone = ::fork();
  if (gone == 0) _exit(0);
  ::waitpid(gone, nullptr, 0);
  auto text = TraceeMemory(gone).read_string(address(base_), PATH_MAX);
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.error().code, ESRCH);
}

TEST_F(TraceeMemoryTest, AnUndumpableTaskIsEpermForAnOrdinaryUser) {
  Child child(false);
  ASSERT_TRUE(child.stopped());
  // Root reads everything; as another user it is refused.
  const pid_t reader = ::fork();
  if (reader == 0) {
    if (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) _exit(100);
    auto text = TraceeMemory(child.pid()).read_string(address(base_), PATH_MAX);
    _exit(text.ok() ? 0 : text.error().code);
  }
  int status = 0;
  ::waitpid(reader, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), EPERM);
}

}  // namespace
}  // namespace callgate
