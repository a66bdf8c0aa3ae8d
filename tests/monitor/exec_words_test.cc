// What a script's first line means, against the kernel that obeys it.
#include "monitor/exec_words.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <string>

namespace callgate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(ScriptWords, AreTheInterpreterAndOneArgument) {
  EXPECT_THAT(script_words("#!/bin/sh\n"), ElementsAre("/bin/sh"));
  EXPECT_THAT(script_words("#! \t/bin/sh -e -x \t\nnext"), ElementsAre("/bin/sh", "-e -x"));
  EXPECT_THAT(script_words("#!/bin/sh"), ElementsAre("/bin/sh"));
  EXPECT_THAT(script_words(std::string_view("#!/bin/sh\0 -x\n", 14)), ElementsAre("/bin/sh"));
  EXPECT_THAT(script_words("#!"), ElementsAre(""));  // which no walk finds
  EXPECT_THAT(script_words("#! \t\n/bin/sh"), IsEmpty());
  EXPECT_THAT(script_words("/bin/sh\n"), IsEmpty());
  EXPECT_THAT(script_words("#!/" + std::string(300, 'x')), IsEmpty());  // may be cut
}

// The words that the kernel puts before the script's name, as a program sees them that it runs.
class Kernel {
 public:
  Kernel() {
    std::string name = "/tmp/callgate-words-XXXXXX";
    if (::mkdtemp(name.data()) != nullptr) directory_ = name;
  }
  ~Kernel() { std::filesystem::remove_all(directory_); }
  [[nodiscard]] bool ready() const { return !directory_.empty(); }
  [[nodiscard]] std::string says(const std::string& line) const {
    const std::string script = directory_ + "/s";
    const int file = ::open(script.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    const bool written = ::write(file, line.data(), line.size()) == ssize_t(line.size());
    ::close(file);
    std::array<int, 2> ends{};
    if (!written || ::pipe2(ends.data(), O_CLOEXEC) != 0) return "broken";
    const pid_t child = ::fork();
    if (child == 0) {
      ::dup2(ends[1], 1);
      ::execl(script.c_str(), "x", nullptr);
      ::_exit(126);
    }
    ::close(ends[1]);
    std::string said;
    char byte = 0;
    while (::read(ends[0], &byte, 1) == 1) said += byte;
    ::close(ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 126 ? "not run" : said;
  }
  [[nodiscard]] std::string script() const { return directory_ + "/s"; }

 private:
  std::string directory_;
};

TEST(ScriptWords, AreWhatTheKernelTakesThemFor) {
  const Kernel kernel;
  ASSERT_TRUE(kernel.ready());
  const std::string echo = "/bin/echo";
  const std::string blanks(260, ' ');
  const std::string lines[] = {
      "#!" + echo + "\n",
      "#!" + echo + " a\n",
      "#! \t " + echo + "\t a  b \t\n",
      "#!" + echo,
      "#!" + echo + " a",
      "#!" + echo + std::string("\0 a\n", 4),
      "#!" + echo + std::string(" a\0b\n", 5),
      "#!" + echo + " " + std::string(240, 'y') + "\n",
      "#!" + echo + " " + std::string(243, 'y') + "\n",
      "#!" + echo + " " + std::string(244, 'y') + "\n",
      "#!" + echo + " " + std::string(245, 'y') + "\n",
      "#!" + echo + " " + std::string(300, 'y') + "\n",
      "#!" + blanks + echo + "\n",
      "#!" + echo + blanks + "a\n",
      "#!" + echo + " a" + blanks + "\n",
      "#!" + std::string(244, '/') + "bin/echo\n",
      "#!" + std::string(245, '/') + "bin/echo\n",
      "#!" + std::string(246, '/') + "bin/echo\n",
      "#!" + std::string(247, '/') + "bin/echo",
      "#!\n" + echo + "\n",
      "#! \n",
      "# !" + echo + "\n",
  };
  for (const std::string& line : lines) {
    const std::vector<std::string> words = script_words(line);
    std::string expected = "not run";
    if (!words.empty()) {
      expected.clear();
      for (size_t i = 1; i < words.size(); ++i) expected += words[i] + " ";
      expected += kernel.script() + "\n";
    }
    EXPECT_EQ(kernel.says(line), expected) << testing::PrintToString(line);
  }
}

TEST(ExecWords, LeadToTheirOwnListAndToTheCallers) {
  ExecWords words;
  words.lines = {"/bin/sh", "-x", "/t/inner"};
  words.name = "/t/script";
  words.given = {"me", "a"};
  EXPECT_TRUE(words.lead_to({"/bin/sh", "-x", "/t/inner", "/t/script", "a"}));
  EXPECT_TRUE(words.lead_to({"me", "a"}));
  EXPECT_FALSE(words.lead_to({"me"}));
  EXPECT_FALSE(words.lead_to({"me", "a", "b"}));
  EXPECT_FALSE(words.lead_to({"/bin/sh", "-x", "/t/inner"}));
  EXPECT_FALSE(words.lead_to({"/bin/sh", "-x", "/t/inner", "secret", "/t/script"}));
  EXPECT_FALSE(words.lead_to({"/bin/sh", "secret", "/t/script", "a"}));
  EXPECT_FALSE(words.lead_to({}));
  EXPECT_FALSE(ExecWords{}.lead_to({"/bin/sh", "/t/script"}));
  EXPECT_TRUE(ExecWords{}.lead_to({""}));
}

TEST(ExecWords, NameWhatAnInterpreterIsTold) {
  EXPECT_EQ(interpreted_name(AT_FDCWD, "a/b"), "a/b");
  EXPECT_EQ(interpreted_name(7, "/a/b"), "/a/b");
  EXPECT_EQ(interpreted_name(7, "a/b"), "/dev/fd/7/a/b");
  EXPECT_EQ(interpreted_name(7, ""), "/dev/fd/7");
}

}  // namespace
}  // namespace callgate
