#include "monitor/long_name.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "arch/unique_fd.h"
#include "monitor/proc_files.h"

namespace callgate {
namespace {

// A tree deeper than PATH_MAX, made and unmade one step at a time.
class LongNameTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name =
        std::filesystem::canonical(std::filesystem::temp_directory_path()) / "callgate-long-XXXXXX";
    root_ = ::mkdtemp(name.data());
    deepest_ = root_;
    current_.reset(::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ASSERT_TRUE(current_.valid());
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  bool descend(const std::string& name) {
    if (::mkdirat(current_.get(), name.c_str(), 0755) != 0) return false;
    current_.reset(::openat(current_.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    deepest_ += "/" + name;
    return current_.valid();
  }

  std::string root_;
  std::string deepest_;
  UniqueFd current_;
};

TEST_F(LongNameTest, AShortNameIsTheKernelsOwn) {
  ASSERT_TRUE(descend("below"));
  auto name = long_directory_name(current_.get());
  ASSERT_TRUE(name.ok());
  EXPECT_EQ(*name, root_ + "/below");
}

TEST_F(LongNameTest, ANameBeyondPathMaxIsPutTogether) {
  const std::string component(200, 'n');
  while (deepest_.size() < 3 * PATH_MAX) ASSERT_TRUE(descend(component));
  ASSERT_TRUE(descend("new\nline \xff"));
  auto kernel = read_link("/proc/self/fd/" + std::to_string(current_.get()));
  ASSERT_FALSE(kernel.ok()) << "the kernel gives no name this long in one piece";
  EXPECT_EQ(kernel.error().code, ENAMETOOLONG);
  auto name = long_directory_name(current_.get());
  ASSERT_TRUE(name.ok());
  EXPECT_EQ(*name, deepest_);
}

TEST_F(LongNameTest, AnODirectoryPathDescriptorIsEnough) {
  const std::string component(200, 'n');
  while (deepest_.size() < PATH_MAX + 300) ASSERT_TRUE(descend(component));
  const UniqueFd path(::openat(current_.get(), ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  auto name = long_directory_name(path.get());
  ASSERT_TRUE(name.ok());
  EXPECT_EQ(*name, deepest_);
}

TEST_F(LongNameTest, ADirectoryOnTheWayThatCannotBeReadIsAnError) {
  const std::string component(200, 'n');
  while (deepest_.size() < PATH_MAX + 300) ASSERT_TRUE(descend(component));
  ASSERT_EQ(::fchmod(current_.get(), 0711), 0);
  const UniqueFd unreadable(::fcntl(current_.get(), F_DUPFD_CLOEXEC, 3));
  ASSERT_TRUE(descend("last"));
  ASSERT_EQ(::fchmod(unreadable.get(), 0111), 0);
  ASSERT_EQ(::chmod(root_.c_str(), 0755), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) _exit(100);
    auto name = long_directory_name(current_.get());
    _exit(name.ok() ? 0 : name.error().code);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), EACCES);
  ASSERT_EQ(::fchmod(unreadable.get(), 0755), 0);
}

TEST_F(LongNameTest, WhatIsNoDirectoryHasNoDirectoryName) {
  const UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  auto name = long_directory_name(file.get());
  ASSERT_FALSE(name.ok());
  EXPECT_EQ(name.error().code, ENOTDIR);
}

TEST_F(LongNameTest, AFileIsFoundInADirectoryAtHand) {
  const std::string component(200, 'n');
  while (deepest_.size() < PATH_MAX + 300) ASSERT_TRUE(descend(component));
  const UniqueFd file(::openat(current_.get(), "file", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  auto name = long_object_name(file.get(), "/proc/self");  // which has its directory open
  ASSERT_TRUE(name.ok());
  EXPECT_EQ(*name, deepest_ + "/file");
  current_.reset();
  auto elsewhere = long_object_name(file.get(), "/proc/self");
  ASSERT_FALSE(elsewhere.ok());
  EXPECT_EQ(elsewhere.error().code, ENAMETOOLONG);
}

}  // namespace
}  // namespace callgate
