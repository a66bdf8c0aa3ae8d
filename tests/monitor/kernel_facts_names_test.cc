// The kernel facts that callgate stands on (docs/kernel.md): names, pins and sockets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <climits>

#include "tests/monitor/kernel_facts.h"

namespace callgate {
namespace {

using testing::ElementsAre;
using testing::Optional;

long open_how_error(const std::string& path, uint64_t flags, uint64_t resolve, uint64_t mode = 0) {
  const open_how how{flags, mode, resolve};
  const UniqueFd fd(
      static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how)));
  return fd.valid() ? 0 : errno;
}

// ---- openat2: what was decided is a name, and the kernel opens that name or nothing. ----

TEST(Openat2, WithoutSymlinksStopsAtALinkWhereverItStands) {
  const TemporaryDirectory directory;
  ::mkdir((directory / "sub").c_str(), 0755);
  const std::string file = directory.file("sub/file");
  ASSERT_EQ(::symlink("sub", (directory / "dirlink").c_str()), 0);
  ASSERT_EQ(::symlink("file", (directory / "sub/link").c_str()), 0);
  EXPECT_EQ(open_how_error(file, O_RDONLY, RESOLVE_NO_SYMLINKS), 0);
  EXPECT_EQ(open_how_error(directory / "sub/link", O_RDONLY, RESOLVE_NO_SYMLINKS), ELOOP);
  EXPECT_EQ(open_how_error(directory / "dirlink/file", O_RDONLY, RESOLVE_NO_SYMLINKS), ELOOP);
  EXPECT_EQ(open_how_error("/proc/self/exe", O_RDONLY, RESOLVE_NO_SYMLINKS), ELOOP);
  const UniqueFd fd = pin(file);
  EXPECT_EQ(open_how_error(own_fd(fd), O_RDONLY, RESOLVE_NO_SYMLINKS), ELOOP);  // a magic link
}

TEST(Openat2, WithoutSymlinksStillReturnsTheLinkItself) {
  const TemporaryDirectory directory;
  ASSERT_EQ(::symlink("nowhere", (directory / "link").c_str()), 0);
  const open_how how{O_PATH | O_NOFOLLOW | O_CLOEXEC, 0, RESOLVE_NO_SYMLINKS};
  const UniqueFd fd(static_cast<int>(
      ::syscall(SYS_openat2, AT_FDCWD, (directory / "link").c_str(), &how, sizeof how)));
  struct stat st {};
  ASSERT_EQ(::fstat(fd.get(), &st), 0);
  EXPECT_TRUE(S_ISLNK(st.st_mode));
  EXPECT_EQ(open_how_error(directory / "link", O_NOFOLLOW, RESOLVE_NO_SYMLINKS), ELOOP);
}

TEST(Openat2, RefusesWhatOpenIgnores) {
  const TemporaryDirectory directory;
  const std::string file = directory.file("file");
  constexpr int kUnknown = 1 << 30;
  EXPECT_EQ(open_how_error(file, O_RDONLY, 0, 0644), EINVAL);  // a mode and nothing to create
  EXPECT_EQ(open_how_error(file, O_CREAT, 0, 0100644), EINVAL);
  EXPECT_EQ(open_how_error(file, kUnknown, 0), EINVAL);
  EXPECT_EQ(open_how_error(file, O_PATH | O_RDWR, 0), EINVAL);
  for (const int flags : {O_RDONLY, kUnknown, O_PATH | O_RDWR}) {
    const UniqueFd fd(::open(file.c_str(), flags, 0100644));
    EXPECT_TRUE(fd.valid()) << flags;
  }
}

TEST(Path, TheWholeNameNeedsSearchPermissionThatARelativeWalkDoesNot) {
  const TemporaryDirectory directory;
  const auto seen = in_child([&] {
    become_ordinary();
    ::mkdir((directory / "shut").c_str(), 0755);
    ::mkdir((directory / "shut/in").c_str(), 0755);
    const std::string file = directory.file("shut/in/file");
    static_cast<void>(!::chdir((directory / "shut/in").c_str()));
    ::chmod((directory / "shut").c_str(), 0600);
    const std::array errors{error_of(::open("file", O_RDONLY)),
                            error_of(::open(file.c_str(), O_RDONLY))};
    ::chmod((directory / "shut").c_str(), 0755);
    return errors;
  });
  EXPECT_THAT(seen, Optional(ElementsAre(0, EACCES)));
}

TEST(Path, AComponentThatIsTooLongFailsOnlyWhereItsDirectoryMayBeSearched) {
  const TemporaryDirectory directory;
  const std::string name(NAME_MAX + 1, 'x');
  const std::string shut = directory / "shut";
  const auto seen = in_child([&] {
    become_ordinary();
    ::mkdir(shut.c_str(), 0755);
    std::array<int, 6> errors{};
    size_t next = 0;
    for (const mode_t mode : {0755, 0600}) {
      ::chmod(shut.c_str(), mode);
      const std::string path = shut + "/" + name;
      errors[next++] = error_of(::unlink(path.c_str()));
      errors[next++] = error_of(::mkdir(path.c_str(), 0755));
      errors[next++] = error_of(::rename(path.c_str(), (directory / "other").c_str()));
    }
    ::chmod(shut.c_str(), 0755);
    return errors;
  });
  EXPECT_THAT(seen, Optional(ElementsAre(ENAMETOOLONG, ENAMETOOLONG, ENAMETOOLONG, EACCES, EACCES,
                                         EACCES)));
}

TEST(Path, NoProcessHasTheNumberZero) {
  struct stat st {};
  EXPECT_EQ(error_of(::stat("/proc/0", &st)), ENOENT);
  EXPECT_EQ(error_of(::mkdir("/proc/0/x", 0755)), ENOENT);
}

TEST(Open, LeavesNoFollowInTheFlagsAndExclNot) {
  const TemporaryDirectory directory;
  const std::string file = directory / "file";
  const UniqueFd made(::open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC, 0644));
  const UniqueFd opened(::open(file.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
  EXPECT_EQ(::fcntl(made.get(), F_GETFL) & (O_CREAT | O_EXCL | O_TRUNC | O_NOFOLLOW), 0);
  EXPECT_EQ(::fcntl(opened.get(), F_GETFL) & O_NOFOLLOW, O_NOFOLLOW);
}

TEST(EmptyPath, MayBeNullForACallThatKnowsIt) {
  struct stat st {};
#if defined(SYS_newfstatat)
  const long result = ::syscall(SYS_newfstatat, 0, nullptr, &st, AT_EMPTY_PATH);
  if (result != 0 && errno == EFAULT) GTEST_SKIP() << "since Linux 6.11";
  EXPECT_EQ(result, 0);
#else
  GTEST_SKIP() << "no newfstatat on this machine";
#endif
}

// ---- Pins: an O_PATH descriptor, and the name /proc/<keeper>/fd/<n>. ----

// A keeper that shares this process's table, as an ordinary user, and another such process that
// opens what the test pins after the keeper was made: 0 or errno.
int open_by_way_of_keeper(bool dumpable) {
  const TemporaryDirectory directory;
  const Gate ready;
  const Child keeper(static_cast<pid_t>(
      ::syscall(SYS_clone, CLONE_FILES | SIGCHLD, nullptr, nullptr, nullptr, nullptr)));
  if (keeper.pid() == 0) {
    become_ordinary();
    ::prctl(PR_SET_DUMPABLE, dumpable ? 1 : 0);
    ready.open();
    for (;;) ::pause();
  }
  ready.pass();
  const UniqueFd fd = pin(directory.file("file"));
  const std::string name =
      "/proc/" + std::to_string(keeper.pid()) + "/fd/" + std::to_string(fd.get());
  return in_child([&] {
           become_ordinary();
           return error_of(::open(name.c_str(), O_RDONLY | O_CLOEXEC));
         })
      .value_or(-1);
}

TEST(Keeper, IsAWayToWhateverTheSharedTableHoldsForAProcessOfItsUser) {
  EXPECT_EQ(open_by_way_of_keeper(true), 0);
}
TEST(Keeper, IsNoWayToAnythingWhileItIsUndumpable) {
  EXPECT_EQ(open_by_way_of_keeper(false), EACCES);
}

TEST(Keeper, LosesDumpabilityAndDeathSignalWithItsUser) {
  if (!is_root()) GTEST_SKIP() << "only root can change its user";
  const auto seen = in_child([] {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    static_cast<void>(!::syscall(SYS_setresuid, kNobody, kNobody, kNobody));
    int signal = -1;
    ::prctl(PR_GET_PDEATHSIG, &signal);
    return std::array{static_cast<int>(::prctl(PR_GET_DUMPABLE)) == 1 ? 1 : 0, signal};
  });
  EXPECT_THAT(seen, Optional(ElementsAre(0, 0)));
}

TEST(Pin, OfADirectoryStaysTheSameDirectory) {
  const TemporaryDirectory directory;
  ::mkdir((directory / "a").c_str(), 0755);
  ::mkdir((directory / "b").c_str(), 0755);
  static_cast<void>(directory.file("a/leaf", "judged"));
  static_cast<void>(directory.file("b/leaf", "other"));
  const UniqueFd fd = pin(directory / "a");
  ASSERT_EQ(::rename((directory / "a").c_str(), (directory / "moved").c_str()), 0);
  ASSERT_EQ(::symlink("b", (directory / "a").c_str()), 0);
  EXPECT_EQ(contents(directory / "a/leaf"), "other");
  EXPECT_EQ(contents(own_fd(fd) + "/leaf"), "judged");
}

TEST(Pin, OfAFileTakesAModeANewNameAndAnOpen) {
  const TemporaryDirectory directory;
  const UniqueFd fd = pin(directory.file("file", "text"));
  EXPECT_EQ(::fchmod(fd.get(), 0600), -1);  // the descriptor itself is good for nothing
  EXPECT_EQ(errno, EBADF);
  EXPECT_EQ(::chmod(own_fd(fd).c_str(), 0600), 0);
  EXPECT_EQ(::linkat(AT_FDCWD, own_fd(fd).c_str(), AT_FDCWD, (directory / "new").c_str(),
                     AT_SYMLINK_FOLLOW),
            0);
  EXPECT_EQ(contents(directory / "new"), "text");
}

TEST(Pin, OfASocketIsAnAddressToConnectTo) {
  const TemporaryDirectory directory;
  const auto seen = in_child([&] {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    static_cast<void>(!::chdir((directory / "").c_str()));
    address.sun_path[0] = 's';
    auto* general = reinterpret_cast<sockaddr*>(&address);
    const int listener = ::socket(AF_UNIX, SOCK_STREAM, 0);
    static_cast<void>(::bind(listener, general, sizeof address));
    ::listen(listener, 1);
    const UniqueFd fd = pin("s");
    own_fd(fd).copy(address.sun_path, sizeof address.sun_path - 1);
    const int error =
        error_of(::connect(::socket(AF_UNIX, SOCK_STREAM, 0), general, sizeof address));
    address = {};
    socklen_t size = sizeof address;
    ::getsockname(listener, general, &size);
    // What it was bound as, letter for letter: a redirected bind would show.
    return std::array{error, std::string(address.sun_path) == "s" ? 1 : 0};
  });
  EXPECT_THAT(seen, Optional(ElementsAre(0, 1)));
}

TEST(ProcFd, NamesADeletedObjectAsALivingOneMightBeNamed) {
  const TemporaryDirectory directory;
  const UniqueFd deleted = pin(directory.file("x"));
  const UniqueFd living = pin(directory.file("x (deleted)"));
  ::unlink((directory / "x").c_str());
  EXPECT_EQ(*read_link(own_fd(deleted)), *read_link(own_fd(living)));
  struct stat st {};
  ASSERT_EQ(::fstat(deleted.get(), &st), 0);
  EXPECT_EQ(st.st_nlink, 0U);
}

TEST(Socket, IsKnownByItsInodeOnWhateverNumberItIs) {
  const UniqueFd udp(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const UniqueFd tcp(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  struct stat st {};
  ASSERT_EQ(::fstat(udp.get(), &st), 0);
  EXPECT_NE(*read_link(own_fd(tcp)), *read_link(own_fd(udp)));
  ASSERT_EQ(::dup2(udp.get(), tcp.get()), tcp.get());
  EXPECT_EQ(*read_link(own_fd(tcp)), "socket:[" + std::to_string(st.st_ino) + "]");
}

TEST(Sendmmsg, WritesEachLengthIntoTheCallersArray) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd a(ends[0]);
  const UniqueFd b(ends[1]);
  const Segment segment;
  char text[] = "x";
  iovec vector{text, 1};
  auto* message = reinterpret_cast<mmsghdr*>(segment.base());
  message->msg_hdr.msg_iov = &vector;
  message->msg_hdr.msg_iovlen = 1;
  const auto seen = in_child([&] {
    static_cast<void>(segment.attach());
    return error_of(::syscall(SYS_sendmmsg, a.get(), kAt, 1, 0));
  });
  EXPECT_THAT(seen, Optional(EFAULT));
  EXPECT_EQ(::recv(b.get(), text, 1, MSG_DONTWAIT), 1);  // and yet it went out
}

}  // namespace
}  // namespace callgate
