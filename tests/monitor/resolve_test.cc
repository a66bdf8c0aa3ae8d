// The resolver against the kernel: where it leads, and with which errno it fails, is what openat
// with O_PATH says of the same name from the same directory.
#include "monitor/resolve.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <limits.h>
#include <linux/openat2.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace callgate {
namespace {

using testing::ElementsAre;
namespace fs = std::filesystem;

class ResolveTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = fs::canonical(fs::temp_directory_path()) / "callgate-resolve-XXXXXX";
    root_ = ::mkdtemp(name.data());
    before_ = fs::current_path();
    fs::current_path(root_);
    fs::create_directories("a/b/c");
    std::ofstream("a/file") << "content";
    std::ofstream("a/b/other") << "more";
  }
  void TearDown() override {
    fs::current_path(before_);
    fs::remove_all(root_);
  }

  [[nodiscard]] Viewer self() const { return {static_cast<pid_t>(::syscall(SYS_gettid)), ::getpid()}; }

  Result<Place> look(const std::string& path, bool follow = true, int dirfd = AT_FDCWD) const {
    ResolveOptions options;
    options.follow = follow;
    return resolver_.resolve(self(), dirfd, path, options);
  }

  // The kernel's answer in the same words: a name, or an errno.
  static std::string kernel(const std::string& path, bool follow, int dirfd = AT_FDCWD) {
    const UniqueFd fd(::openat(dirfd, path.c_str(), O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW)));
    if (!fd.valid()) return std::string("errno ") + strerrorname_np(errno);
    auto name = read_link("/proc/self/fd/" + std::to_string(fd.get()));
    return name.ok() ? *name : "?";
  }

  static std::string ours(const Result<Place>& place) {
    if (!place.ok()) return std::string("errno ") + strerrorname_np(place.error().code);
    return place->exists() ? place->real + (place->deleted ? " (deleted)" : "") : "errno ENOENT";
  }

  void expect_as_kernel(const std::string& path, int dirfd = AT_FDCWD) const {
    for (const bool follow : {true, false}) {
      EXPECT_EQ(ours(look(path, follow, dirfd)), kernel(path, follow, dirfd))
          << "name \"" << path << "\" follow " << follow;
    }
  }

  fs::path root_;
  fs::path before_;
  Resolver resolver_{[](pid_t pid) { return pid == ::getpid(); },
                     read_task_status(::getpid())->credentials};
};

TEST_F(ResolveTest, PlainNamesLeadWhereTheKernelGoes) {
  for (const char* path :
       {".", "..", "/", "//", "///", "a", "a/", "a//", "a/.", "a/..", "./a/./b/../b/c", "a/b/c/../../..",
        "a/file", "a/file/", "a/file/.", "a/file/..", "a/file/x", "missing", "missing/", "missing/x",
        "a/missing/..", "/..", "/../..", "/proc", "/proc/sys/kernel/../kernel"}) {
    expect_as_kernel(path);
    expect_as_kernel((root_ / path).string());
  }
}

TEST_F(ResolveTest, SymlinksAreFollowedAsTheKernelFollowsThem) {
  ASSERT_EQ(::symlink("a/file", "to-file"), 0);
  ASSERT_EQ(::symlink("a/b", "to-directory"), 0);
  ASSERT_EQ(::symlink("a/b/", "to-directory-slash"), 0);
  ASSERT_EQ(::symlink("a/file/", "to-file-slash"), 0);
  ASSERT_EQ(::symlink("nowhere", "dangling"), 0);
  ASSERT_EQ(::symlink("nowhere/further", "dangling-deep"), 0);
  ASSERT_EQ(::symlink("..", "a/up"), 0);
  ASSERT_EQ(::symlink((root_ / "a/file").c_str(), "absolute"), 0);
  ASSERT_EQ(::symlink("loop-2", "loop-1"), 0);
  ASSERT_EQ(::symlink("loop-1", "loop-2"), 0);
  ASSERT_EQ(::symlink("self-loop/x", "self-loop"), 0);
  ASSERT_EQ(::symlink(".", "dot"), 0);
  ASSERT_EQ(::symlink("/", "slash"), 0);
  for (const char* link : {"to-file", "to-directory", "to-directory-slash", "to-file-slash", "dangling",
                           "dangling-deep", "a/up", "absolute", "loop-1", "self-loop", "dot", "slash"}) {
    for (const char* tail : {"", "/", "/.", "/..", "/c", "/../a/file", "//", "/missing"}) {
      expect_as_kernel(std::string(link) + tail);
    }
  }
}

TEST_F(ResolveTest, FortyLinksAreFollowedAndFortyOneAreALoop) {
  ASSERT_EQ(::symlink("a/file", "l1"), 0);
  for (int i = 2; i <= 42; ++i) {
    ASSERT_EQ(::symlink(("l" + std::to_string(i - 1)).c_str(), ("l" + std::to_string(i)).c_str()), 0);
  }
  EXPECT_EQ(kernel("l40", true), (root_ / "a/file").string());
  EXPECT_EQ(kernel("l41", true), "errno ELOOP");
  for (const char* path : {"l1", "l39", "l40", "l41", "l42"}) expect_as_kernel(path);
  // Links in the middle of a name count too.
  std::string path;
  ASSERT_EQ(::symlink(".", "here"), 0);
  for (int i = 0; i < 39; ++i) path += "here/";
  expect_as_kernel(path + "l1");
  expect_as_kernel(path + "l2");
  expect_as_kernel(path + "here");
}

TEST_F(ResolveTest, TheLinksThatWerePassedAreTold) {
  ASSERT_EQ(::symlink("a", "one"), 0);
  ASSERT_EQ(::symlink("b/other", "a/two"), 0);
  auto place = look("one/two");
  ASSERT_TRUE(place.ok());
  EXPECT_EQ(place->real, (root_ / "a/b/other").string());
  EXPECT_THAT(place->links, ElementsAre((root_ / "one").string(), (root_ / "a/two").string()));
}

TEST_F(ResolveTest, AMissingLastComponentIsAPlaceWithoutAnObject) {
  auto place = look("a/b/new");
  ASSERT_TRUE(place.ok());
  EXPECT_FALSE(place->exists());
  EXPECT_TRUE(place->parent.valid());
  EXPECT_EQ(place->leaf, "new");
  EXPECT_EQ(place->real, (root_ / "a/b/new").string());

  // Through a dangling link: where the object would be made.
  ASSERT_EQ(::symlink("a/b/target", "dangling"), 0);
  place = look("dangling");
  ASSERT_TRUE(place.ok());
  EXPECT_FALSE(place->exists());
  EXPECT_EQ(place->real, (root_ / "a/b/target").string());
}

TEST_F(ResolveTest, ACallOnNamesTakesTheLinkAndTheDotsAsTheyStand) {
  ASSERT_EQ(::symlink("a/b", "link"), 0);
  ResolveOptions options;
  options.follow = false;
  options.parent_call = true;
  auto link = resolver_.resolve(self(), AT_FDCWD, "link/", options);
  ASSERT_TRUE(link.ok());
  EXPECT_TRUE(link->is_symlink());
  EXPECT_TRUE(link->trailing_slash);
  EXPECT_EQ(link->real, (root_ / "link").string());
  for (const char* dots : {"a/.", "a/.."}) {
    auto place = resolver_.resolve(self(), AT_FDCWD, dots, options);
    ASSERT_TRUE(place.ok());
    EXPECT_TRUE(place->parent.valid());
    EXPECT_EQ("a/" + place->leaf, dots) << "rmdir(\"a/.\") is EINVAL, not the end of a";
  }
}

TEST_F(ResolveTest, ADescriptorIsTheStartOfARelativeNameAndIgnoredByAnAbsoluteOne) {
  const UniqueFd b(::open("a/b", O_PATH | O_DIRECTORY | O_CLOEXEC));
  const UniqueFd file(::open("a/file", O_RDONLY | O_CLOEXEC));
  for (const char* path : {"c", "../file", "other", ".", "..", "missing"}) expect_as_kernel(path, b.get());
  for (const char* path : {"c", ".", ".."}) expect_as_kernel(path, file.get());
  expect_as_kernel("c", 900);
  expect_as_kernel((root_ / "a/file").string(), 900);
  expect_as_kernel("c", -1);
}

TEST_F(ResolveTest, AnEmptyNameIsTheDescriptorItselfOnlyWhereItIsAskedFor) {
  const UniqueFd file(::open("a/file", O_RDONLY | O_CLOEXEC));
  auto refused = look("", true, file.get());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ENOENT);
  ResolveOptions options;
  options.empty_path = true;
  auto place = resolver_.resolve(self(), file.get(), "", options);
  ASSERT_TRUE(place.ok());
  EXPECT_EQ(place->real, (root_ / "a/file").string());
  auto bad = resolver_.resolve(self(), 900, "", options);
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().code, EBADF);
}

TEST_F(ResolveTest, NamesAreAsLongAsTheKernelTakesThem) {
  std::string path;
  while (path.size() < PATH_MAX - 8) path += "./";
  for (int more = 0; more < 8; ++more) {
    expect_as_kernel(path + std::string(static_cast<size_t>(more), '/') + "a");
  }
  for (const size_t size : {NAME_MAX - 1, NAME_MAX, NAME_MAX + 1}) {
    const std::string component(size, 'n');
    expect_as_kernel("a/" + component);
    expect_as_kernel("a/" + component + "/x");
  }
  std::ofstream(std::string(NAME_MAX, 'n')) << "x";
  expect_as_kernel(std::string(NAME_MAX, 'n'));
}

TEST_F(ResolveTest, OddBytesInNamesAreOnlyBytes) {
  for (const char* odd : {"new\nline", "\x1b[31m", "\xff\xfe", "a (deleted)", " ", "*", "\\", "\"", "...", "-rf"}) {
    fs::create_directory(odd);
    std::ofstream(std::string(odd) + "/f") << "x";
    expect_as_kernel(odd);
    expect_as_kernel(std::string(odd) + "/f");
    expect_as_kernel(std::string(odd) + "/missing");
    auto place = look(std::string(odd) + "/f");
    ASSERT_TRUE(place.ok());
    EXPECT_FALSE(place->deleted) << odd;
  }
}

TEST_F(ResolveTest, ADirectoryWhoseNameIsBeyondPathMaxIsNamedWhole) {
  std::string whole = root_;
  const std::string component(200, 'd');
  while (whole.size() < PATH_MAX + 300) {
    ASSERT_EQ(::mkdir(component.c_str(), 0755), 0);
    ASSERT_EQ(::chdir(component.c_str()), 0);
    whole += "/" + component;
  }
  std::ofstream("file") << "x";
  auto place = look("file");
  ASSERT_TRUE(place.ok());
  EXPECT_EQ(place->real, whole + "/file");
  auto directory = look(".");
  ASSERT_TRUE(directory.ok());
  EXPECT_EQ(directory->real, whole);
}

TEST_F(ResolveTest, AMagicLinkJumpsAndIsSaidToBeOne) {
  const UniqueFd file(::open("a/file", O_RDONLY | O_CLOEXEC));
  const UniqueFd directory(::open("a/b", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const std::string fd = "/proc/self/fd/" + std::to_string(file.get());
  const std::string dir = "/proc/self/fd/" + std::to_string(directory.get());
  for (const std::string& path : {fd, fd + "/", fd + "/x", dir, dir + "/", dir + "/other", dir + "/..",
                                  dir + "/missing", std::string("/proc/self/cwd/a/file"),
                                  std::string("/proc/thread-self/cwd/a"), std::string("/proc/self/root/proc"),
                                  std::string("/proc/self/fd/900"), std::string("/dev/fd/0")}) {
    if (path == "/dev/fd/0" && kernel(path, true)[0] != '/') continue;  // a pipe or socket: nameless
    EXPECT_EQ(ours(look(path)), kernel(path, true)) << path;
  }
  auto place = look(fd);
  ASSERT_TRUE(place.ok());
  EXPECT_TRUE(place->magic);
  auto link = look(fd, false);
  ASSERT_TRUE(link.ok());
  EXPECT_TRUE(link->is_symlink());
}

TEST_F(ResolveTest, AFileWithoutANameIsNamelessOrDeleted) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const UniqueFd reader(ends[0]);
  const UniqueFd writer(ends[1]);
  auto place = resolver_.descriptor(self(), reader.get());
  ASSERT_TRUE(place.ok());
  EXPECT_TRUE(place->nameless);
  const UniqueFd gone(::open("gone", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_EQ(::unlink("gone"), 0);
  place = resolver_.descriptor(self(), gone.get());
  ASSERT_TRUE(place.ok());
  EXPECT_TRUE(place->deleted);
  EXPECT_EQ(place->real, (root_ / "gone").string());
  auto none = resolver_.descriptor(self(), 900);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, EBADF);
}

TEST_F(ResolveTest, ADirectoryThatWasRemovedStillLeadsWhereTheKernelGoes) {
  fs::create_directory("gone");
  fs::current_path("gone");
  ASSERT_EQ(::rmdir((root_ / "gone").c_str()), 0);
  auto here = look(".");
  ASSERT_TRUE(here.ok());
  EXPECT_TRUE(here->deleted);
  auto below = look("new");
  EXPECT_TRUE(!below.ok() || !below->exists());
  if (below.ok()) {
    EXPECT_TRUE(below->deleted);
  }
  expect_as_kernel("..");
  expect_as_kernel("../a/file");
  EXPECT_FALSE(Resolver::directory_name(self(), AT_FDCWD).ok());
}

TEST_F(ResolveTest, ALinkThatIsProtectedFailsAsTheKernelFailsIt) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to make another user's link";
  auto enabled = read_whole_file("/proc/sys/fs/protected_symlinks");
  if (enabled.ok()) std::printf("fs.protected_symlinks is %s", enabled->c_str());
  ASSERT_EQ(::mkdir("sticky", 0777), 0);
  ASSERT_EQ(::chmod("sticky", 01777), 0);
  ASSERT_EQ(::symlink("../a/file", "sticky/link"), 0);
  ASSERT_EQ(::lchown("sticky/link", 65534, 65534), 0);
  ASSERT_EQ(::symlink("../a/file", "sticky/own"), 0);
  expect_as_kernel("sticky/link");
  expect_as_kernel("sticky/own");
}

TEST_F(ResolveTest, TheProgramsOwnRestrictionsAreKept) {
  ASSERT_EQ(::symlink("a/file", "link"), 0);
  ASSERT_EQ(::symlink((root_ / "a/file").c_str(), "absolute"), 0);
  const UniqueFd here(::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  for (const uint64_t flags : {uint64_t{RESOLVE_NO_SYMLINKS}, uint64_t{RESOLVE_BENEATH}, uint64_t{RESOLVE_IN_ROOT},
                               uint64_t{RESOLVE_NO_MAGICLINKS}, uint64_t{RESOLVE_NO_XDEV}}) {
    for (const std::string path : {"link", "absolute", "a/../a/file", "..", "/a/file", "/", "/proc/self/cwd",
                                   "missing", "a/missing", "missing/x"}) {
      open_how how{};
      how.flags = O_PATH | O_CLOEXEC;
      how.resolve = flags;
      const UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, here.get(), path.c_str(), &how, sizeof how)));
      const int error = errno;
      ResolveOptions options;
      options.resolve_flags = flags;
      auto place = resolver_.resolve(self(), here.get(), path, options);
      const std::string expected =
          fd.valid() ? *read_link("/proc/self/fd/" + std::to_string(fd.get()))
                     : std::string("errno ") + strerrorname_np(error);
      EXPECT_EQ(ours(place), expected) << path << " with " << flags;
    }
  }
}

// Another process is the viewer: its directory, its descriptors, its /proc/self.
class Viewed {
 public:
  explicit Viewed(const fs::path& directory) : pid_(::fork()) {
    if (pid_ == 0) {
      if (::chdir(directory.c_str()) != 0 || ::dup2(::open("c", O_PATH | O_DIRECTORY), 50) != 50) _exit(1);
      ::raise(SIGSTOP);
      _exit(0);
    }
    int status = 0;
    ::waitpid(pid_, &status, WUNTRACED);
  }
  ~Viewed() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] Viewer viewer() const { return {pid_, pid_}; }

 private:
  pid_t pid_;
};

TEST_F(ResolveTest, NamesAreSeenWithTheViewersEyes) {
  const Viewed other(root_ / "a/b");
  const std::string number = std::to_string(other.viewer().pid);
  ResolveOptions options;
  auto relative = resolver_.resolve(other.viewer(), AT_FDCWD, "other", options);
  ASSERT_TRUE(relative.ok());
  EXPECT_EQ(relative->real, (root_ / "a/b/other").string());
  auto by_descriptor = resolver_.resolve(other.viewer(), 50, "..", options);
  ASSERT_TRUE(by_descriptor.ok());
  EXPECT_EQ(by_descriptor->real, (root_ / "a/b").string());
  auto by_proc = resolver_.resolve(other.viewer(), AT_FDCWD, "/proc/self/fd/50", options);
  ASSERT_TRUE(by_proc.ok());
  EXPECT_EQ(by_proc->real, (root_ / "a/b/c").string());
  auto cwd = resolver_.resolve(other.viewer(), AT_FDCWD, "/proc/self/cwd", options);
  ASSERT_TRUE(cwd.ok());
  EXPECT_EQ(cwd->real, (root_ / "a/b").string());
  auto thread = resolver_.resolve(other.viewer(), AT_FDCWD, "/proc/thread-self/comm", options);
  ASSERT_TRUE(thread.ok());
  EXPECT_EQ(thread->real, "/proc/" + number + "/task/" + number + "/comm");
  auto directory = Resolver::directory_name(other.viewer(), 50);
  ASSERT_TRUE(directory.ok());
  EXPECT_EQ(*directory, (root_ / "a/b/c").string());
}

TEST_F(ResolveTest, AProcessOwnEntriesAreCalledSelfAndForeignOnesAreMarked) {
  const Viewed other(root_ / "a/b");
  auto own = look("/proc/" + std::to_string(::getpid()) + "/comm");
  ASSERT_TRUE(own.ok());
  EXPECT_EQ(own->name, "/proc/self/comm");
  EXPECT_FALSE(own->foreign);
  auto foreign = look("/proc/" + std::to_string(other.viewer().pid) + "/comm");
  ASSERT_TRUE(foreign.ok());
  EXPECT_TRUE(foreign->foreign);
  auto through = look("/proc/" + std::to_string(other.viewer().pid) + "/cwd/other");
  ASSERT_TRUE(through.ok());
  EXPECT_TRUE(through->foreign) << "a way through another process is not forgotten";
  auto plain = look("/proc/version");
  ASSERT_TRUE(plain.ok());
  EXPECT_FALSE(plain->foreign);
  EXPECT_EQ(plain->name, "/proc/version");
}

TEST_F(ResolveTest, NothingIsLeftOpen) {
  const auto count = [] {
    return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
  };
  ASSERT_EQ(::symlink("a/b", "link"), 0);
  const auto before = count();
  for (int i = 0; i < 50; ++i) {
    for (const char* path : {"link/other", "missing", "a/file/x", "/proc/self/fd/0", "link/../..", "a/missing/x"}) {
      static_cast<void>(look(path));
    }
  }
  EXPECT_EQ(count(), before);
}

}  // namespace
}  // namespace callgate
