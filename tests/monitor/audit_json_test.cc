#include "monitor/audit_json.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace callgate {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

const Statement kRule{{"pdf.policy", 2, 1}, "path deny /etc/passwd"};

struct Folder {
  fs::path path;
  Folder() {
    std::string name = fs::temp_directory_path() / "callgate-json-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) std::abort();
    path = name;
  }
  ~Folder() { fs::remove_all(path); }
};

Event sample() {
  Event event;
  event.time_ns = 1'700'000'000'000'000'042;
  event.tid = 7;
  event.pid = 6;
  event.parent = 5;
  event.executable = std::make_shared<const std::string>("/usr/bin/cat");
  event.call = "openat";
  event.abi = Abi::I386;
  event.instruction_pointer = 0x1f00;
  event.call_site = "libc.so.6+0x10f2b3 syscall";
  event.kind = Event::Kind::Path;
  event.operation = "read";
  event.objects.push_back({"me", "/etc/passwd", {"/tmp/me"}});
  event.verdict = Verdict::Deny;
  event.rule = &kRule;
  event.result = -EACCES;
  return event;
}

std::vector<json> records(const fs::path& file) {
  std::vector<json> out;
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    if (!line.empty()) out.push_back(json::parse(line));
  }
  return out;
}

TEST(AuditJson, RecordsEveryFieldOfAnEvent) {
  const json record = json::parse(audit_record(sample()));
  EXPECT_EQ(record, json::parse(R"({"type":"event","time":"2023-11-14T22:13:20.000000042Z",
      "pid":6,"tid":7,"parent":5,"executable":"/usr/bin/cat","call":"openat","abi":"i386",
      "ip":"0x1f00","call_site":"libc.so.6+0x10f2b3 syscall","kind":"path","operation":"read",
      "objects":[{"asked":"me","real":"/etc/passwd","links":[{"name":"/tmp/me"}]}],
      "verdict":"deny","rule":{"where":"pdf.policy:2","text":"path deny /etc/passwd"},
      "result":-13,"errno":"EACCES"})"));
}

TEST(AuditJson, GivesTheBytesOfEveryNameThatIsNotPlain) {
  Event event = sample();
  event.objects = {{"\xff\n", "/tmp/\xc3\xa9", {"/tmp/a\"b"}}};
  const std::string text = audit_record(event);
  for (const char c : text) EXPECT_TRUE(c >= 0x20 && c <= 0x7e) << int{c};
  const json object = json::parse(text)["objects"][0];
  EXPECT_EQ(object["asked"], "\\xff\\n");
  EXPECT_EQ(object["asked_hex"], "ff0a");
  EXPECT_EQ(object["real"], "/tmp/\\xc3\\xa9");
  EXPECT_EQ(object["real_hex"], "2f746d702fc3a9");
  EXPECT_EQ(object["links"][0]["name"], "/tmp/a\\\"b");
  EXPECT_EQ(object["links"][0]["name_hex"], "2f746d702f612262");
}

TEST(AuditJson, TellsAnEscapedNameFromANameThatLooksEscaped) {
  Event one = sample();
  one.objects = {{"\n", "", {}}};
  Event two = sample();
  two.objects = {{"\\n", "", {}}};
  EXPECT_NE(audit_record(one), audit_record(two));
  EXPECT_EQ(json::parse(audit_record(two))["objects"][0]["asked_hex"], "5c6e");
  EXPECT_TRUE(json::parse(audit_record(two))["objects"][0]["real"].is_null());
}

TEST(AuditJson, NamesErrorsAndLeavesValuesAlone) {
  EXPECT_EQ(errno_name(-ENOENT), "ENOENT");
  EXPECT_EQ(errno_name(-512), "ERESTARTSYS");
  EXPECT_EQ(errno_name(3), "");
  EXPECT_EQ(errno_name(-4096), "");
  EXPECT_EQ(errno_name(int64_t{0x7f0000000000}), "");
}

TEST(AuditJson, FramesTheRecordsWithHeaderAndExactSummary) {
  const Folder folder;
  const fs::path file = folder.path / "log";
  {
    AuditJson sink(*open_log(file, LogMode::Replace), {.name = "log", .argv = {"cat", "\xff"}});
    sink.on_event(sample());
    Event allowed = sample();
    allowed.verdict = Verdict::Allow;
    allowed.would_deny = true;
    allowed.lookup_failed = true;
    sink.on_event(allowed);
    ProcessEvent started;
    started.pid = 9;
    sink.on_process(started);
    ProcessEvent executed;
    executed.kind = ProcessEvent::Kind::Executed;
    executed.pid = 9;
    executed.executable = "/bin/x";
    executed.argv = {"x", "y"};
    sink.on_process(executed);
    ProcessEvent exited;
    exited.pid = 9;
    exited.kind = ProcessEvent::Kind::Exited;
    exited.wait_status = 3 << 8;
    sink.on_process(exited);
    sink.on_finish();
    EXPECT_TRUE(sink.healthy());
  }
  const auto all = records(file);
  ASSERT_EQ(all.size(), 7u);
  EXPECT_EQ(all[0]["schema"], "callgate-audit/1");
  EXPECT_EQ(all[0]["type"], "header");
  EXPECT_EQ(all[0]["argv"], json({"cat", "\\xff"}));
  EXPECT_EQ(all[0]["argv_hex"], json({"636174", "ff"}));
  EXPECT_EQ(all[2]["would_deny"], true);
  EXPECT_EQ(all[4]["argv"], json({"x", "y"}));
  EXPECT_EQ(all[5]["status"], 3);
  json summary = all[6];
  summary.erase("time");
  EXPECT_EQ(summary, json::parse(R"({"type":"summary","events":2,"allowed":1,"denied":1,"killed":0,
      "would_deny":1,"failed_lookups":1,"processes":1,"programs":1,"lost":0,
      "in_full":2,"unlisted_processes":0})"));
}

TEST(AuditJson, CountsWhatRepeatsUnderTheNumberOfItsRecords) {
  const Folder folder;
  const fs::path file = folder.path / "log";
  {
    AuditJson sink(*open_log(file, LogMode::Replace), {.limits = {.repeats = 2}});
    Event other = sample();
    other.objects[0].real = "/etc/shadow";
    for (int i = 0; i < 20; ++i) {
      Event event = sample();
      event.tid = i;  // another thread or moment is no other event
      event.time_ns += i;
      sink.on_event(event);
      if (i < 2) sink.on_event(other);
    }
    sink.on_finish();
  }
  const auto all = records(file);
  ASSERT_EQ(all.size(), 1u + 2 + 2 + 1 + 1);
  EXPECT_EQ(all[1]["id"], 1);
  EXPECT_EQ(all[2]["id"], 2);
  json repeat = all[5];
  EXPECT_EQ(repeat, json::parse(R"({"type":"repeat","id":1,"count":18,
      "first":"2023-11-14T22:13:20.000000044Z","last":"2023-11-14T22:13:20.000000061Z"})"));
  EXPECT_EQ(all[6]["events"], 22);
  EXPECT_EQ(all[6]["in_full"], 4);
}

TEST(OpenLog, FollowsNoSymlink) {
  const Folder folder;
  fs::create_symlink(folder.path / "elsewhere", folder.path / "log");
  const auto fd = open_log(folder.path / "log", LogMode::Append);
  ASSERT_FALSE(fd.ok());
  EXPECT_EQ(fd.error().code, ELOOP);
  EXPECT_FALSE(fs::exists(folder.path / "elsewhere"));
}

TEST(OpenLog, IsClosedOnExecAndReadableByItsOwnerOnly) {
  const Folder folder;
  const auto fd = open_log(folder.path / "log", LogMode::Append);
  ASSERT_TRUE(fd.ok());
  EXPECT_EQ(fcntl(fd->get(), F_GETFD), FD_CLOEXEC);
  struct stat info {};
  ASSERT_EQ(fstat(fd->get(), &info), 0);
  EXPECT_EQ(info.st_mode & 077, 0u);
  const auto copy = open_log("/dev/fd/" + std::to_string(fd->get()), LogMode::Append);
  ASSERT_TRUE(copy.ok());
  EXPECT_NE(copy->get(), fd->get());
}

TEST(OpenLog, AppendsOrReplacesAndNeverJoinsATornLine) {
  const Folder folder;
  const fs::path file = folder.path / "log";
  std::ofstream(file) << "{\"torn\":";
  { AuditJson sink(*open_log(file, LogMode::Append), {}); }
  std::ifstream stream(file);
  std::string first;
  std::string second;
  std::getline(stream, first);
  std::getline(stream, second);
  EXPECT_EQ(first, "{\"torn\":");
  EXPECT_EQ(json::parse(second)["type"], "header");
  { AuditJson sink(*open_log(file, LogMode::Replace), {}); }
  EXPECT_EQ(records(file).size(), 1u);
}

struct Report {
  std::array<int, 2> ends{};
  Report() {
    if (pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) std::abort();
  }
  ~Report() {
    close(ends[0]);
    close(ends[1]);
  }
  [[nodiscard]] std::string text() const {
    std::array<char, 4096> buffer{};
    const ssize_t count = read(ends[0], buffer.data(), buffer.size());
    return count > 0 ? std::string(buffer.data(), static_cast<size_t>(count)) : "";
  }
};

TEST(AuditJson, SaysAFullDiskOnceAndIsNoLongerHealthy) {
  const Report report;
  AuditJson sink(UniqueFd(open("/dev/full", O_WRONLY | O_CLOEXEC)),
                 {.name = "x\ny", .on_failure = "stopping", .report_fd = report.ends[1]});
  EXPECT_FALSE(sink.healthy());
  sink.on_event(sample());
  sink.on_finish();
  EXPECT_EQ(report.text(),
            "callgate: cannot write the log x\\ny: No space left on device; stopping\n");
}

TEST(AuditJson, SurvivesAReaderThatWentAway) {
  const Report report;
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  AuditJson sink(UniqueFd(ends[1]), {.name = "pipe", .report_fd = report.ends[1]});
  EXPECT_TRUE(sink.healthy());
  close(ends[0]);
  sink.on_event(sample());
  EXPECT_FALSE(sink.healthy());
  EXPECT_THAT(report.text(), HasSubstr("Broken pipe"));
}

TEST(AuditJson, GivesUpOnAReaderThatSleeps) {
  const Report report;
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  fcntl(ends[1], F_SETPIPE_SZ, 4096);
  AuditJson sink(
      UniqueFd(ends[1]),
      {.name = "pipe", .report_fd = report.ends[1], .patience = std::chrono::milliseconds(20)});
  for (int i = 0; i < 100 && sink.healthy(); ++i) sink.on_event(sample());
  EXPECT_FALSE(sink.healthy());
  EXPECT_THAT(report.text(), HasSubstr("nobody reads it"));
  close(ends[0]);
}

}  // namespace
}  // namespace callgate
