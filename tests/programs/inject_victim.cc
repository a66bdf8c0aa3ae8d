// inject_victim KIND TREE root|child [thread]: makes the same allowed and denied calls over and
// over, so that something can be injected in the middle of their handling (inject.cc). `root`:
// once, in the first process of the sandbox. `child`: a new process each round, its parent looks
// after it.
//
// A denied call that is carried out is a breach; it is noted where the outside sees it.
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>

#include "tests/programs/inject.h"

namespace {

using namespace inject;

Shared* shared = nullptr;
std::string tree;
std::string kind;

std::string inside(std::string_view leaf) { return tree + "/t/" + std::string(leaf); }
std::string secret(std::string_view leaf) { return tree + "/s/" + std::string(leaf); }

// Each operation: 0 when every allowed call did what it should, else the errno of the first that
// did not. It goes on after a failure, so that later calls are made too.
struct Result {
  int error = 0;
  void want(bool right) {
    if (!right && error == 0) error = errno != 0 ? errno : EBADMSG;
  }
};

void breach(const char* what) {
  shared->breaches.fetch_add(1);
  std::fprintf(stderr, "BREACH %s\n", what);
}
void never(bool done, const char* what) {
  if (done) breach(what);
}

// Whatever is read must be harmless, whoever opened it.
bool harmless(int fd) {
  if (fd < 0) return false;
  char text[64] = {};
  const ssize_t n = ::read(fd, text, sizeof text - 1);
  const int error = errno;
  ::close(fd);
  errno = error;
  if (n > 0 && std::string_view(text, static_cast<size_t>(n)) != "harmless\n") breach("read");
  return n > 0;
}

int open_kind() {
  Result result;
  Arguments& now = shared->now;
  result.want(harmless(::open(now.file, O_RDONLY)));
  never(::open(secret("key").c_str(), O_RDONLY) >= 0, "open of the secret");
  result.want(harmless(::open(now.inner, O_RDONLY)));
  never(::open(inside("way").c_str(), O_RDONLY) >= 0, "open of the link to the secret");
  result.want(harmless(
      static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, now.file, &now.how, sizeof now.how))));
  return result.error;
}

int change_kind() {
  Result result;
  const std::string base = shared->now.directory;
  const std::string a = base + "/a";
  const std::string b = base + "/b";
  const auto clean = [] {
    for (const char* leaf : {"dir/a", "dir/b"}) {
      ::rmdir(inside(leaf).c_str());
      ::unlink(inside(leaf).c_str());
    }
    errno = 0;
  };
  clean();
  result.want(::mkdir(a.c_str(), 0755) == 0);
  result.want(::rename(a.c_str(), b.c_str()) == 0);
  never(::mkdir(secret("made").c_str(), 0755) == 0, "mkdir");
  never(::rename(b.c_str(), secret("moved").c_str()) == 0, "rename");
  result.want(::rmdir(b.c_str()) == 0);
  result.want(::link(inside("plain").c_str(), a.c_str()) == 0);
  never(::link(secret("key").c_str(), b.c_str()) == 0, "link");
  result.want(::chmod(a.c_str(), 0644) == 0);
  result.want(::truncate(a.c_str(), 9) == 0);
  never(::unlink(secret("key").c_str()) == 0, "unlink");
  result.want(::unlink(a.c_str()) == 0);
  clean();
  return result.error;
}

int connect_kind() {
  Result result;
  Arguments& now = shared->now;
  const auto connected = [](int family, const void* address, socklen_t length) {
    const int s = ::socket(family, SOCK_STREAM, 0);
    if (s < 0) return false;
    const bool ok = ::connect(s, static_cast<const sockaddr*>(address), length) == 0;
    const int error = errno;
    ::close(s);
    errno = error;
    return ok;
  };
  result.want(connected(AF_UNIX, &now.server, sizeof now.server));
  result.want(connected(AF_INET, &now.tcp, sizeof now.tcp));
  never(connected(AF_UNIX, &shared->bad.server, sizeof now.server), "unix connect");
  never(connected(AF_INET, &shared->bad.tcp, sizeof now.tcp), "tcp connect");
  return result.error;
}

int bind_kind() {
  Result result;
  const auto bound = [](const sockaddr_un& address) {
    const int s = ::socket(AF_UNIX, SOCK_STREAM, 0);
    if (s < 0) return false;
    const bool ok = ::bind(s, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    const int error = errno;
    ::close(s);
    errno = error;
    return ok;
  };
  ::unlink(shared->good.own.sun_path);
  result.want(bound(shared->now.own));
  never(bound(shared->bad.own), "bind");
  ::unlink(shared->good.own.sun_path);
  return result.error;
}

int send_kind() {
  Result result;
  Arguments& now = shared->now;
  const int s = ::socket(AF_INET, SOCK_DGRAM, 0);
  result.want(s >= 0);
  char byte = 'x';
  iovec vector{&byte, 1};
  mmsghdr messages[3] = {};
  const auto aim = [&](sockaddr_in* where) {
    for (mmsghdr& message : messages) {
      message.msg_hdr.msg_name = where;
      message.msg_hdr.msg_namelen = sizeof *where;
      message.msg_hdr.msg_iov = &vector;
      message.msg_hdr.msg_iovlen = 1;
      message.msg_len = 0;
    }
  };
  aim(&now.udp);
  result.want(::sendmsg(s, &messages[0].msg_hdr, MSG_DONTWAIT) == 1);
  result.want(::sendto(s, &byte, 1, MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&now.udp),
                       sizeof now.udp) == 1);
  // A signal ends the series early, as it may end any send.
  for (int sent = 0; sent < 3;) {
    const int n = ::sendmmsg(s, messages + sent, static_cast<unsigned>(3 - sent), MSG_DONTWAIT);
    result.want(n > 0 && messages[sent + n - 1].msg_len == 1);
    if (n <= 0) break;
    sent += n;
  }
  aim(&shared->bad.udp);
  never(::sendmsg(s, &messages[0].msg_hdr, MSG_DONTWAIT) == 1, "sendmsg");
  never(::sendmmsg(s, messages, 3, MSG_DONTWAIT) > 0, "sendmmsg");
  ::close(s);
  return result.error;
}

// Who is stopped on the way is told to go on.
int reap(pid_t child) {
  int status = 0;
  for (;;) {
    if (::waitpid(child, &status, __WALL | WUNTRACED) < 0) {
      if (errno != EINTR) return -1;
    } else if (WIFSTOPPED(status)) {
      shared->stops.fetch_add(1);
      ::kill(child, SIGCONT);
    } else {
      return status;
    }
  }
}

int child_opens(void*) {
  harmless(::open(shared->now.file, O_RDONLY));
  never(::open(secret("key").c_str(), O_RDONLY) >= 0, "open of the secret by a child");
  return 0;
}

int clone_kind() {
  Result result;
  alignas(16) static char stack[64 * 1024];
  const auto ended = [&](pid_t child) { result.want(child > 0 && reap(child) == 0); };
  pid_t child = ::fork();
  if (child == 0) ::_exit(child_opens(nullptr));
  ended(child);
  ended(::clone(child_opens, stack + sizeof stack, CLONE_FILES | CLONE_FS | SIGCHLD, nullptr));
  ended(::clone(child_opens, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, nullptr));
  return result.error;
}

constexpr int kAllowedProgram = 41;
constexpr int kSecretProgram = 42;

int exec_kind() {
  Result result;
  const char* arguments[] = {"program", "answer", tree.c_str(), nullptr};
  const auto run = [&](const char* name) {
    const pid_t child = ::fork();
    if (child == 0) {
      shared->victim = ::getpid();
      ::execve(name, const_cast<char**>(arguments), environ);
      ::_exit(errno);
    }
    return child > 0 ? reap(child) : -1;
  };
  const int forbidden = run(shared->bad.program);
  never(WIFEXITED(forbidden) && WEXITSTATUS(forbidden) == kSecretProgram, "execve");
  const int status = run(shared->now.program);
  never(WIFEXITED(status) && WEXITSTATUS(status) == kSecretProgram, "execve of the other program");
  errno = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
  result.want(status == kAllowedProgram << 8);
  shared->victim = ::getpid();
  return result.error;
}

// A new image has no argument area yet: its first open maps it.
int answer() {
  char image[512] = {};
  if (::readlink("/proc/self/exe", image, sizeof image - 1) < 0) return kVoid;
  if (std::strstr(image, "/s/") != nullptr) return kSecretProgram;
  const int fd = ::open(inside("plain").c_str(), O_RDONLY);
  return fd >= 0 ? kAllowedProgram : errno;
}

int signal_kind() {
  Result result;
  result.want(::kill(0, SIGURG) == 0);
  result.want(::kill(::getpid(), SIGURG) == 0);
  never(::kill(shared->front.load(), 0) == 0, "kill of the front");
  never(::syscall(SYS_tgkill, shared->front.load(), shared->front.load(), 0) == 0, "tgkill");
  return result.error;
}

int operate() {
  struct Kind {
    std::string_view name;
    int (*run)();
  };
  static constexpr Kind kKinds[] = {
      {"open", open_kind}, {"change", change_kind}, {"connect", connect_kind},
      {"bind", bind_kind}, {"send", send_kind},     {"clone", clone_kind},
      {"exec", exec_kind}, {"signal", signal_kind}, {"launch", open_kind}};
  for (const Kind& each : kKinds) {
    if (each.name == kind) return each.run();
  }
  std::exit(kVoid);
}

// Afterwards: what was said once holds again.
int once_more() {
  shared->phase = Again;
  std::memcpy(&shared->now, &shared->good, sizeof shared->now);
  const int error = operate();
  shared->last_error = error;
  return error;
}

int round_of_victim() {
  std::memcpy(&shared->now, &shared->good, sizeof shared->now);
  shared->victim = ::getpid();
  shared->phase = Operation;
  const int during = operate();
  if (during != 0) shared->refusals.fetch_add(1);
  if (once_more() != 0) return kBroken;
  return during != 0 ? kRefused : kRight;
}

// No allocation after the wait: the other thread may hold the lock, in a fork.
void* exec_when_told(void*) {
  const std::string victim = inside("victim");
  const char* arguments[] = {"victim", kind.c_str(), tree.c_str(), "after", nullptr};
  shared->second = static_cast<int32_t>(::syscall(SYS_gettid));
  while (shared->go.load() == 0) futex(&shared->go, FUTEX_WAIT, 0);
  ::execve(victim.c_str(), const_cast<char**>(arguments), environ);
  return nullptr;
}

// Nothing but its own calls is under way when it begins: its parent has been let go on.
int child_of_round(bool second_thread) {
  while (shared->ready.load() == 0) futex(&shared->ready, FUTEX_WAIT, 0);
  if (second_thread) {
    pthread_t thread;
    if (::pthread_create(&thread, nullptr, exec_when_told, nullptr) != 0) return kVoid;
    while (shared->second.load() == 0) ::sched_yield();
  }
  return round_of_victim();
}

// The parent stays outside of what happens to its children, and says what became of them.
int rounds(bool second_thread) {
  int broken = 0;
  do {
    shared->phase = Idle;
    shared->go = 0;
    shared->ready = 0;
    shared->second = 0;
    shared->round.fetch_add(1);
    const pid_t child = ::fork();
    if (child == 0) ::_exit(child_of_round(second_thread));
    if (child < 0) return kVoid;
    shared->ready = 1;
    futex(&shared->ready, FUTEX_WAKE, 1);
    const int status = reap(child);
    shared->phase = Idle;
    shared->status = status;
    const bool reads = harmless(::open(inside("plain").c_str(), O_RDONLY));
    if (!reads) shared->broken = broken = errno;
    never(::open(secret("key").c_str(), O_RDONLY) >= 0, "open of the secret by the parent");
  } while (shared->enough.load() == 0);
  shared->round.fetch_add(1);
  return broken != 0 ? kBroken : kRight;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 64;
  kind = argv[1];
  tree = argv[2];
  if (kind == "answer") return answer();
  if (argc < 4) return 64;
  const std::string_view mode = argv[3];
  shared = map_shared(inside("shared"), false);
  ::signal(SIGURG, SIG_IGN);
  if (mode == "after") return once_more() == 0 ? kRight : kBroken;
  shared->front = ::getppid();
  if (mode == "root") {
    shared->round.fetch_add(1);
    return round_of_victim();
  }
  return rounds(argc > 4);
}
