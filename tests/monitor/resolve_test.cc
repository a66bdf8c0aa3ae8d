// The resolver against the kernel: where it leads, and with which errno it fails, is what openat
// with O_PATH says of the same name from the same directory.
#include "monitor/resolve.h"

#include <limits.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "tests/monitor/resolve_fixture.h"

namespace callgate {
namespace {

using testing::ElementsAre;

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

TEST_F(ResolveTest, LongNamesLeadWhereTheKernelGoes) {
  ASSERT_EQ(::symlink(".", "here"), 0);  // with a link in it no name is left to the kernel as a whole
  ASSERT_EQ(::symlink("b/..", "a/round"), 0);
  ASSERT_EQ(::symlink("/", "a/slash"), 0);
  const auto times = [](int n, const std::string& part) {
    std::string text;
    while (n-- > 0) text += part;
    return text;
  };
  for (const std::string& way :
       {times(100, "a/b/../../"), times(30, "a/b/../../") + "here/" + times(30, "a/../"),
        times(16, "a/b/../../") + "a/round/../" + times(64, "a/../"), times(300, "./a/../"),
        times(30, "a/round/../")}) {
    for (const char* tail : {"a/file", "a", "a/", "a/b/", "missing", "missing/", "missing/x", "a/file/", "a/file/x",
                             "a/file/..", "here", "..", "a/slash/.."}) {
      expect_as_kernel("here/" + way + tail);
      expect_as_kernel("here/" + way + tail + "/" + way + "a/file");
    }
  }
  expect_as_kernel("here/" + times(500, "../"));
  expect_as_kernel("here/" + times(70, "a/../") + times(100, "../") + "proc/self/" + times(80, "task/../") + "cwd/a/file");
  std::string lost;
  ResolveOptions options;
  options.lost = &lost;
  const std::string far = "here/" + times(70, "a/../");
  EXPECT_FALSE(resolver_.resolve(self(), AT_FDCWD, far + "a/missing/x/" + far, options).ok());
  EXPECT_EQ(lost, (root_ / "a/missing").string());
  EXPECT_FALSE(resolver_.resolve(self(), AT_FDCWD, far + "a/file/x/" + far, options).ok());
  EXPECT_EQ(lost, (root_ / "a/file").string());
  auto place = look(far + "a/round/" + times(70, "b/../") + "file");
  ASSERT_TRUE(place.ok());
  EXPECT_THAT(place->links, ElementsAre((root_ / "here").string(), (root_ / "a/round").string()));
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
  ASSERT_EQ(::symlink("../a", "sticky/directory"), 0);
  ASSERT_EQ(::lchown("sticky/directory", 65534, 65534), 0);
  for (const char* path : {"sticky/link", "sticky/own", "sticky/directory", "sticky/directory/",
                           "sticky/directory/file", "sticky/directory/."}) {
    expect_as_kernel(path);
  }
}

}  // namespace
}  // namespace callgate
