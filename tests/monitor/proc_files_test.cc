#include "monitor/proc_files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <grp.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace callgate {
namespace {

using testing::ElementsAre;

std::filesystem::path fresh_directory() {
  std::string name = std::filesystem::temp_directory_path() / "callgate-proc-XXXXXX";
  return ::mkdtemp(name.data());
}

TEST(SplitArguments, KeepsEmptyOnesAndNoMoreThanAsked) {
  using namespace std::string_view_literals;
  using Words = std::vector<std::string>;
  EXPECT_EQ(split_arguments("a\0\0bc\0"sv, 9), (Words{"a", "", "bc"}));
  EXPECT_EQ(split_arguments("a\0\0bc\0"sv, 2), (Words{"a", ""}));
  EXPECT_EQ(split_arguments("\0"sv, 9), Words{""});
  EXPECT_EQ(split_arguments("cut"sv, 9), Words{"cut"});
  EXPECT_EQ(split_arguments({}, 9), Words{});
}

TEST(ProcFiles, AFileIsReadToItsEndAndAMissingOneSaysWhy) {
  auto text = read_whole_file("/proc/self/status");
  ASSERT_TRUE(text.ok());
  EXPECT_THAT(*text, testing::HasSubstr("\nTracerPid:"));
  auto missing = read_whole_file("/proc/self/nothing");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ENOENT);
}

TEST(ProcFiles, ALinkIsReadWhole) {
  const auto directory = fresh_directory();
  const std::string target(4095, 'x');
  ASSERT_EQ(::symlink(target.c_str(), (directory / "link").c_str()), 0);
  auto text = read_link(directory / "link");
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(*text, target);
  auto none = read_link(directory);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, EINVAL);
  std::filesystem::remove_all(directory);
}

TEST(ProcFiles, TheStatusOfThisTaskIsWhatTheKernelTellsItself) {
  auto status = read_task_status(static_cast<pid_t>(::syscall(SYS_gettid)));
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(status->tgid, ::getpid());
  EXPECT_EQ(status->parent, ::getppid());
  EXPECT_EQ(status->state, 'R');
  EXPECT_EQ(status->credentials.fsuid, static_cast<uid_t>(::setfsuid(static_cast<uid_t>(-1))));
  EXPECT_EQ(status->credentials.fsgid, static_cast<gid_t>(::setfsgid(static_cast<gid_t>(-1))));
  std::vector<gid_t> groups(static_cast<size_t>(::getgroups(0, nullptr)));
  ASSERT_GE(::getgroups(static_cast<int>(groups.size()), groups.data()), 0);
  EXPECT_EQ(status->credentials.groups, groups);
}

TEST(ProcFiles, SignalsThatArePendingBlockedAndIgnoredAreTold) {
  const pid_t child = ::fork();
  if (child == 0) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    ::signal(SIGUSR2, SIG_IGN);
    ::raise(SIGUSR1);
    ::raise(SIGSTOP);
    _exit(0);
  }
  ::waitpid(child, nullptr, WUNTRACED);
  auto status = read_task_status(child);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(status->state, 'T');
  EXPECT_TRUE(status->pending >> (SIGUSR1 - 1) & 1);
  EXPECT_TRUE(status->blocked >> (SIGUSR1 - 1) & 1);
  EXPECT_TRUE(status->ignored >> (SIGUSR2 - 1) & 1);
  EXPECT_FALSE(status->blocked >> (SIGUSR2 - 1) & 1);
}

TEST(ProcFiles, AnotherUsersCredentialsAreItsOwn) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to change users";
  const pid_t child = ::fork();
  if (child == 0) {
    const gid_t groups[] = {7, 9};
    if (::setgroups(2, groups) != 0 || ::setgid(65534) != 0 || ::setuid(65534) != 0) _exit(1);
    ::raise(SIGSTOP);
    _exit(0);
  }
  int raw = 0;
  ::waitpid(child, &raw, WUNTRACED);
  ASSERT_TRUE(WIFSTOPPED(raw));
  auto status = read_task_status(child);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(status->credentials.fsuid, 65534u);
  EXPECT_EQ(status->credentials.fsgid, 65534u);
  EXPECT_THAT(status->credentials.groups, ElementsAre(7, 9));
  EXPECT_EQ(status->credentials.capabilities, 0u);
}

// A program may call itself what it likes; what it says there is no line of its own.
TEST(ProcFiles, AProgramsNameCannotForgeALineOfItsStatus) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_NAME, "x\nUid:\t0\t0\t0");
    ::raise(SIGSTOP);
    _exit(0);
  }
  ::waitpid(child, nullptr, WUNTRACED);
  auto text = read_whole_file("/proc/" + std::to_string(child) + "/status");
  auto status = read_task_status(child);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ASSERT_TRUE(text.ok() && status.ok());
  EXPECT_THAT(*text, testing::StartsWith("Name:\tx\\nUid:"));
  EXPECT_EQ(status->credentials.fsuid, static_cast<uid_t>(::setfsuid(static_cast<uid_t>(-1))));
}

TEST(ProcFiles, CredentialsThatAreNotThereAreNotRoots) {
  EXPECT_TRUE(parse_task_status("Tgid:\t4\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n").ok());
  for (const char* text : {"", "Tgid:\t4\n", "Tgid:\t4\nUid:\t0\t0\t0\nGid:\t0\t0\t0\t0\n",
                           "Tgid:\t4\nUid:\t1\t1\t1\tx\nGid:\t0\t0\t0\t0\n",
                           "Tgid:\t4\nUid:\t1\t1\t1\t99999999999\nGid:\t0\t0\t0\t0\n",
                           "Uid:\t1\t1\t1\t1\nGid:\t1\t1\t1\t1\n"}) {
    auto status = parse_task_status(text);
    ASSERT_FALSE(status.ok()) << text;
    EXPECT_EQ(status.error().code, ESRCH);
  }
  // What is no number ends the list, and the reading of it.
  auto status = parse_task_status("Tgid:\t4\nUid:\t1 1 1 1\nGid:\t1 1 1 1\nGroups:\t4 x5 6\n");
  ASSERT_TRUE(status.ok());
  EXPECT_THAT(status->credentials.groups, ElementsAre(4));
}

TEST(ProcFiles, AZombieIsToldAndATaskThatIsGoneIsAnError) {
  const pid_t child = ::fork();
  if (child == 0) _exit(0);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  auto zombie = read_task_status(child);
  ASSERT_TRUE(zombie.ok());
  EXPECT_EQ(zombie->state, 'Z');
  ::waitpid(child, nullptr, 0);
  EXPECT_FALSE(read_task_status(child).ok());
}

TEST(ProcFiles, MappingsAreParsedFieldByField) {
  const auto mappings = parse_mappings(
      "70000000-74000000 r--s 00000000 00:01 3          /SYSV00000000 (deleted)\n"
      "7f0000001000-7f0000003000 rwxp 00012000 fe:0a 99      /tmp/a name\\012and line\n"
      "7ffe00000000-7ffe00021000 rw-p 00000000 00:00 0       [stack]\n"
      "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0\n"
      "not a mapping at all\n"
      "12-34");
  ASSERT_EQ(mappings.size(), 4u);
  EXPECT_EQ(mappings[0].start, 0x70000000u);
  EXPECT_EQ(mappings[0].end, 0x74000000u);
  EXPECT_TRUE(mappings[0].read && mappings[0].shared);
  EXPECT_FALSE(mappings[0].write || mappings[0].execute);
  EXPECT_EQ(mappings[0].inode, 3u);
  EXPECT_EQ(mappings[0].device, makedev(0, 1));
  EXPECT_EQ(mappings[0].name, "/SYSV00000000 (deleted)");
  EXPECT_TRUE(mappings[1].read && mappings[1].write && mappings[1].execute);
  EXPECT_FALSE(mappings[1].shared);
  EXPECT_EQ(mappings[1].offset, 0x12000u);
  EXPECT_EQ(mappings[1].device, makedev(0xfe, 0x0a));
  EXPECT_EQ(mappings[1].name, "/tmp/a name\nand line");
  EXPECT_EQ(mappings[2].name, "[stack]");
  EXPECT_EQ(mappings[3].name, "");
}

TEST(ProcFiles, ForeignTextIsNoMappingAndNoCrash) {
  for (const char* text : {"", "\n", "\n\n", "-", "1-2", "1-2 ", "1-2 r", "zz-yy rwxp 0 0:0 0",
                           "ffffffffffffffffffff-2 rwxp 0 0:0 0 x"}) {
    static_cast<void>(parse_mappings(text));
  }
}

TEST(ProcFiles, MountPointsOfProcAreFoundByTheirType) {
  EXPECT_THAT(parse_proc_mounts("24 29 0:22 / /proc rw,nosuid shared:5 master:1 - proc proc rw\n"
                                "25 29 0:23 /1 /mnt/a\\040b\\011\\012\\134c rw - proc none rw\n"
                                "26 29 8:1 / /home rw - ext4 proc rw\n"
                                "27 29 8:1 /x\\040-\\040proc /home rw shared:1 - ext4 /dev/sda rw\n"
                                "28 29 0:4 / /cut rw -"),
              ElementsAre("/proc", "/mnt/a b\t\n\\c"));
  auto own = read_whole_file("/proc/self/mountinfo");
  ASSERT_TRUE(own.ok());
  EXPECT_THAT(parse_proc_mounts(*own), testing::Contains("/proc"));
}

TEST(ProcFiles, AMappedFileIsFoundByItsIdentityWhateverItsName) {
  const auto directory = fresh_directory();
  const auto path = directory / "new\nline";
  std::ofstream(path) << std::string(4096, 'x');
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat st {};
  ASSERT_EQ(::fstat(fd, &st), 0);
  void* at = ::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
  ASSERT_NE(at, MAP_FAILED);
  auto mappings = read_mappings(::getpid());
  ASSERT_TRUE(mappings.ok());
  const auto found = std::find_if(mappings->begin(), mappings->end(), [&](const Mapping& m) {
    return m.start == reinterpret_cast<uintptr_t>(at);
  });
  ASSERT_NE(found, mappings->end());
  EXPECT_EQ(found->inode, st.st_ino);
  EXPECT_EQ(found->device, st.st_dev);
  EXPECT_EQ(found->name, path.string());
  ::munmap(at, 4096);
  ::close(fd);
  std::filesystem::remove_all(directory);
}

TEST(ProcFiles, TheFlagsOfADescriptorAreThoseItWasOpenedWith) {
  const UniqueFd fd(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  auto flags = descriptor_flags(::getpid(), fd.get());
  ASSERT_TRUE(flags.ok());
  EXPECT_TRUE(*flags & O_PATH);
  EXPECT_TRUE(*flags & O_DIRECTORY);
  auto none = descriptor_flags(::getpid(), 1 << 20);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, EBADF);
}

TEST(ProcFiles, AGroupsMembersAreAllWhoAreInIt) {
  const pid_t child = fork();
  if (child == 0) {
    for (;;) pause();
  }
  ASSERT_EQ(setpgid(child, child), 0);
  auto members = group_members(child);
  ASSERT_TRUE(members.ok());
  EXPECT_EQ(*members, std::vector<pid_t>{child});
  ASSERT_EQ(setpgid(child, getpgrp()), 0);
  EXPECT_TRUE(group_members(child)->empty());
  members = group_members(getpgrp());
  ASSERT_TRUE(members.ok());
  EXPECT_NE(std::find(members->begin(), members->end(), child), members->end());
  EXPECT_NE(std::find(members->begin(), members->end(), getpid()), members->end());
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

TEST(ProcFiles, APidfdTellsWhomItStandsFor) {
  const pid_t child = ::fork();
  if (child == 0) {
    for (;;) ::pause();
  }
  const UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  ASSERT_TRUE(fd.valid());
  auto target = pidfd_target(::getpid(), fd.get());
  ASSERT_TRUE(target.ok());
  EXPECT_EQ(*target, child);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  auto gone = pidfd_target(::getpid(), fd.get());
  ASSERT_TRUE(gone.ok());
  EXPECT_EQ(*gone, -1);
  const UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  auto none = pidfd_target(::getpid(), file.get());
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, EBADF);
}

}  // namespace
}  // namespace callgate
