// The resolver with somebody else's eyes, under a program's own restrictions, and where it got lost.
#include <linux/openat2.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "monitor/resolve.h"
#include "tests/monitor/resolve_fixture.h"

namespace callgate {
namespace {

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

TEST_F(ResolveTest, AZombieOfTheSandboxIsNotForeign) {
  const pid_t child = ::fork();
  if (child == 0) _exit(0);
  siginfo_t ended{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT), 0);
  auto place = look("/proc/" + std::to_string(child) + "/stat");
  ::waitpid(child, nullptr, 0);
  ASSERT_TRUE(place.ok());
  EXPECT_FALSE(place->foreign);
}

TEST_F(ResolveTest, UnderRestrictionsADanglingLinkLeadsToWhereItsTargetWouldBe) {
  ASSERT_EQ(::symlink("/a/new", "absolute"), 0);
  ASSERT_EQ(::symlink("a/b/../new", "relative"), 0);
  const UniqueFd here(::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  ResolveOptions options;
  options.creates = true;
  options.resolve_flags = RESOLVE_IN_ROOT;
  for (const char* path : {"absolute", "relative", "/../absolute", "a/../../relative"}) {
    auto place = resolver_.resolve(self(), here.get(), path, options);
    ASSERT_TRUE(place.ok()) << path;
    EXPECT_FALSE(place->exists());
    EXPECT_EQ(place->real, (root_ / "a/new").string()) << path;
  }
  options.resolve_flags = RESOLVE_BENEATH;
  EXPECT_EQ(resolver_.resolve(self(), here.get(), "absolute", options).error().code, EXDEV);
  EXPECT_EQ(resolver_.resolve(self(), here.get(), "relative", options)->real,
            (root_ / "a/new").string());
  EXPECT_EQ(resolver_.resolve(self(), here.get(), "relative/", options).error().code, EISDIR);
}

TEST_F(ResolveTest, AWalkThatFailsSaysAtWhichName) {
  ASSERT_EQ(::symlink("a/missing/x", "link"), 0);
  struct Case {
    const char* path;
    int error;
    const char* lost;
  };
  for (const auto& [path, error, lost] :
       {Case{"a/missing/x", ENOENT, "a/missing"}, Case{"a/file/x", ENOTDIR, "a/file"},
        Case{"a/file/", ENOTDIR, "a/file"}, Case{"link", ENOENT, "a/missing"},
        Case{"a/b/../missing/x/y", ENOENT, "a/missing"}}) {
    std::string name;
    ResolveOptions options;
    options.lost = &name;
    auto place = resolver_.resolve(self(), AT_FDCWD, path, options);
    ASSERT_FALSE(place.ok()) << path;
    EXPECT_EQ(place.error().code, error) << path;
    EXPECT_EQ(name, (root_ / lost).string()) << path;
  }
}

}  // namespace
}  // namespace callgate
