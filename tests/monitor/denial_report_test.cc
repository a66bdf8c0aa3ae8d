#include "monitor/denial_report.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstring>

#include "arch/unique_fd.h"

namespace callgate {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const Statement kRule{{"pdf.policy", 2, 1}, "path deny /etc/passwd"};

Event denial(const std::string& real, const std::string& asked = {}) {
  Event event;
  event.time_ns = 1'000'000'000;
  event.pid = event.tid = 1234;
  event.executable = std::make_shared<const std::string>("/usr/bin/cat");
  event.call = "openat";
  event.kind = Event::Kind::Path;
  event.operation = "read";
  event.objects.push_back({asked.empty() ? real : asked, real, {}});
  event.verdict = Verdict::Deny;
  event.rule = &kRule;
  event.result = -EACCES;
  return event;
}

Event connection(const std::string& operation, const std::string& endpoint) {
  Event event = denial(endpoint);
  event.kind = Event::Kind::Network;
  event.operation = operation;
  event.rule = nullptr;
  return event;
}

// A pipe, and what was written into it so far.
struct Pipe {
  UniqueFd reader;
  UniqueFd writer;
  Pipe() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) std::abort();
    reader.reset(ends[0]);
    writer.reset(ends[1]);
    fcntl(reader.get(), F_SETFL, O_NONBLOCK);
    fcntl(writer.get(), F_SETPIPE_SZ, 1 << 20);
  }
  std::string drain() const {
    std::string out;
    std::array<char, 65536> buffer{};
    for (;;) {
      const ssize_t count = read(reader.get(), buffer.data(), buffer.size());
      if (count <= 0) return out;
      out.append(buffer.data(), static_cast<size_t>(count));
    }
  }
};

size_t lines(const std::string& text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

TEST(DenialText, SaysWhatWasDeniedByWhichRuleAndWhatWouldAllowIt) {
  EXPECT_EQ(denial_text(denial("/etc/passwd", "me")),
            "callgate: denied read of /etc/passwd (asked for as \"me\") to cat[1234]\n"
            "callgate:   by pdf.policy:2: path deny /etc/passwd; to allow: path allow read "
            "/etc/passwd\n");
}

TEST(DenialText, SaysThatNothingMatched) {
  Event event = denial("/home/a b/x");
  event.rule = nullptr;
  EXPECT_EQ(denial_text(event),
            "callgate: denied read of /home/a b/x to cat[1234]\n"
            "callgate:   no statement matches it, and what nothing matches is denied; to allow: "
            "path allow read /home/a\\ b/x\n");
}

TEST(DenialText, OffersNoStatementForWhatCallgateRefusesItself) {
  Event event = denial("/etc/passwd");
  event.rule = nullptr;
  event.reason = "unreadable memory";
  EXPECT_THAT(denial_text(event), EndsWith("callgate:   by callgate itself: unreadable memory\n"));
}

TEST(DenialText, NamesBothObjectsOfARename) {
  Event event = denial("/tmp/a");
  event.operation = "delete,create";
  event.objects.push_back({"b", "/tmp/b", {}});
  EXPECT_THAT(denial_text(event), HasSubstr("of /tmp/a -> /tmp/b (asked for as \"b\") to"));
  EXPECT_THAT(denial_text(event), HasSubstr("to allow: path allow delete,create /tmp/a /tmp/b\n"));
}

TEST(DenialText, SaysWhatANewNameWouldGrantAndOffersItForTheOldOne) {
  Event event = denial("/a/f");
  event.operation = "create";
  event.objects.push_back({"/b/f", "/b/f", {}});
  event.reason = "the new name would grant read, which the old one does not";
  event.remedy = "path allow read /a/f";
  EXPECT_THAT(denial_text(event),
              EndsWith(" (the new name would grant read, which the old one does not); to allow: "
                       "path allow read /a/f\n"));
}

TEST(DenialText, SaysSocketsInTheWordsOfTheLanguage) {
  EXPECT_EQ(allowing_statement(connection("tcp connect", "1.2.3.4:80")),
            "network allow tcp connect 1.2.3.4:80");
  EXPECT_EQ(allowing_statement(connection("tcp connect", "[::1]:80")),
            "network allow tcp connect [::1]:80");
  EXPECT_EQ(allowing_statement(connection("tcp connect", "[fe80::1%2]:80")),
            "network allow tcp connect [fe80::1]:80");
  EXPECT_EQ(allowing_statement(connection("unix connect", "unix:/run/a*b")),
            "network allow unix connect /run/a\\*b");
  EXPECT_EQ(allowing_statement(connection("unix connect", "unix:@bus")),
            "network allow unix connect @bus");
  Event create = connection("tcp create", "");
  create.objects.clear();
  EXPECT_EQ(allowing_statement(create), "network allow tcp create");
  EXPECT_THAT(denial_text(create), StartsWith("callgate: denied tcp create to cat[1234]\n"));
}

TEST(DenialText, SaysThatAProgramIsKilled) {
  Event event = denial("/etc/passwd");
  event.verdict = Verdict::Kill;
  EXPECT_THAT(denial_text(event),
              StartsWith("callgate: killed for read of /etc/passwd: cat[1234]"));
}

TEST(DenialText, LetsNoForeignByteThrough) {
  Event event = denial("/tmp/\n\x1b]0;x\x07\xe2\x80\xae\"", "\rcallgate: ALLOW");
  event.executable = std::make_shared<const std::string>("/tmp/e\nvil");
  const std::string text = denial_text(event);
  EXPECT_EQ(lines(text), 2u);
  for (const char c : text) EXPECT_TRUE(c == '\n' || (c >= 0x20 && c <= 0x7e)) << int{c};
}

TEST(DenialText, FitsOnePipeBufferWhateverTheNames) {
  Event event = denial("/" + std::string(4000, '\n'), std::string(4000, '\x01'));
  event.objects.push_back(event.objects[0]);
  const Statement long_rule{{std::string(60, 'f'), 1, 1}, std::string(60000, '\xff')};
  event.rule = &long_rule;
  EXPECT_LE(denial_text(event).size(), 4096u);
  EXPECT_THAT(denial_text(event), HasSubstr(" bytes)"));
}

TEST(DenialReport, SaysADenialOnceAndCountsTheRest) {
  const Pipe pipe;
  DenialReport report(pipe.writer.get());
  for (int i = 0; i < 5; ++i) report.on_event(denial("/etc/passwd"));
  EXPECT_EQ(lines(pipe.drain()), 2u);
  report.on_event(denial("/etc/shadow"));
  EXPECT_EQ(lines(pipe.drain()), 2u);
  report.on_finish();
  EXPECT_EQ(pipe.drain(), "callgate: 6 denials in all: 2 said above, 4 repeats\n");
}

TEST(DenialReport, AnotherProgramIsAnotherDenial) {
  const Pipe pipe;
  DenialReport report(pipe.writer.get());
  report.on_event(denial("/etc/passwd"));
  Event other = denial("/etc/passwd");
  other.executable = std::make_shared<const std::string>("/usr/bin/tac");
  report.on_event(other);
  Event write = denial("/etc/passwd");
  write.operation = "write";
  report.on_event(write);
  EXPECT_EQ(lines(pipe.drain()), 6u);
  report.on_finish();
  EXPECT_EQ(pipe.drain(), "");
}

TEST(DenialReport, SaysAllowedCallsOnlyWhereTheStatementLogs) {
  const Pipe pipe;
  DenialReport report(pipe.writer.get());
  Event event = denial("/etc/hosts");
  event.verdict = Verdict::Allow;
  report.on_event(event);
  EXPECT_EQ(pipe.drain(), "");
  event.log = true;
  report.on_event(event);
  const std::string text = pipe.drain();
  EXPECT_THAT(text, StartsWith("callgate: allowed read of /etc/hosts to cat[1234]\n"));
  EXPECT_THAT(text, Not(HasSubstr("to allow")));
  report.on_finish();
  EXPECT_EQ(pipe.drain(), "");
}

TEST(DenialReport, LimitsItsOutputByTheEventsOwnTime) {
  const Pipe pipe;
  DenialReport report(pipe.writer.get(), {.burst = 10, .per_second = 20});
  for (int i = 0; i < 100; ++i) report.on_event(denial("/x/" + std::to_string(i)));
  EXPECT_EQ(lines(pipe.drain()), 20u);
  Event later = denial("/later");
  later.time_ns += 1'000'000'000;
  report.on_event(later);
  EXPECT_THAT(pipe.drain(), HasSubstr("/later"));
  report.on_finish();
  EXPECT_EQ(pipe.drain(),
            "callgate: 101 denials in all: 11 said above, 90 others not said; --log FILE records "
            "every one\n");
}

TEST(DenialReport, RemembersABoundedNumber) {
  const Pipe pipe;
  DenialReport report(pipe.writer.get(), {.distinct = 3, .burst = 1000});
  for (int i = 0; i < 10; ++i) report.on_event(denial("/x/" + std::to_string(i)));
  EXPECT_EQ(lines(pipe.drain()), 6u);
  EXPECT_EQ(report.denials(), 10u);
}

TEST(DenialReport, OutlivesAReaderThatWentAway) {
  Pipe pipe;
  pipe.reader.reset();
  DenialReport report(pipe.writer.get());
  report.on_event(denial("/etc/passwd"));  // SIGPIPE would end this test
  report.on_finish();
  EXPECT_EQ(report.denials(), 1u);
}

TEST(DenialReport, DoesNotWaitForAReaderThatSleeps) {
  const Pipe pipe;
  fcntl(pipe.writer.get(), F_SETPIPE_SZ, 4096);
  fcntl(pipe.writer.get(), F_SETFL, O_NONBLOCK);
  const std::string full(65536, 'x');
  while (write(pipe.writer.get(), full.data(), full.size()) > 0) {
  }
  fcntl(pipe.writer.get(), F_SETFL, 0);
  DenialReport report(pipe.writer.get());
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 50; ++i) report.on_event(denial("/x/" + std::to_string(i)));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
  pipe.drain();
  report.on_finish();
  EXPECT_THAT(pipe.drain(), HasSubstr("50 denials in all: 0 said above, 50 others not said (50 for "
                                      "want of a reader)"));
}

}  // namespace
}  // namespace callgate
