#include "monitor/lab_prey.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "monitor/proc_files.h"

namespace callgate {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::HasSubstr;
using testing::Optional;

std::unique_ptr<LabPrey> prey(const LabLesson& lesson = {}) {
  std::string what;
  auto laid = LabPrey::lay_out(lesson, &what);
  if (!laid.ok()) ADD_FAILURE() << what << ": " << std::strerror(laid.error().code);
  return *std::move(laid);
}

void serve(LabPrey& lab) {
  auto polled = lab.listeners();
  if (poll(polled.data(), polled.size(), 5000) <= 0) return;
  for (size_t i = 0; i < polled.size(); ++i) {
    if (polled[i].revents != 0) lab.answer(i);
  }
}

int connect_to(const LabPrey& lab, const char* word, int type) {
  const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(std::stoi(lab.words().find(word)->second)));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  return fd;
}

TEST(LabPrey, LaysOutASecretTreeAndRemovesItAll) {
  std::string root;
  {
    const auto lab = prey();
    root = lab->root();
    const auto key = read_whole_file(lab->secret() + "/key");
    ASSERT_TRUE(key.ok());
    EXPECT_EQ(*key, lab->token() + "\n");
    EXPECT_TRUE(fs::exists(lab->work() + "/ok.dat"));
    EXPECT_EQ(lab->lost("nothing"), std::nullopt);
    EXPECT_FALSE(lab->reached());
    EXPECT_THAT(lab->environment(std::chrono::milliseconds(20)),
                testing::AllOf(Contains("ATTACK_S=" + lab->secret()), Contains("ATTACK_MS=20")));
  }
  EXPECT_FALSE(fs::exists(root));
}

TEST(LabPrey, ExpandsTheWordsThatItKnows) {
  const auto lab = prey();
  EXPECT_EQ(lab->expand("$S/key $T $NOPE $"), lab->secret() + "/key " + lab->work() + " $NOPE $");
  EXPECT_EQ(lab->expand(":$OK_TCP,"), ":" + lab->words().find("OK_TCP")->second + ",");
}

TEST(LabPrey, SeesAChangeOfTheSecretTree) {
  const auto lab = prey();
  const uint64_t stamp = tree_stamp(lab->secret(), lab->before());
  EXPECT_EQ(tree_stamp(lab->secret(), lab->before()), stamp);
  std::ofstream(lab->secret() + "/new") << "x";
  EXPECT_NE(tree_stamp(lab->secret(), lab->before()), stamp);
  EXPECT_THAT(lab->lost(""), Optional(HasSubstr("new appeared")));
  fs::remove(lab->secret() + "/new");
  EXPECT_EQ(lab->lost(""), std::nullopt);
  fs::permissions(lab->secret() + "/key", fs::perms::owner_all);
  EXPECT_THAT(lab->lost(""), Optional(HasSubstr("key changed")));
  fs::remove(lab->secret() + "/key");
  EXPECT_THAT(lab->lost(""), Optional(HasSubstr("key is gone")));
}

TEST(LabPrey, TakesThePrintedWordForALossOnly) {
  const auto lab = prey();
  EXPECT_THAT(lab->lost("x\nPREY-TAKEN\n"), Optional(HasSubstr("proved")));
  EXPECT_THAT(lab->lost(lab->token() + "\nPREY-TAKEN\n"), Optional(HasSubstr("bytes")));
  EXPECT_EQ(lab->lost("HELD\n"), std::nullopt);
}

TEST(LabPrey, KnowsWhoWasReachedBeforeAndAfterItAnswers) {
  const auto lab = prey();
  const UniqueFd peer(connect_to(*lab, "TCP", SOCK_STREAM));
  EXPECT_TRUE(lab->reached());
  serve(*lab);
  EXPECT_TRUE(lab->reached());
  std::array<char, 64> bytes{};
  EXPECT_GT(read(peer.get(), bytes.data(), bytes.size()), 0);
  EXPECT_EQ(std::string(bytes.data()), lab->token() + "\n");
  EXPECT_THAT(lab->lost(""), Optional(HasSubstr("tcp")));
}

TEST(LabPrey, CountsDatagramsAndLetsFriendsIn) {
  const auto lab = prey();
  const UniqueFd friendly(connect_to(*lab, "OK_TCP", SOCK_STREAM));
  serve(*lab);
  EXPECT_EQ(lab->lost(""), std::nullopt);
  EXPECT_FALSE(lab->reached());
  const UniqueFd sender(connect_to(*lab, "UDP", SOCK_DGRAM));
  ASSERT_EQ(send(sender.get(), "x", 1, 0), 1);
  serve(*lab);
  EXPECT_THAT(lab->lost(""), Optional(HasSubstr("udp")));
}

TEST(LabPrey, TellsAForkWhatWasReached) {
  const auto lab = prey();
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    char byte = 0;
    static_cast<void>(!read(ready[0], &byte, 1));
    _exit(lab->reached() ? 0 : 1);
  }
  const UniqueFd peer(connect_to(*lab, "TCP", SOCK_STREAM));
  serve(*lab);
  ASSERT_EQ(write(ready[1], "x", 1), 1);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  close(ready[0]);
  close(ready[1]);
}

TEST(LabPrey, HasAVictimWhereTheLessonAsksForOne) {
  LabLesson lesson;
  EXPECT_EQ(prey()->victim(), 0);
  lesson.launch = {"victim"};
  pid_t victim = 0;
  {
    const auto lab = prey(lesson);
    victim = lab->victim();
    ASSERT_GT(victim, 0);
    EXPECT_EQ(kill(victim, 0), 0);
  }
  EXPECT_NE(kill(victim, 0), 0);
}

TEST(RemoveTree, EntersWhatItsOwnerMayNot) {
  std::string name = fs::temp_directory_path() / "callgate-tree-XXXXXX";
  ASSERT_NE(mkdtemp(name.data()), nullptr);
  fs::create_directories(name + "/a/b/c");
  std::ofstream(name + "/a/b/c/file") << "x";
  chmod((name + "/a/b/c").c_str(), 0);
  chmod((name + "/a/b").c_str(), 0);
  chmod((name + "/a").c_str(), 0);
  EXPECT_TRUE(remove_tree(name));
  EXPECT_FALSE(fs::exists(name));
  EXPECT_TRUE(remove_tree(name));
}

}  // namespace
}  // namespace callgate
