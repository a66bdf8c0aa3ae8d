#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "monitor/cli/command.h"
#include "monitor/cli/doctor_probe.h"
#include "monitor/cli/options.h"
#include "monitor/cli/program_run.h"
#include "monitor/cli/question.h"
#include "monitor/policy_world.h"

namespace callgate::cli {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Words = std::vector<std::string>;

Options options(const char* command, const Words& words) {
  auto parsed = parse_options(*find_command(command), words);
  if (auto* error = std::get_if<UsageError>(&parsed)) {
    ADD_FAILURE() << error->message;
    return {};
  }
  return std::get<Options>(parsed);
}

std::string mistake(const char* command, const Words& words) {
  auto parsed = parse_options(*find_command(command), words);
  auto* error = std::get_if<UsageError>(&parsed);
  return error == nullptr ? "" : error->message;
}

TEST(Options, StandBeforeTheProgramOnly) {
  const Options parsed = options("run", {"--policy", "x", "prog", "-l", "--policy", "y", "--"});
  EXPECT_THAT(parsed.values("policy"), ElementsAre("x"));
  EXPECT_THAT(parsed.words(), ElementsAre("prog", "-l", "--policy", "y", "--"));
}

TEST(Options, EndAtTwoDashes) {
  const Options parsed = options("run", {"-p", "x", "--quiet", "--", "-odd-name", "--help"});
  EXPECT_THAT(parsed.words(), ElementsAre("-odd-name", "--help"));
  EXPECT_TRUE(parsed.has("quiet"));
  EXPECT_FALSE(parsed.has("help"));
}

TEST(Options, AreAcceptedInEveryUsualForm) {
  const Options parsed = options("run", {"-pa", "-p", "b", "--policy=c", "--policy", "d", "p"});
  EXPECT_THAT(parsed.values("policy"), ElementsAre("a", "b", "c", "d"));
}

TEST(Options, KeepAValueAsItIs) {
  const Options parsed = options("run", {"--log", "-", "--policy", "--quiet", "p"});
  EXPECT_EQ(parsed.value("log"), "-");
  EXPECT_THAT(parsed.values("policy"), ElementsAre("--quiet"));
  EXPECT_EQ(parsed.value("model", "sealed"), "sealed");
}

TEST(Options, SuggestWhatWasMeant) {
  EXPECT_EQ(mistake("run", {"--polcy", "x"}), "unknown option --polcy; did you mean --policy?");
  EXPECT_EQ(mistake("run", {"--pol", "x"}), "unknown option --pol; did you mean --policy?");
  EXPECT_EQ(mistake("run", {"--zzzz"}), "unknown option --zzzz");
  EXPECT_EQ(mistake("run", {"-z"}), "unknown option '-z'");
  EXPECT_EQ(mistake("run", {"--\x1b[2J"}), "unknown option --\\x1b[2J");
}

TEST(Options, SayWhatIsMissingOrTooMuch) {
  EXPECT_THAT(mistake("run", {"--policy"}), HasSubstr("needs a value: FILE|PROFILE"));
  EXPECT_THAT(mistake("run", {"--log", "--", "x"}), HasSubstr("needs a value"));
  EXPECT_EQ(mistake("run", {"--quiet=yes"}), "--quiet takes no value");
  EXPECT_EQ(mistake("run", {"--log", "a", "--log", "b"}), "--log is given twice");
  EXPECT_EQ(mistake("run", {"-qp"}), "'-qp': -q stands alone");
}

TEST(Options, OfQuestionsMayStandAnywhere) {
  const Options parsed = options("check", {"a.policy", "--show", "b.policy"});
  EXPECT_THAT(parsed.words(), ElementsAre("a.policy", "b.policy"));
  EXPECT_TRUE(parsed.has("show"));
}

struct Said {
  int status = 0;
  std::string out;
  std::string err;
};

// callgate with these words, in a child: what it says on both streams, and its status.
Said callgate(const Words& words) {
  std::string name = fs::temp_directory_path() / "callgate-cli-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) std::abort();
  const pid_t child = fork();
  if (child == 0) {
    if (freopen((name + "/out").c_str(), "w", stdout) == nullptr ||
        freopen((name + "/err").c_str(), "w", stderr) == nullptr) {
      _exit(99);
    }
    _exit(command_main(words));
  }
  int status = 0;
  waitpid(child, &status, 0);
  const auto text = [&](const char* file) {
    std::ifstream stream(name + file);
    return std::string(std::istreambuf_iterator<char>(stream), {});
  };
  Said said{WIFEXITED(status) ? WEXITSTATUS(status) : -1, text("/out"), text("/err")};
  fs::remove_all(name);
  return said;
}

struct PolicyFile {
  std::string path;
  explicit PolicyFile(const std::string& text) {
    path = fs::temp_directory_path() / ("callgate-cli-" + std::to_string(getpid()) + ".policy");
    std::ofstream(path) << text;
  }
  ~PolicyFile() { fs::remove(path); }
};

constexpr const char* kThreeLines = "path allow /tmp/*\npath deny /etc/passwd\nnetwork deny all\n";

TEST(Callgate, TeachesEveryCommand) {
  EXPECT_EQ(callgate({"--version"}).out, "callgate " CALLGATE_VERSION "\n");
  const Said overview = callgate({"help"});
  EXPECT_EQ(overview.status, 0);
  for (const Command& command : commands()) {
    EXPECT_THAT(overview.out, HasSubstr(std::string("\n  ") + command.name + " "));
    const Said help = callgate({"help", command.name});
    EXPECT_EQ(help.status, 0);
    EXPECT_THAT(help.out, HasSubstr("Examples:\n"));
    EXPECT_EQ(callgate({command.name, "--help"}).out, help.out);
    std::istringstream lines(help.out);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100u) << line;
  }
}

TEST(Callgate, SuggestsACommand) {
  const Said said = callgate({"rnu"});
  EXPECT_EQ(said.status, kOwnFailure);
  EXPECT_THAT(said.err, HasSubstr("unknown command 'rnu'; did you mean run?"));
  EXPECT_THAT(callgate({"\x1b[2J"}).err, HasSubstr("'\\x1b[2J'"));
}

TEST(Callgate, TeachesAPolicyWhenRunHasNone) {
  const Said said = callgate({"run", "ls"});
  EXPECT_EQ(said.status, kOwnFailure);
  EXPECT_THAT(said.err, HasSubstr("    path allow /tmp/*\n    path deny /etc/passwd\n"));
}

TEST(Callgate, StartsNothingUnderAPolicyWithAMistake) {
  const PolicyFile policy("path alow /x\n");
  const std::string trace = policy.path + ".ran";
  const Said said = callgate({"run", "-p", policy.path, "--", "touch", trace});
  EXPECT_EQ(said.status, kOwnFailure);
  EXPECT_THAT(said.err, HasSubstr(":1:6: "));
  EXPECT_FALSE(fs::exists(trace));
}

TEST(Callgate, ChecksAPolicy) {
  const PolicyFile policy(kThreeLines);
  const Said said = callgate({"check", policy.path});
  EXPECT_EQ(said.status, 0);
  EXPECT_THAT(said.out, HasSubstr("OK: 3 statements\n"));
  EXPECT_THAT(said.out, HasSubstr(" openat "));
  const PolicyFile bad("path\n");
  EXPECT_EQ(callgate({"check", bad.path}).status, 1);
  EXPECT_EQ(callgate({"check"}).status, kQuestionUsage);
}

TEST(Callgate, ExplainsWhoDecides) {
  const PolicyFile policy("path allow read /etc/**\npath deny /etc/passwd\nnetwork deny all\n");
  const Said denied = callgate({"explain", policy.path, "read", "/etc/../etc/passwd"});
  EXPECT_EQ(denied.status, 1);
  EXPECT_THAT(denied.out, HasSubstr(":1: path allow read /etc/**\n"));
  EXPECT_THAT(denied.out, HasSubstr(":2: path deny /etc/passwd\n"));
  EXPECT_THAT(denied.out, HasSubstr("('/etc/../etc/passwd' is /etc/passwd)"));
  EXPECT_THAT(denied.out, HasSubstr("denied with EACCES"));
  EXPECT_EQ(callgate({"explain", policy.path, "read", "/etc/hostname"}).status, 0);
  EXPECT_EQ(callgate({"explain", "-p", policy.path, "read", "/etc/hostname"}).status, 0);
  EXPECT_EQ(callgate({"explain", policy.path, "tcp", "connect", "1.2.3.4:80"}).status, 1);
  EXPECT_EQ(callgate({"explain", policy.path, "signal", "inside"}).status, 0);
  EXPECT_EQ(callgate({"explain", policy.path, "signal", "outside"}).status, 1);
  EXPECT_EQ(callgate({"explain", policy.path, "raed", "/x"}).status, kQuestionUsage);
  EXPECT_EQ(callgate({"explain", policy.path}).status, kQuestionUsage);
}

TEST(ExitStatus, IsTheProgramsOwnAndSoIsADeathByASignal) {
  SessionOptions session;
  session.argv = {"prog"};
  const auto ended = [&](int wait_status) {
    return exit_status(session, SessionResult{true, wait_status, 0, {}});
  };
  const auto failed = [&](int error) {
    return exit_status(session, SessionResult{false, 0, error, "no"});
  };
  EXPECT_EQ(ended(7 << 8), 7);
  EXPECT_EXIT(ended(SIGKILL), testing::KilledBySignal(SIGKILL), "");
  EXPECT_EXIT(ended(SIGSEGV | 0x80), testing::KilledBySignal(SIGSEGV), "");
  EXPECT_EQ(failed(ENOENT), 127);
  EXPECT_EQ(failed(EACCES), 126);
  EXPECT_EQ(failed(ENOEXEC), 126);
  EXPECT_EQ(failed(0), 125);
}

TEST(Question, ReadsAddresses) {
  EXPECT_EQ(parse_address("1.2.3.4:80")->text(), "1.2.3.4:80");
  EXPECT_EQ(parse_address("[::1]:443")->text(), "[::1]:443");
  EXPECT_EQ(parse_address("::1")->text(), "[::1]:0");
  EXPECT_EQ(parse_address("[::ffff:1.2.3.4]:5")->text(), "1.2.3.4:5");
  for (const char* bad : {"", ":80", "1.2.3.4:", "1.2.3.4:70000", "1.2.3.4:8x", "[::1", "[::1]80",
                          "1.2.3:4", "host:80"}) {
    EXPECT_FALSE(parse_address(bad)) << bad;
  }
}

TEST(Question, ReadsNamesRelativeToHere) {
  RealWorld world;
  const std::string here = fs::canonical(fs::current_path());
  const std::string slash = here == "/" ? "" : here;
  EXPECT_EQ(resolve_name("nonexistent-x", world).name, slash + "/nonexistent-x");
  EXPECT_EQ(resolve_name("/nonexistent-x/../y/./z", world).name, "/y/z");
  EXPECT_EQ(resolve_name("/proc/self/status", world).name, "/proc/self/status");
  EXPECT_THAT(resolve_name("/", world).note, IsEmpty());
}

TEST(Doctor, FindsThatThisHostCanRunTheTests) {
  for (const Finding& finding : probe_tracing()) {
    EXPECT_EQ(finding.state, Finding::State::Fine) << finding.what;
  }
  EXPECT_EQ(probe_argument_area().state, Finding::State::Fine) << probe_argument_area().what;
  EXPECT_EQ(probe_openat2().state, Finding::State::Fine);
  EXPECT_EQ(probe_proc().state, Finding::State::Fine);
}

}  // namespace
}  // namespace callgate::cli
