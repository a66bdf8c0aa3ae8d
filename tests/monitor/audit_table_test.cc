#include "monitor/audit_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace callgate {
namespace {

using testing::HasSubstr;
using testing::Not;

Event touch(Event::Kind kind, const std::string& operation, const std::string& name,
            int64_t result = 3) {
  Event event;
  event.time_ns = 1;
  event.executable = std::make_shared<const std::string>("/usr/bin/cat");
  event.call = "openat";
  event.kind = kind;
  event.operation = operation;
  event.objects.push_back({name, name, {}});
  event.result = result;
  return event;
}

ProcessEvent process(ProcessEvent::Kind kind, pid_t pid, pid_t parent,
                     const std::string& executable = {}, int status = 0) {
  ProcessEvent event;
  event.kind = kind;
  event.pid = pid;
  event.parent = parent;
  event.executable = executable;
  event.wait_status = status;
  return event;
}

struct Table {
  std::string text;
  AuditTable sink;
  explicit Table(AuditTable::Settings settings = {})
      : sink([this](const std::string& written) { text += written; }, settings) {}
  std::string finish() {
    sink.on_finish();
    return text;
  }
};

constexpr auto kPath = Event::Kind::Path;

TEST(AuditTable, CountsFilesByOperationWithTheirResults) {
  Table table;
  for (int i = 0; i < 3; ++i) table.sink.on_event(touch(kPath, "read", "/b"));
  table.sink.on_event(touch(kPath, "read", "/a", -EACCES));
  table.sink.on_event(touch(kPath, "read", "/b", -EMFILE));
  table.sink.on_event(touch(kPath, "write", "/b"));
  EXPECT_THAT(table.finish(), HasSubstr("\nFILES\n"
                                        "  OPERATION    COUNT  RESULT          NAME\n"
                                        "  read             1  EACCES          /a\n"
                                        "  read             4  3 ok, 1 EMFILE  /b\n"
                                        "  write            1  ok              /b\n"));
}

TEST(AuditTable, KeepsFailedLookupsApart) {
  Table table;
  Event event = touch(kPath, "read", "/nowhere", -ENOENT);
  event.lookup_failed = true;
  table.sink.on_event(event);
  const std::string text = table.finish();
  EXPECT_THAT(text, Not(HasSubstr("\nFILES\n")));
  EXPECT_THAT(text, HasSubstr("\nLOOKED FOR AND NOT FOUND\n"
                              "  OPERATION    COUNT  RESULT  NAME\n"
                              "  read             1  ENOENT  /nowhere\n"));
}

TEST(AuditTable, ShowsSocketsAndSignals) {
  Table table;
  table.sink.on_event(touch(Event::Kind::Network, "tcp connect", "1.2.3.4:80", -ECONNREFUSED));
  table.sink.on_event(touch(Event::Kind::Signal, "signal 9", "pid 12", 0));
  const std::string text = table.finish();
  EXPECT_THAT(text, HasSubstr("  tcp connect        1  ECONNREFUSED  1.2.3.4:80\n"));
  EXPECT_THAT(text, HasSubstr("  signal 9         1  ok      pid 12\n"));
}

TEST(AuditTable, DrawsProgramsAsATree) {
  using Kind = ProcessEvent::Kind;
  Table table;
  table.sink.on_process(process(Kind::Started, 10, 1));
  ProcessEvent shell = process(Kind::Executed, 10, 1, "/usr/bin/bash");
  shell.argv = {"sh", "-c", "ls; true"};
  table.sink.on_process(shell);
  table.sink.on_process(process(Kind::Started, 11, 10));
  ProcessEvent list = process(Kind::Executed, 11, 10, "/usr/bin/ls");
  list.argv = {"ls", "a\nb"};
  table.sink.on_process(list);
  table.sink.on_process(process(Kind::Exited, 11, 10, {}, 2 << 8));
  table.sink.on_process(process(Kind::Started, 11, 10));  // the number is used again
  table.sink.on_process(process(Kind::Exited, 11, 10, {}, 9));
  table.sink.on_process(process(Kind::Exited, 10, 1, {}, 0));
  std::istringstream lines(table.finish());
  std::vector<std::string> found;
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(line.size(), 100u);
    std::string squeezed;
    for (const char c : line) {
      if (c != ' ' || squeezed.empty() || squeezed.back() != ' ') squeezed += c;
    }
    found.push_back(squeezed);
  }
  EXPECT_THAT(found,
              testing::ElementsAre("callgate audit: 2 programs, 3 processes, 0 calls in 0.00 s", "",
                                   "PROGRAMS", " 10 /usr/bin/bash as sh -c \"ls; true\" exit 0",
                                   " 11 /usr/bin/ls \"a\\nb\" exit 2",
                                   " 11 (no program of its own) SIGKILL"));
}

TEST(AuditTable, SaysWhatThePolicyWouldHaveDeniedAndWhy) {
  const Statement rule{{"p.policy", 7, 1}, "path deny /etc/*"};
  Table table({.with_policy = true});
  for (int i = 0; i < 2; ++i) {
    Event event = touch(kPath, "read", "/etc/passwd");
    event.would_deny = true;
    event.rule = &rule;
    table.sink.on_event(event);
  }
  const std::string text = table.finish();
  EXPECT_THAT(text, HasSubstr("; 2 would be denied\n"));
  EXPECT_THAT(text, HasSubstr("\nWOULD HAVE BEEN DENIED\n"
                              "  COUNT  OPERATION AND OBJECT\n"
                              "      2  read /etc/passwd\n"
                              "         by p.policy:7: path deny /etc/*\n"
                              "         to allow: path allow read /etc/passwd\n"));
}

TEST(AuditTable, SaysThatAPolicyAllowsEverything) {
  Table table({.with_policy = true});
  table.sink.on_event(touch(kPath, "read", "/a"));
  EXPECT_THAT(table.finish(), HasSubstr("nothing: the policy allows all of this"));
}

TEST(AuditTable, RemembersABoundedNumberOfObjects) {
  Table table({.distinct = 2});
  for (int i = 0; i < 5; ++i) table.sink.on_event(touch(kPath, "read", "/" + std::to_string(i)));
  table.sink.on_event(touch(kPath, "read", "/0"));
  const std::string text = table.finish();
  EXPECT_THAT(text, HasSubstr("6 calls"));
  EXPECT_THAT(text, HasSubstr("  and 3 more calls on objects beyond the 2 remembered\n"));
}

TEST(AuditTable, LetsNoForeignByteThrough) {
  Table table({.with_policy = true});
  Event event = touch(kPath, "read", "/tmp/\x1b[2J\nFILES\xe2\x80\xae");
  event.would_deny = true;
  table.sink.on_event(event);
  ProcessEvent exec = process(ProcessEvent::Kind::Executed, 1, 0, "/tmp/\xff\n");
  exec.argv = {"\x1b", "\n"};
  table.sink.on_process(exec);
  for (const char c : table.finish()) EXPECT_TRUE(c == '\n' || (c >= 0x20 && c <= 0x7e)) << int{c};
}

struct Sick : EventSink {
  bool well = true;
  int* seen;
  explicit Sick(int* count) : seen(count) {}
  void on_event(const Event&) override { ++*seen; }
  void on_process(const ProcessEvent&) override { ++*seen; }
  [[nodiscard]] bool healthy() const override { return well; }
  void on_finish() override { ++*seen; }
};

TEST(MultiSink, HandsEverythingOnAndIsAsHealthyAsTheSickest) {
  int seen = 0;
  MultiSink sink;
  auto first = std::make_unique<Sick>(&seen);
  Sick* sick = first.get();
  sink.add(std::move(first));
  sink.add(std::make_unique<Sick>(&seen));
  sink.on_event({});
  sink.on_process({});
  sink.on_finish();
  EXPECT_EQ(seen, 6);
  EXPECT_TRUE(sink.healthy());
  sick->well = false;
  EXPECT_FALSE(sink.healthy());
}

}  // namespace
}  // namespace callgate
