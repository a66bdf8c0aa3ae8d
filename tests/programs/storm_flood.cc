// storm_flood WHAT [COUNT]: too much of everything, with right results expected all the same. Each
// prints `done` when all came as it should; what a call answers is checked here, what callgate
// makes of it by the driver (tests/e2e/floods_test.py).
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include "tests/programs/storm.h"

namespace {

using namespace storm;

int done() {
  std::printf("done\n");
  return 0;
}

// COUNT opens that are refused: of one name, or each of another, spelled in `length` bytes.
int denials(long count, bool distinct, size_t length) {
  std::string name = secret("key");
  std::string dots;
  while (dots.size() < length) dots += "./";
  for (long i = 0; i < count; ++i) {
    if (distinct) name = secret(dots + std::to_string(i));
    const int fd = ::open(name.c_str(), distinct ? O_WRONLY | O_CREAT : O_RDONLY, 0644);
    must(fd < 0 && errno == EACCES, name.substr(0, 100));
  }
  return done();
}

int lookups(long count) {
  for (long i = 0; i < count; ++i) {
    const std::string name = work("nothing." + std::to_string(i));
    must(::open(name.c_str(), O_RDONLY) < 0 && errno == ENOENT, name);
  }
  return done();
}

// Makes, fills, renames, links, reads and removes files of its own, and looks at each result.
void work_honestly(int number, long times) {
  const std::string mine = work("worker." + std::to_string(number));
  must(::mkdir(mine.c_str(), 0755) == 0, "mkdir");
  for (long i = 0; i < times; ++i) {
    const std::string text = std::to_string(number) + " " + std::to_string(i) + "\n";
    spill(mine + "/a", text);
    must(::rename((mine + "/a").c_str(), (mine + "/b").c_str()) == 0, "rename");
    must(::link((mine + "/b").c_str(), (mine + "/c").c_str()) == 0, "link");
    const int fd = ::open((mine + "/c").c_str(), O_RDONLY);
    char seen[64] = {};
    must(fd >= 0 && ::read(fd, seen, sizeof seen - 1) > 0 && text == seen, "what was written");
    ::close(fd);
    must(::unlink((mine + "/b").c_str()) == 0 && ::unlink((mine + "/c").c_str()) == 0, "unlink");
  }
  must(::rmdir(mine.c_str()) == 0, "rmdir");
}

void attack(const std::atomic<int>& stop) {
  static_cast<void>(!::symlink(secret("key").c_str(), work("me.link").c_str()));
  spill(work("me"));
  while (stop.load() == 0) {
    exchange(work("me"), work("me.link"));
    harmless(::open(work("me").c_str(), O_RDONLY), "attacker");
    harmless(::open(secret("key").c_str(), O_RDONLY), "attacker");
  }
}

int crowd(long times) {
  constexpr int kWorkers = 200;
  void* at = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  must(at != MAP_FAILED, "mmap");
  auto& stop = *static_cast<std::atomic<int>*>(at);
  std::vector<pid_t> workers;
  const pid_t attacker = ::fork();
  if (attacker == 0) {
    attack(stop);
    ::_exit(0);
  }
  for (int i = 0; i < kWorkers; ++i) {
    const pid_t child = ::fork();
    must(child >= 0, "fork");
    if (child == 0) {
      work_honestly(i, times);
      ::_exit(0);
    }
    workers.push_back(child);
  }
  for (const pid_t worker : workers) must(reap(worker) == 0, "a worker's work");
  stop = 1;
  must(reap(attacker) == 0, "the attacker's end");
  return done();
}

// As many messages as a call may have, each of as many pieces as it may have. One goes where it
// must not: those before it are sent, it is not.
int messages() {
  constexpr size_t kMost = 1024;
  static char byte = 'x';
  std::vector<iovec> pieces(kMost, iovec{&byte, 1});
  sockaddr_in good{};
  good.sin_family = AF_INET;
  good.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_in bad = good;
  good.sin_port = htons(static_cast<uint16_t>(number("ATTACK_OK_UDP")));
  bad.sin_port = htons(static_cast<uint16_t>(number("ATTACK_UDP")));
  std::vector<mmsghdr> all(kMost);
  for (mmsghdr& message : all) {
    message = mmsghdr{};
    message.msg_hdr.msg_name = &good;
    message.msg_hdr.msg_namelen = sizeof good;
    message.msg_hdr.msg_iov = pieces.data();
    message.msg_hdr.msg_iovlen = kMost;
  }
  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  const auto send_all = [&](size_t until) {
    for (size_t sent = 0; sent < until;) {
      const int n = ::sendmmsg(fd, all.data() + sent, static_cast<unsigned>(kMost - sent), 0);
      must(n > 0, "sendmmsg");
      for (int i = 0; i < n; ++i)
        must(all[sent + static_cast<size_t>(i)].msg_len == kMost, "length");
      sent += static_cast<size_t>(n);
      must(sent <= until, "no more than is allowed");
    }
  };
  send_all(kMost);
  constexpr size_t kBad = 700;
  all[kBad].msg_hdr.msg_name = &bad;
  send_all(kBad);
  must(::sendmmsg(fd, all.data() + kBad, 1, 0) < 0 && errno == EACCES, "the forbidden one");
  return done();
}

// Arguments and environment of 2 MiB, as many as the stack limit lets pass, and one piece more.
int long_arguments(const char* self) {
  const std::string piece(100'000, 'x');
  for (const size_t count : {size_t{19}, size_t{200}}) {
    std::vector<const char*> arguments = {self, "answer"};
    arguments.insert(arguments.end(), count, piece.c_str());
    arguments.push_back(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
      ::execve(self, const_cast<char**>(arguments.data()), environ);
      ::_exit(errno == E2BIG ? 17 : 18);
    }
    must(reap(child) == (count == 19 ? 16 : 17) << 8, "execve with long arguments");
  }
  return done();
}

// Names as long as the kernel takes them, each another one, of files that are there.
int long_names(long count) {
  std::string directory = work("long");
  must(::mkdir(directory.c_str(), 0755) == 0, "mkdir");
  must(::chdir(directory.c_str()) == 0, "chdir");
  const std::string part(100, 'd');
  while (directory.size() + 101 <= 3950) {  // what is left of 4095 is a name of its own
    must(::mkdir(part.c_str(), 0755) == 0 && ::chdir(part.c_str()) == 0, "deep");
    directory += "/" + part;
  }
  for (long i = 0; i < count; ++i) {
    std::string name = directory + "/" + std::to_string(i) + ".";
    name.resize(4095, 'n');
    const int fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0644);
    must(fd >= 0, "a long name");
    ::close(fd);
    must(::access(name.c_str(), R_OK) == 0 && ::unlink(name.c_str()) == 0, "its removal");
    must(::open((name + "n").c_str(), O_RDONLY) < 0 && errno == ENAMETOOLONG, "one byte more");
  }
  return done();
}

// Every process makes as many as it can, until so many have been born.
int bomb(long births) {
  if (::geteuid() == 0) must(::setresuid(54321, 54321, 54321) == 0, "setresuid");
  const rlimit limit{static_cast<rlim_t>(number("FLOOD_NPROC")),
                     static_cast<rlim_t>(number("FLOOD_NPROC"))};
  must(::setrlimit(RLIMIT_NPROC, &limit) == 0, "setrlimit");
  void* at = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  must(at != MAP_FAILED, "mmap");
  auto& born = *static_cast<std::atomic<long>*>(at);
  auto& refused = *(static_cast<std::atomic<long>*>(at) + 1);
  const pid_t first = ::getpid();
  while (born.load() < births) {
    const pid_t child = ::fork();
    if (child == 0) {
      born.fetch_add(1);
      const int fd = ::open(secret("key").c_str(), O_RDONLY);
      if (fd >= 0) reached("bomb");
    } else if (child < 0) {
      refused.fetch_add(1);
      if (::getpid() != first) break;  // makes room for others
    }
    while (::waitpid(-1, nullptr, ::getpid() == first ? WNOHANG : 0) > 0) {
    }
  }
  while (::wait(nullptr) > 0 || errno == EINTR) {
  }
  if (::getpid() != first) ::_exit(0);
  must(refused.load() > 0, "the limit was never reached");
  return done();
}

int threads(long rounds) {
  constexpr int kThreads = 300;
  std::atomic<long> right{0};
  for (long round = 0; round < rounds; ++round) {
    std::vector<std::thread> all;
    for (int i = 0; i < kThreads; ++i) {
      all.emplace_back([&right] {
        if (harmless(::open(work("ok.dat").c_str(), O_RDONLY), "thread")) right.fetch_add(1);
        if (::open(secret("key").c_str(), O_RDONLY) >= 0) reached("thread");
      });
    }
    for (std::thread& each : all) each.join();
  }
  must(right.load() == rounds * kThreads, "what was read");
  return done();
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  const long count = argc > 2 ? std::atol(argv[2]) : 0;
  if (what == "answer") return 16;
  if (what == "one") return denials(count, false, 0);
  if (what == "many") return denials(count, true, 0);
  if (what == "long") return denials(count, true, 3900);
  if (what == "lookups") return lookups(count);
  if (what == "crowd") return crowd(count);
  if (what == "messages") return messages();
  if (what == "arguments") return long_arguments(argv[0]);
  if (what == "names") return long_names(count);
  if (what == "bomb") return bomb(count);
  if (what == "threads") return threads(count);
  return 64;
}
