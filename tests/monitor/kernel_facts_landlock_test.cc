// The kernel facts that the fence stands on (docs/kernel.md): what Landlock judges, and what not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/landlock.h>
#include <sys/mman.h>

#include <array>

#include "tests/monitor/kernel_facts.h"

namespace callgate {
namespace {

using testing::Optional;

constexpr uint64_t kRead = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr uint64_t kNames = LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE;

struct Grant {
  std::string name;
  uint64_t rights;
};

bool is_there() {
  constexpr int kNeeded = 2;  // which knows moves from one directory to another
  return ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION) >=
         kNeeded;
}

// In a child only. 0 or errno.
int restrict_to(uint64_t handled, const std::vector<Grant>& grants) {
  const landlock_ruleset_attr attributes{.handled_access_fs = handled};
  const UniqueFd ruleset(
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0)));
  for (const Grant& grant : grants) {
    const UniqueFd object = pin(grant.name);
    const landlock_path_beneath_attr rule{grant.rights, object.get()};
    if (::syscall(SYS_landlock_add_rule, ruleset.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) !=
        0) {
      return errno;
    }
  }
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
  return error_of(::syscall(SYS_landlock_restrict_self, ruleset.get(), 0));
}

int open_error(const std::string& name, int flags) {
  const UniqueFd fd(::open(name.c_str(), flags, 0600));
  return fd.valid() ? 0 : errno;
}

class Landlock : public testing::Test {
 protected:
  void SetUp() override {
    if (!is_there()) GTEST_SKIP() << "this kernel has no Landlock, or one before 5.19";
    for (const char* name : {"one", "two", "one/inner"}) ::mkdir((at_ / name).c_str(), 0755);
    for (const char* name : {"one/file", "one/inner/file", "two/file"}) {
      EXPECT_EQ(contents(at_.file(name)), "") << name;
    }
  }
  TemporaryDirectory at_;
};

TEST_F(Landlock, AddsUpTheRulesOfAllDirectoriesAbove) {
  const auto errors = in_child([&] {
    const int failed =
        restrict_to(kRead | LANDLOCK_ACCESS_FS_WRITE_FILE,
                    {{at_ / "one", kRead}, {at_ / "one/inner", LANDLOCK_ACCESS_FS_WRITE_FILE}});
    return std::array{failed, open_error(at_ / "one/inner/file", O_RDWR),
                      open_error(at_ / "one/file", O_RDWR), open_error(at_ / "one", O_RDONLY),
                      open_error(at_ / "two/file", O_RDONLY)};
  });
  EXPECT_THAT(errors, Optional(std::array{0, 0, EACCES, 0, EACCES}));
}

TEST_F(Landlock, JudgesNoOpenThatOnlyNamesAndNoCreationWithoutAName) {
  const auto errors = in_child([&] {
    const int failed = restrict_to(kRead | kNames | LANDLOCK_ACCESS_FS_WRITE_FILE,
                                   {{at_ / "one", kRead | LANDLOCK_ACCESS_FS_WRITE_FILE}});
    return std::array{failed, open_error(at_ / "two/file", O_PATH),
                      open_error(at_ / "one/new", O_WRONLY | O_CREAT),
                      open_error(at_ / "one", O_RDWR | O_TMPFILE)};
  });
  EXPECT_THAT(errors, Optional(std::array{0, 0, EACCES, 0}));
}

TEST_F(Landlock, TakesMemoryAndPipesForNoFiles) {
  const auto errors = in_child([&] {
    const UniqueFd memory(::memfd_create("memory", 0));
    std::array<int, 2> ends{};
    static_cast<void>(!::pipe(ends.data()));
    const int failed = restrict_to(kRead, {});
    const UniqueFd pipe(ends[0]);
    return std::array{failed, open_error(own_fd(memory), O_RDONLY),
                      open_error(own_fd(pipe), O_RDONLY | O_NONBLOCK),
                      open_error("/proc/self/status", O_RDONLY)};
  });
  EXPECT_THAT(errors, Optional(std::array{0, 0, 0, EACCES}));
}

TEST_F(Landlock, LetsAMoveLoseRightsAndNotGainAny) {
  const auto errors = in_child([&] {
    constexpr uint64_t kMoves = kNames | LANDLOCK_ACCESS_FS_REFER;
    const int failed =
        restrict_to(kRead | kMoves, {{at_ / "one", kMoves | kRead}, {at_ / "two", kMoves}});
    const auto move = [&](const char* from, const char* to) {
      return error_of(::rename((at_ / from).c_str(), (at_ / to).c_str()));
    };
    return std::array{failed, move("two/file", "one/gains"), move("one/file", "two/loses")};
  });
  EXPECT_THAT(errors, Optional(std::array{0, EXDEV, 0}));
}

TEST_F(Landlock, GrantsWhatLiesBelowTheDirectoryWhereverItIsMoved) {
  const auto errors = in_child([&] {
    const int failed = restrict_to(kRead, {{at_ / "one", kRead}});
    const pid_t mover = ::fork();
    if (mover == 0) ::_exit(error_of(::rename((at_ / "one").c_str(), (at_ / "three").c_str())));
    int status = 0;
    ::waitpid(mover, &status, 0);
    return std::array{failed, WEXITSTATUS(status), open_error(at_ / "three/file", O_RDONLY)};
  });
  EXPECT_THAT(errors, Optional(std::array{0, 0, 0}));
}

}  // namespace
}  // namespace callgate
