#include "monitor/bench_loop.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <climits>
#include <cstring>
#include <functional>

#include "arch/unique_fd.h"
#include "monitor/clock.h"

namespace callgate {
namespace {

constexpr const char* kFile = "bench-file";
constexpr const char* kLink = "bench-link";
constexpr int kBatch = 64;  // calls between two looks at the clock

constexpr std::array kLoops = {
    BenchLoop{"open", "open and close of an absolute name"},
    BenchLoop{"openat2",
              "the same by openat2 without symbolic links, the call callgate makes of it"},
    BenchLoop{"relative", "open and close of a relative name"},
    BenchLoop{"symlink", "open and close through a symbolic link"},
    BenchLoop{"missing", "open of a name that does not exist"},
    BenchLoop{"chmod", "chmod of an absolute name"},
    BenchLoop{"stat", "stat of an absolute name"},
    BenchLoop{"read", "read of one byte"},
    BenchLoop{"write", "write of one byte"},
    BenchLoop{"getpid", "getpid"},
    BenchLoop{"futex", "futex wake where nobody waits"},
    BenchLoop{"fork", "fork, exit and wait"},
    BenchLoop{"exec", "vfork and exec of /bin/true, and wait"},
};

// One call; its errno or 0.
using Call = std::function<int()>;

int opened(long fd) {
  if (fd < 0) return errno;
  ::close(static_cast<int>(fd));
  return 0;
}

int failed(long result) { return result < 0 ? errno : 0; }

int waited_for(pid_t child) {
  if (child < 0) return errno;
  int status = 0;
  if (waitpid(child, &status, 0) != child) return errno;
  return status == 0 ? 0 : ECHILD;
}

// Vforked, so that the size of this process is not what is measured.
pid_t run_true() {
  const char* argv[] = {"true", nullptr};
  const pid_t child = vfork();
  if (child == 0) {
    execv("/bin/true", const_cast<char**>(argv));  // NOLINT: execv's signature
    _exit(127);
  }
  return child;
}

pid_t fork_and_exit() {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  return child;
}

// A loop's call, with what it needs already there. EINVAL: no such loop.
Result<Call> make_call(const std::string& name) {
  std::array<char, PATH_MAX> here{};
  if (::getcwd(here.data(), here.size()) == nullptr) return last_error();
  const std::string file = std::string(here.data()) + "/" + kFile;
  const std::string link = std::string(here.data()) + "/" + kLink;
  UniqueFd made(::open(kFile, O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!made.valid()) return last_error();
  if (::symlink(kFile, kLink) != 0 && errno != EEXIST) return last_error();

  if (name == "open") return Call([file] { return opened(::open(file.c_str(), O_RDONLY)); });
  if (name == "openat2") {
    return Call([file] {
      open_how how{};
      how.resolve = RESOLVE_NO_SYMLINKS;
      return opened(syscall(SYS_openat2, AT_FDCWD, file.c_str(), &how, sizeof how));
    });
  }
  if (name == "relative") return Call([] { return opened(::open(kFile, O_RDONLY)); });
  if (name == "symlink") return Call([link] { return opened(::open(link.c_str(), O_RDONLY)); });
  if (name == "missing") {
    return Call([file = file + "-missing"] {
      const int error = opened(::open(file.c_str(), O_RDONLY));
      return error == ENOENT ? 0 : EEXIST;
    });
  }
  if (name == "chmod") return Call([file] { return failed(::chmod(file.c_str(), 0644)); });
  if (name == "stat") {
    return Call([file] {
      struct stat st {};
      return failed(::stat(file.c_str(), &st));
    });
  }
  if (name == "read" || name == "write") {
    const bool reads = name == "read";
    const int fd = ::open(reads ? "/dev/zero" : "/dev/null", (reads ? O_RDONLY : O_WRONLY));
    if (fd < 0) return last_error();
    return Call([fd, reads] {
      char byte = 0;
      return failed(reads ? ::read(fd, &byte, 1) : ::write(fd, &byte, 1));
    });
  }
  if (name == "getpid") return Call([] { return failed(syscall(SYS_getpid)); });
  if (name == "futex") {
    return Call([] {
      static uint32_t word = 0;
      return failed(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0));
    });
  }
  if (name == "fork") return Call([] { return waited_for(fork_and_exit()); });
  if (name == "exec") return Call([] { return waited_for(run_true()); });
  return Error{EINVAL};
}

// Descriptors that stay open, at numbers spread as a busy program's are.
Status open_descriptors(int count) {
  for (int i = 0; i < count; ++i) {
    if (::open("/dev/null", O_RDONLY) < 0) return last_error();
  }
  return Unit{};
}

Status make_past(const Call& call, int count) {
  constexpr int kCallsAProcess = 100;
  for (int i = 0; i < count; ++i) {
    if (const int error = call(); error != 0) return Error{error};
    if (i % kCallsAProcess == 0) {
      if (const int error = waited_for(fork_and_exit()); error != 0) return Error{error};
    }
  }
  return Unit{};
}

struct Count {
  int64_t calls = 0;
  int64_t elapsed_ns = 0;
  int error = 0;
};

Count call_for(const Call& call, int64_t duration_ns) {
  Count count;
  const int64_t start = clock_ns(CLOCK_MONOTONIC);
  do {
    for (int i = 0; i < kBatch; ++i) {
      if (count.error = call(); count.error != 0) return count;
    }
    count.calls += kBatch;
    count.elapsed_ns = clock_ns(CLOCK_MONOTONIC) - start;
  } while (count.elapsed_ns < duration_ns);
  return count;
}

// Every task in a process of its own; all begin when the last one is there.
Count call_together(const Call& call, int tasks, int64_t duration_ns) {
  std::array<int, 2> ready{};
  std::array<int, 2> go{};
  std::array<int, 2> told{};
  Count all;
  if (pipe(ready.data()) != 0 || pipe(go.data()) != 0 || pipe(told.data()) != 0) {
    all.error = errno;
    return all;
  }
  for (int i = 0; i < tasks; ++i) {
    const pid_t child = fork();
    if (child < 0) all.error = errno;
    if (child != 0) continue;
    ::close(go[1]);
    char byte = 'r';
    call();  // what a first call costs is not asked
    const bool begun = ::write(ready[1], &byte, 1) == 1 && ::read(go[0], &byte, 1) == 0;
    const Count mine = call_for(call, duration_ns);
    _exit(begun && ::write(told[1], &mine, sizeof mine) == sizeof mine ? 0 : 1);
  }
  ::close(told[1]);
  ::close(ready[1]);
  char byte = 0;
  for (int i = 0; i < tasks && ::read(ready[0], &byte, 1) == 1; ++i) continue;
  ::close(go[1]);
  Count one;
  while (::read(told[0], &one, sizeof one) == sizeof one) {
    all.calls += one.calls;
    all.elapsed_ns = std::max(all.elapsed_ns, one.elapsed_ns);
    if (one.error != 0) all.error = one.error;
  }
  while (waitpid(-1, nullptr, 0) > 0) continue;
  return all;
}

bool read_number(std::string_view text, int* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size() && *number >= 0;
}

}  // namespace

std::span<const BenchLoop> bench_loops() { return kLoops; }

Result<LoopRequest> parse_loop(std::span<const std::string> words) {
  LoopRequest request;
  if (words.empty()) return Error{EINVAL};
  request.name = words[0];
  if (std::none_of(kLoops.begin(), kLoops.end(),
                   [&](const BenchLoop& loop) { return request.name == loop.name; })) {
    return Error{EINVAL};
  }
  for (const std::string& word : words.subspan(1)) {
    const size_t equals = word.find('=');
    const std::string_view key = std::string_view(word).substr(0, equals);
    int* number = equals == std::string::npos ? &request.milliseconds
                  : key == "tasks"            ? &request.tasks
                  : key == "descriptors"      ? &request.descriptors
                  : key == "past"             ? &request.past
                                              : nullptr;
    const std::string_view value = equals == std::string::npos
                                       ? std::string_view(word)
                                       : std::string_view(word).substr(equals + 1);
    if (number == nullptr || !read_number(value, number)) return Error{EINVAL};
  }
  return request.tasks >= 1 ? Result<LoopRequest>(request) : Error{EINVAL};
}

std::vector<std::string> loop_words(const LoopRequest& request) {
  std::vector<std::string> words = {request.name, std::to_string(request.milliseconds)};
  if (request.tasks != 1) words.push_back("tasks=" + std::to_string(request.tasks));
  if (request.descriptors != 0) {
    words.push_back("descriptors=" + std::to_string(request.descriptors));
  }
  if (request.past != 0) words.push_back("past=" + std::to_string(request.past));
  return words;
}

Result<double> run_loop(const LoopRequest& request) {
  CALLGATE_TRY(Call call, make_call(request.name));
  CALLGATE_TRY([[maybe_unused]] Unit opened, open_descriptors(request.descriptors));
  CALLGATE_TRY([[maybe_unused]] Unit lived, make_past(call, request.past));
  const int64_t duration = request.milliseconds * int64_t{1'000'000};
  if (const int error = call(); error != 0) return Error{error};  // caches, the argument area
  const Count count =
      request.tasks == 1 ? call_for(call, duration) : call_together(call, request.tasks, duration);
  if (count.error != 0 || count.calls == 0) return Error{count.error != 0 ? count.error : ECHILD};
  return static_cast<double>(count.elapsed_ns) / static_cast<double>(count.calls);
}

}  // namespace callgate
