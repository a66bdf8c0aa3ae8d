#include "monitor/mirror.h"

#include <gmock/gmock.h>
#include <sched.h>
#include <unistd.h>

namespace callgate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr pid_t kRoot = 1000;
constexpr uint64_t kThread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;

TEST(Mirror, AForkSharesNothing) {
  Mirror mirror;
  Task& root = mirror.add_root(kRoot, 1);
  Task& child = mirror.add_child(kRoot + 1, root, 0, kRoot + 1, kRoot);
  EXPECT_NE(child.files, root.files);
  EXPECT_NE(child.fs, root.fs);
  EXPECT_NE(child.memory, root.memory);
  EXPECT_NE(child.process, root.process);
  EXPECT_EQ(child.process->pid, kRoot + 1);
  EXPECT_EQ(child.process->parent, kRoot);
  EXPECT_EQ(child.process->executable, root.process->executable);
}

TEST(Mirror, EachCloneFlagSharesItsOwnAndNothingElse) {
  for (const uint64_t flags :
       {uint64_t{CLONE_FILES}, uint64_t{CLONE_FS}, uint64_t{CLONE_VM},
        uint64_t{CLONE_FILES | CLONE_VM}, uint64_t{CLONE_VM | CLONE_VFORK}}) {
    Mirror mirror;
    Task& root = mirror.add_root(kRoot, 1);
    Task& child = mirror.add_child(kRoot + 1, root, flags, kRoot + 1, kRoot);
    EXPECT_EQ(child.files == root.files, (flags & CLONE_FILES) != 0) << flags;
    EXPECT_EQ(child.fs == root.fs, (flags & CLONE_FS) != 0) << flags;
    EXPECT_EQ(child.memory == root.memory, (flags & CLONE_VM) != 0) << flags;
    EXPECT_NE(child.process, root.process) << flags;
  }
}

TEST(Mirror, ACopiedAddressSpaceHasTheAreaWhereTheOriginalHasIt) {
  Mirror mirror;
  Task& root = mirror.add_root(kRoot, 1);
  root.memory->area = AddressSpace::Area::Mapped;
  Task& child = mirror.add_child(kRoot + 1, root, 0, kRoot + 1, kRoot);
  EXPECT_EQ(child.memory->area, AddressSpace::Area::Mapped);
  child.memory->area = AddressSpace::Area::Failed;
  EXPECT_EQ(root.memory->area, AddressSpace::Area::Mapped);
}

TEST(Mirror, ACopyOfMemoryThatWasSharedWhenTheAreaCameIsLookedAtAnew) {
  Mirror mirror;
  Task& root = mirror.add_root(kRoot, 1);
  Task& thread = mirror.add_child(kRoot + 1, root, kThread, kRoot, 1);
  root.memory->area = AddressSpace::Area::Mapped;
  root.memory->copies_doubted = true;  // the thread's fork may have begun before
  Task& child = mirror.add_child(kRoot + 2, thread, 0, kRoot + 2, kRoot);
  EXPECT_EQ(child.memory->area, AddressSpace::Area::Unmapped);
  EXPECT_FALSE(child.memory->copies_doubted);
  EXPECT_EQ(thread.memory->area, AddressSpace::Area::Mapped);
  Task& sharing = mirror.add_child(kRoot + 3, root, CLONE_VM, kRoot + 3, kRoot);
  EXPECT_EQ(sharing.memory->area, AddressSpace::Area::Mapped);
}

TEST(Mirror, ThreadsAreOneProcessUntilTheLastOneEnds) {
  Mirror mirror;
  Task& root = mirror.add_root(kRoot, 1);
  mirror.add_child(kRoot + 1, root, kThread, kRoot, 1);
  EXPECT_THAT(mirror.processes(), ElementsAre(kRoot));
  mirror.remove(kRoot);  // the leader goes first
  EXPECT_TRUE(mirror.has_process(kRoot));
  EXPECT_FALSE(mirror.has_task(kRoot));
  mirror.remove(kRoot + 1);
  EXPECT_FALSE(mirror.has_process(kRoot));
  EXPECT_TRUE(mirror.empty());
  EXPECT_THAT(mirror.processes(), IsEmpty());
}

TEST(Mirror, RemovingATaskThatIsNotThereChangesNothing) {
  Mirror mirror;
  mirror.add_root(kRoot, 1);
  mirror.remove(77);
  EXPECT_EQ(mirror.size(), 1u);
}

TEST(Mirror, AnExecGivesATableAndAnAddressSpaceOfItsOwnAndKeepsTheDirectory) {
  Mirror mirror;
  Task& root = mirror.add_root(kRoot, 1);
  Task& child = mirror.add_child(kRoot + 1, root, CLONE_FILES | CLONE_FS | CLONE_VM, kRoot + 1, kRoot);
  child.memory->area = AddressSpace::Area::Mapped;
  Task& after = mirror.exec(kRoot + 1, kRoot + 1);
  EXPECT_EQ(&after, mirror.find(kRoot + 1));
  EXPECT_NE(after.files, root.files);
  EXPECT_NE(after.memory, root.memory);
  EXPECT_EQ(after.memory->area, AddressSpace::Area::Unmapped);
  EXPECT_EQ(after.fs, root.fs) << "CLONE_FS outlives an exec";
  EXPECT_EQ(root.memory->area, AddressSpace::Area::Mapped);
}

TEST(Mirror, AThreadThatExecutesTakesOverTheLeadersNumber) {
  Mirror mirror;
  Task& root = mirror.add_root(kRoot, 1);
  mirror.add_child(kRoot + 1, root, kThread, kRoot, 1);
  auto process = root.process;
  Task& after = mirror.exec(kRoot, kRoot + 1);
  EXPECT_EQ(after.tid, kRoot);
  EXPECT_EQ(after.process, process);
  EXPECT_FALSE(mirror.has_task(kRoot + 1));
  EXPECT_EQ(mirror.size(), 1u);
  mirror.remove(kRoot);
  EXPECT_FALSE(mirror.has_process(kRoot)) << "the process is counted once";
}

TEST(Mirror, AThreadThatExecutesAfterItsLeaderEndedTakesTheNumberToo) {
  Mirror mirror;
  Task& root = mirror.add_root(kRoot, 1);
  mirror.add_child(kRoot + 1, root, kThread, kRoot, 1);
  mirror.remove(kRoot);
  EXPECT_EQ(mirror.exec(kRoot, kRoot + 1).tid, kRoot);
  mirror.remove(kRoot);
  EXPECT_TRUE(mirror.empty());
  EXPECT_FALSE(mirror.has_process(kRoot));
}

TEST(Mirror, UnshareSeparatesWhatItNamesFromThatTaskAlone) {
  Mirror mirror;
  Task& root = mirror.add_root(kRoot, 1);
  Task& a = mirror.add_child(kRoot + 1, root, CLONE_FILES | CLONE_FS, kRoot + 1, kRoot);
  Task& b = mirror.add_child(kRoot + 2, root, CLONE_FILES | CLONE_FS, kRoot + 2, kRoot);
  mirror.unshare(a, CLONE_FILES);
  EXPECT_NE(a.files, root.files);
  EXPECT_EQ(a.fs, root.fs);
  EXPECT_EQ(b.files, root.files);
  mirror.unshare(a, CLONE_FS);
  EXPECT_NE(a.fs, root.fs);
  EXPECT_EQ(b.fs, root.fs);
}

TEST(Mirror, WhatASocketWasMadeAsIsKnownByItsInode) {
  Mirror mirror;
  EXPECT_EQ(mirror.socket(5), nullptr);
  SocketFacts facts;
  facts.domain = 2;
  facts.type = 1;
  mirror.learn_socket(5, facts);
  facts.bound = true;
  mirror.learn_socket(5, facts);
  ASSERT_NE(mirror.socket(5), nullptr);
  EXPECT_TRUE(mirror.socket(5)->bound);
  EXPECT_EQ(mirror.socket(6), nullptr);
}

TEST(Mirror, FactsAboutSocketsAreBounded) {
  Mirror mirror;
  for (uint64_t inode = 0; inode < 200'000; ++inode) mirror.learn_socket(inode, SocketFacts{});
  EXPECT_NE(mirror.socket(199'999), nullptr);
  EXPECT_EQ(mirror.socket(0), nullptr);
}

TEST(Mirror, ProcessesAreListedOnceEach) {
  Mirror mirror;
  Task& root = mirror.add_root(kRoot, 1);
  mirror.add_child(kRoot + 1, root, kThread, kRoot, 1);
  mirror.add_child(kRoot + 2, root, 0, kRoot + 2, kRoot);
  EXPECT_THAT(mirror.processes(), UnorderedElementsAre(kRoot, kRoot + 2));
  EXPECT_EQ(mirror.process(kRoot), root.process);
  EXPECT_EQ(mirror.process(4711), nullptr);
}

TEST(Mirror, VerifySaysThatATaskIsNotTraced) {
  Mirror mirror;
  mirror.add_root(::getpid(), ::getppid());
  EXPECT_THAT(mirror.verify(), testing::HasSubstr("is not traced by us"));
}

TEST(Mirror, VerifyLeavesOutATaskThatIsGone) {
  Mirror mirror;
  mirror.add_root(0x3ffffffe, 1);
  EXPECT_EQ(mirror.verify(), "");
}

}  // namespace
}  // namespace callgate
