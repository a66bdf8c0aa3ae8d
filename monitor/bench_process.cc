#include "monitor/bench_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "monitor/clock.h"
#include "monitor/escape.h"
#include "monitor/proc_files.h"

namespace callgate {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kPatienceNs = 300 * kSecond;

}  // namespace

BenchProcess::~BenchProcess() {
  if (pid_ <= 0) return;
  ::kill(-pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

Status BenchProcess::start(const std::vector<std::string>& argv, const std::string& directory) {
  messages_ = directory + "/messages";
  UniqueFd messages(::open(messages_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  if (!messages.valid() || pipe2(in.data(), O_CLOEXEC) != 0) return last_error();
  UniqueFd child_in(in[0]);
  to_.reset(in[1]);
  if (pipe2(out.data(), O_CLOEXEC) != 0) return last_error();
  from_.reset(out[0]);
  UniqueFd child_out(out[1]);
  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));  // NOLINT
  words.push_back(nullptr);

  started_ns_ = clock_ns(CLOCK_MONOTONIC);
  pid_ = fork();
  if (pid_ < 0) return last_error();
  if (pid_ == 0) {
    setpgid(0, 0);
    dup2(child_in.get(), STDIN_FILENO);
    dup2(child_out.get(), STDOUT_FILENO);
    dup2(messages.get(), STDERR_FILENO);
    if (::chdir(directory.c_str()) == 0) execvp(words[0], words.data());
    _exit(127);
  }
  setpgid(pid_, pid_);  // whichever of the two comes first
  return Unit{};
}

Result<bool> BenchProcess::read_more(int64_t deadline_ns) {
  const int64_t left = deadline_ns - clock_ns(CLOCK_MONOTONIC);
  pollfd ready{from_.get(), POLLIN, 0};
  const int answer = left <= 0 ? 0 : poll(&ready, 1, static_cast<int>(left / 1'000'000) + 1);
  if (answer < 0) return last_error();
  if (answer == 0) return Error{ETIME};
  std::array<char, 4096> bytes{};
  const ssize_t n = ::read(from_.get(), bytes.data(), bytes.size());
  if (n < 0) return last_error();
  output_.append(bytes.data(), static_cast<size_t>(n));
  return n > 0;
}

Result<std::string> BenchProcess::read_line() {
  const int64_t deadline = clock_ns(CLOCK_MONOTONIC) + kPatienceNs;
  size_t end = 0;
  while ((end = output_.find('\n')) == std::string::npos) {
    CALLGATE_TRY(const bool more, read_more(deadline));
    if (!more) return Error{EPIPE};
  }
  const std::string line = output_.substr(0, end);
  output_.erase(0, end + 1);
  return line;
}

Result<int> BenchProcess::finish() {
  to_.reset();
  const int64_t deadline = clock_ns(CLOCK_MONOTONIC) + kPatienceNs;
  for (;;) {
    auto more = read_more(deadline);
    if (!more.ok()) return more.error();  // the destructor kills it
    if (!*more) break;
  }
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0) {
    if (errno != EINTR) return last_error();
  }
  seconds_ = static_cast<double>(clock_ns(CLOCK_MONOTONIC) - started_ns_) / static_cast<double>(kSecond);
  pid_ = 0;
  return status;
}

std::string BenchProcess::explain(int status) const {
  std::string why = WIFSIGNALED(status) ? "killed by signal " + std::to_string(WTERMSIG(status))
                                        : "exit status " + std::to_string(WEXITSTATUS(status));
  auto said = read_whole_file(messages_);
  if (!said.ok() || said->empty()) return why;
  while (said->ends_with('\n')) said->pop_back();
  constexpr size_t kShown = 160;
  return why + ": " + escape(said->substr(said->rfind('\n') + 1), kShown);
}

}  // namespace callgate
