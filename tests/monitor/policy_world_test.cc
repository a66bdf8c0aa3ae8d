#include "monitor/policy_world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace callgate {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::ElementsAre;

struct Folder {
  fs::path path;
  Folder() {
    std::string name = fs::temp_directory_path() / "callgate-world-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) std::abort();
    path = fs::canonical(name);
  }
  ~Folder() { fs::remove_all(path); }
};

// An environment variable for the length of a test.
struct Variable {
  std::string name;
  std::string before;
  bool was_set;
  Variable(const std::string& variable, const std::string& value)
      : name(variable), was_set(getenv(variable.c_str()) != nullptr) {
    if (was_set) before = getenv(variable.c_str());
    setenv(name.c_str(), value.c_str(), 1);
  }
  ~Variable() {
    if (was_set) {
      setenv(name.c_str(), before.c_str(), 1);
    } else {
      unsetenv(name.c_str());
    }
  }
};

int code(const auto& result) { return result.ok() ? 0 : result.error().code; }

TEST(RealWorld, ReadsFilesAndSaysWhyItCannot) {
  const Folder folder;
  std::ofstream(folder.path / "p") << std::string("a\0b", 3);
  RealWorld world;
  EXPECT_EQ(*world.read_file(folder.path / "p"), std::string("a\0b", 3));
  EXPECT_EQ(code(world.read_file(folder.path / "none")), ENOENT);
  EXPECT_EQ(code(world.read_file(folder.path)), EISDIR);
  EXPECT_EQ(code(world.read_file("/dev/zero")), EFBIG);
  EXPECT_EQ(code(world.read_file(std::string("p\0x", 3))), EINVAL);
}

TEST(RealWorld, FindsProfilesByNameAndNothingOutsideTheirDirectory) {
  const Folder folder;
  fs::create_directory(folder.path / "profiles");
  std::ofstream(folder.path / "profiles/web.policy") << "network deny all\n";
  std::ofstream(folder.path / "profiles/a.policy") << "";
  std::ofstream(folder.path / "profiles/readme") << "";
  std::ofstream(folder.path / "out.policy") << "path allow all /**\n";
  const Variable variable("CALLGATE_PROFILES", folder.path / "profiles");
  RealWorld world;
  EXPECT_THAT(world.profile_names(), ElementsAre("a", "web"));
  EXPECT_EQ(*world.read_profile("web"), "network deny all\n");
  EXPECT_EQ(code(world.read_profile("../out")), ENOENT);
  EXPECT_EQ(code(world.read_profile("none")), ENOENT);
  EXPECT_EQ(code(world.read_profile("")), ENOENT);
}

TEST(RealWorld, GivesTheKernelsNameOfAnObject) {
  const Folder folder;
  std::ofstream(folder.path / "file") << "";
  fs::create_symlink("file", folder.path / "one");
  fs::create_symlink("one", folder.path / "two");
  fs::create_symlink("nothing", folder.path / "dangling");
  RealWorld world;
  EXPECT_EQ(*world.canonical(folder.path / "two"), folder.path / "file");
  EXPECT_EQ(*world.canonical(folder.path.string() + "/./../" + folder.path.filename().string() +
                             "//file"),
            folder.path / "file");
  EXPECT_EQ(code(world.canonical(folder.path / "dangling")), ENOENT);
  EXPECT_EQ(code(world.canonical(folder.path / "file/x")), ENOTDIR);
  EXPECT_EQ(*world.canonical("/"), "/");
}

TEST(RealWorld, DoesNotTakeADeletedObjectForAnotherFile) {
  const Folder folder;
  const fs::path file = folder.path / "file";
  FILE* open_file = fopen(file.c_str(), "w");
  ASSERT_NE(open_file, nullptr);
  const std::string link = "/proc/self/fd/" + std::to_string(fileno(open_file));
  fs::remove(file);
  std::ofstream(file.string() + " (deleted)") << "";
  RealWorld world;
  EXPECT_EQ(code(world.canonical(link)), ENOENT);
  fclose(open_file);
}

TEST(RealWorld, ResolvesLocalhost) {
  RealWorld world;
  const auto endpoints = world.resolve_host("localhost");
  ASSERT_TRUE(endpoints.ok());
  const std::array<uint8_t, 4> loopback = {127, 0, 0, 1};
  EXPECT_THAT(*endpoints, Contains(Endpoint::v4(loopback, 0)));
}

TEST(RealWorld, KnowsTheVariablesOfTheLanguage) {
  const Folder folder;
  const Variable home("HOME", "/home/somebody");
  const Variable tmp("TMPDIR", "relative");
  RealWorld world("sh");
  EXPECT_EQ(world.variable("HOME"), "/home/somebody");
  EXPECT_EQ(world.variable("UID"), std::to_string(geteuid()));
  EXPECT_EQ(world.variable("CWD"), fs::canonical(fs::current_path()));
  EXPECT_EQ(world.variable("TMP"), "/tmp") << "a relative TMPDIR means nothing in a pattern";
  EXPECT_EQ(world.variable("PROGRAM"), fs::canonical("/bin/sh"));
  EXPECT_EQ(world.variable("NONSENSE"), "");
  EXPECT_EQ(RealWorld().variable("PROGRAM"), "");
}

TEST(FindProgram, SearchesPathAsExecvpDoes) {
  const Folder folder;
  fs::create_directories(folder.path / "one/tool");  // a directory is no program
  fs::create_directories(folder.path / "two");
  std::ofstream(folder.path / "two/tool") << "";
  const Variable path("PATH",
                      (folder.path / "one").string() + ":" + (folder.path / "two").string());
  EXPECT_EQ(code(find_program("tool")), EACCES);
  chmod((folder.path / "two/tool").c_str(), 0755);
  EXPECT_EQ(*find_program("tool"), folder.path / "two/tool");
  EXPECT_EQ(code(find_program("none")), ENOENT);
  EXPECT_EQ(*find_program("./x"), "./x");
  EXPECT_EQ(code(find_program("")), ENOENT);
}

}  // namespace
}  // namespace callgate
