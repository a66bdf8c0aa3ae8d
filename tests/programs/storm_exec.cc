// Programs whose names change without pause: by a link, by a directory, by the interpreter of a
// script. Allowed is a program that ends with 1, forbidden one that ends with 0. And threads that
// call without pause while another of them executes: the new image must be whole.
#include "tests/programs/storm.h"

namespace {

using namespace storm;

constexpr int kAllowed = 1;
constexpr int kForbidden = 0;
constexpr int kNewImage = 7;

// The exit status of the program by that name; -1 when there was none to run, or it was killed.
int run(const std::string& path) {
  const pid_t child = ::fork();
  if (child == 0) {
    const char* arguments[] = {path.c_str(), nullptr};
    ::execve(path.c_str(), const_cast<char**>(arguments), environ);
    ::_exit(126);
  }
  const int status = child > 0 ? reap(child) : -1;
  return WIFEXITED(status) && WEXITSTATUS(status) < 126 ? WEXITSTATUS(status) : -1;
}

bool runs(const char* leaf) {
  const int status = run(work(leaf));
  if (status == kForbidden) reached(leaf);
  return status == kAllowed;
}

// One thread executes this program anew, with long arguments that take time to copy, while others
// make calls that are looked at.
[[noreturn]] void execute_among_threads(const char* self) {
  const std::string long_argument(100'000, 'x');
  std::vector<const char*> arguments = {self, "again"};
  for (int i = 0; i < 8; ++i) arguments.push_back(long_argument.c_str());
  arguments.push_back(nullptr);
  const auto open_and_close = [] {
    for (;;) {
      const int fd = ::open(work("ok.dat").c_str(), O_RDONLY);
      if (fd >= 0) ::close(fd);
      ::chmod(work("ok.dat").c_str(), 0644);
    }
  };
  std::thread one(open_and_close);
  std::thread two([&] {
    ::execve(self, const_cast<char**>(arguments.data()), environ);
    ::_exit(126);
  });
  open_and_close();
  std::abort();
}

bool takes_over(const char* self) {
  const pid_t child = ::fork();
  if (child == 0) execute_among_threads(self);
  const int status = child > 0 ? reap(child) : -1;
  if (status != kNewImage << 8) reached("the new image ended with " + std::to_string(status));
  return status == kNewImage << 8;
}

void copy(const char* from, const std::string& to) {
  const std::string command = std::string("cp ") + from + " " + to;
  must(std::system(command.c_str()) == 0, command);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "again") {
    return harmless(::open(work("ok.dat").c_str(), O_RDONLY), "again") ? kNewImage : 8;
  }
  must(::mkdir(work("dir").c_str(), 0755) == 0, "dir");
  copy("/bin/false", work("program"));
  copy("/bin/false", work("interpreter"));
  copy("/bin/false", work("dir/program"));
  spill(work("script"), "#!" + work("interpreter") + "\n");
  must(::chmod(work("script").c_str(), 0755) == 0, "script");
  must(::symlink(secret("program").c_str(), work("program.link").c_str()) == 0, "program.link");
  must(::symlink(secret("program").c_str(), work("interpreter.link").c_str()) == 0, "interpreter");
  must(::symlink(secret("").c_str(), work("dir.link").c_str()) == 0, "dir.link");
  const char* self = argv[0];
  Storm storm;
  storm.weather([] {
    exchange(work("program"), work("program.link"));
    exchange(work("interpreter"), work("interpreter.link"));
  });
  storm.weather([] { exchange(work("dir"), work("dir.link")); });
  storm.traveller(
      "by link", [] { return runs("program"); }, 2);
  storm.traveller("by directory", [] { return runs("dir/program"); });
  storm.traveller("script", [] { return runs("script"); });
  storm.traveller("among threads", [self] { return takes_over(self); });
  return storm.last();
}
