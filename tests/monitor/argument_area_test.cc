#include "monitor/argument_area.h"

#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fcntl.h>

#include <cstring>
#include <set>

#include "monitor/proc_files.h"

namespace callgate {
namespace {

// Runs `body` in a child; what it returns is the child's status.
template <typename F>
int in_child(F body) {
  const pid_t child = ::fork();
  if (child == 0) _exit(body());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void* attach_as_a_tracee(const ArgumentArea& area) {
  return ::shmat(area.segment(), reinterpret_cast<void*>(ArgumentArea::kAddress), SHM_RDONLY);
}

TEST(ArgumentArea, WhatIsPutIsReadAtItsAddressByWhoeverAttachesTheSegment) {
  auto area = ArgumentArea::create();
  ASSERT_TRUE(area.ok());
  auto slot = area->take();
  ASSERT_TRUE(slot.ok());
  auto at = slot->put_string("/a/name");
  ASSERT_TRUE(at.ok());
  EXPECT_EQ(in_child([&] {
              if (attach_as_a_tracee(*area) != reinterpret_cast<void*>(ArgumentArea::kAddress)) return 1;
              return std::strcmp(reinterpret_cast<const char*>(*at), "/a/name") == 0 ? 0 : 2;
            }),
            0);
}

TEST(ArgumentArea, AnAttachmentForReadingCanNeverBeWritten) {
  auto area = ArgumentArea::create();
  ASSERT_TRUE(area.ok());
  EXPECT_EQ(in_child([&] {
              void* at = attach_as_a_tracee(*area);
              if (at == reinterpret_cast<void*>(-1)) return 1;
              if (::mprotect(at, 4096, PROT_READ | PROT_WRITE) == 0 || errno != EACCES) return 2;
              const int memory = ::open("/proc/self/mem", O_RDWR);
              if (memory < 0) return 3;
              const char byte = 'x';
              if (::pwrite(memory, &byte, 1, static_cast<off_t>(ArgumentArea::kAddress)) >= 0) return 4;
              return 0;
            }),
            0);
}

TEST(ArgumentArea, ASecondAttachmentForWritingIsRefusedToAnOrdinaryUser) {
  auto area = ArgumentArea::create();
  ASSERT_TRUE(area.ok());
  EXPECT_EQ(in_child([&] {
              if (::geteuid() == 0 && ::setuid(65534) != 0) return 1;
              if (::shmat(area->segment(), nullptr, 0) != reinterpret_cast<void*>(-1)) return 2;
              return errno == EACCES ? 0 : 3;
            }),
            0);
}

TEST(ArgumentArea, TheSegmentGoesWithItsLastAttachment) {
  int segment = -1;
  {
    auto area = ArgumentArea::create();
    ASSERT_TRUE(area.ok());
    segment = area->segment();
    shmid_ds state{};
    EXPECT_EQ(::shmctl(segment, IPC_STAT, &state), 0);
  }
  shmid_ds state{};
  EXPECT_EQ(::shmctl(segment, IPC_STAT, &state), -1);
}

TEST(ArgumentArea, SlotsDoNotOverlapAndAreSixteenAligned) {
  auto area = ArgumentArea::create();
  ASSERT_TRUE(area.ok());
  auto one = area->take();
  auto two = area->take();
  ASSERT_TRUE(one.ok() && two.ok());
  std::set<uint64_t> seen;
  for (auto* slot : {&*one, &*two}) {
    for (int i = 0; i < 5; ++i) {
      auto at = slot->put_string("abc");
      ASSERT_TRUE(at.ok());
      const auto address = static_cast<uint64_t>(*at);
      EXPECT_EQ(address % 16, 0u);
      EXPECT_GE(address, ArgumentArea::kAddress);
      EXPECT_LT(address, ArgumentArea::kWindowEnd);
      EXPECT_TRUE(seen.insert(address / 16).second);
    }
  }
}

TEST(ArgumentArea, ASlotThatIsFullSaysE2big) {
  auto area = ArgumentArea::create();
  ASSERT_TRUE(area.ok());
  auto slot = area->take();
  ASSERT_TRUE(slot.ok());
  const std::vector<std::byte> most(ArgumentArea::kSlotSize);
  EXPECT_TRUE(slot->put(most).ok());
  auto more = slot->put(std::span(most).first(1));
  ASSERT_FALSE(more.ok());
  EXPECT_EQ(more.error().code, E2BIG);
  slot->clear();
  EXPECT_TRUE(slot->put_string("room again").ok());
}

TEST(ArgumentArea, EverySlotCanBeTakenOnceAndComesBackWhenDropped) {
  auto area = ArgumentArea::create();
  ASSERT_TRUE(area.ok());
  std::vector<ArgumentArea::Slot> taken;
  for (size_t i = 1; i < ArgumentArea::kSlots; ++i) {  // the first holds the return stub
    auto slot = area->take();
    ASSERT_TRUE(slot.ok()) << i;
    taken.push_back(*std::move(slot));
  }
  auto one_too_many = area->take();
  ASSERT_FALSE(one_too_many.ok());
  EXPECT_EQ(one_too_many.error().code, EAGAIN);
  taken.pop_back();
  EXPECT_TRUE(area->take().ok());
}

TEST(ArgumentArea, ARangeTouchesTheWindowExactlyWhenItSharesAByteWithIt) {
  const uint64_t a = ArgumentArea::kAddress;
  const uint64_t e = ArgumentArea::kWindowEnd;
  EXPECT_FALSE(ArgumentArea::touches(a - 4096, 4096));
  EXPECT_TRUE(ArgumentArea::touches(a - 4096, 4097));
  EXPECT_TRUE(ArgumentArea::touches(a, 1));
  EXPECT_TRUE(ArgumentArea::touches(e - 1, 1));
  EXPECT_FALSE(ArgumentArea::touches(e, 4096));
  EXPECT_TRUE(ArgumentArea::touches(0, UINT64_MAX));
  EXPECT_TRUE(ArgumentArea::touches(a - 1, UINT64_MAX)) << "a length that wraps reaches everything";
}

// As long as the largest page that may begin at the address, whatever sizes this kernel has.
TEST(ArgumentArea, InHugePagesALengthIsOfWholeOnes) {
  constexpr uint64_t kMega = uint64_t{1} << 20;
  EXPECT_EQ(ArgumentArea::in_huge_pages(0x4000'0000, 1), 1024 * kMega);
  EXPECT_EQ(ArgumentArea::in_huge_pages(0x6000'0000, 1), 512 * kMega);
  EXPECT_EQ(ArgumentArea::in_huge_pages(0x6fe0'0000, 1), 2 * kMega);
  EXPECT_EQ(ArgumentArea::in_huge_pages(0x6fe0'0000, 2 * kMega), 2 * kMega);
  EXPECT_EQ(ArgumentArea::in_huge_pages(0x6fe0'0000, 2 * kMega + 1), 4 * kMega);
  EXPECT_EQ(ArgumentArea::in_huge_pages(0x6fff'f000, 4096), 4096U);
  EXPECT_EQ(ArgumentArea::in_huge_pages(0, 1), UINT64_MAX);
  EXPECT_EQ(ArgumentArea::in_huge_pages(0x4000'0000, UINT64_MAX), UINT64_MAX);
  for (const uint64_t address : {uint64_t{0}, uint64_t{0x4000'0000}, uint64_t{0x6000'0000}}) {
    EXPECT_TRUE(ArgumentArea::touches(address, ArgumentArea::in_huge_pages(address, 1)));
  }
  EXPECT_FALSE(ArgumentArea::touches(0x6fe0'0000, ArgumentArea::in_huge_pages(0x6fe0'0000, 1)));
}

TEST(ArgumentArea, AnyAreaIsKnownForOneAndOtherSegmentsAreNot) {
  auto area = ArgumentArea::create();
  ASSERT_TRUE(area.ok());
  EXPECT_TRUE(ArgumentArea::is_one(area->segment()));
  EXPECT_FALSE(ArgumentArea::is_one(-1));
  // As large, but not marked for destruction; and marked, but not as large.
  constexpr size_t kSize = ArgumentArea::kSlotSize * ArgumentArea::kSlots;
  const int living = ::shmget(IPC_PRIVATE, kSize, IPC_CREAT | 0600);
  const int small = ::shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
  ASSERT_TRUE(living >= 0 && small >= 0);
  void* const attached = ::shmat(small, nullptr, 0);
  EXPECT_EQ(::shmctl(small, IPC_RMID, nullptr), 0);
  EXPECT_FALSE(ArgumentArea::is_one(living));
  EXPECT_FALSE(ArgumentArea::is_one(small));
  EXPECT_EQ(::shmctl(living, IPC_RMID, nullptr), 0);
  EXPECT_EQ(::shmdt(attached), 0);
}

TEST(ArgumentArea, MapsShowItsDevice) {
  auto area = ArgumentArea::create();
  ASSERT_TRUE(area.ok());
  EXPECT_NE(area->device(), 0U);
  auto mappings = read_mappings(::getpid());
  ASSERT_TRUE(mappings.ok());
  EXPECT_THAT(*mappings,
              testing::Contains(testing::AllOf(
                  testing::Field(&Mapping::inode, static_cast<uint64_t>(area->segment())),
                  testing::Field(&Mapping::device, area->device()))));
}

}  // namespace
}  // namespace callgate
