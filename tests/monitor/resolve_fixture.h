// A small tree to resolve names in, and the kernel's answer to compare with.
#pragma once

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "monitor/resolve.h"

namespace callgate {

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

}  // namespace callgate
