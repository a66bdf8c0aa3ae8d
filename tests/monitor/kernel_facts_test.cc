// The kernel facts that callgate stands on, tried on the kernel at hand; docs/kernel.md says which
// file relies on which. Each is tried in children, which report by value and never by gtest.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "arch/registers.h"
#include "arch/unique_fd.h"
#include "monitor/proc_files.h"
#include "monitor/wait_status.h"

namespace callgate {
namespace {

using testing::ElementsAre;
using testing::Optional;

constexpr uid_t kNobody = 65534;
#if defined(__aarch64__)
constexpr Abi kNative = Abi::Aarch64;
#else
constexpr Abi kNative = Abi::X86_64;
#endif

int error_of(long result) { return result < 0 ? errno : 0; }
bool is_root() { return ::geteuid() == 0; }

// What `body` returns in a child of its own; nothing when the child dies first.
template <typename Body>
auto in_child(Body&& body) -> std::optional<decltype(body())> {
  using Value = decltype(body());
  static_assert(std::is_trivially_copyable_v<Value>);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return std::nullopt;
  UniqueFd from(ends[0]);
  UniqueFd to(ends[1]);
  const pid_t pid = ::fork();
  if (pid == 0) {
    const Value value = body();
    _exit(::write(to.get(), &value, sizeof value) == sizeof value ? 0 : 1);
  }
  to.reset();
  Value value{};
  const bool told = ::read(from.get(), &value, sizeof value) == sizeof value;
  ::waitpid(pid, nullptr, 0);
  return told ? std::optional<Value>(value) : std::nullopt;
}

// In a child only: root becomes nobody; either way the process is dumpable, as a program is.
void become_ordinary() {
  if (is_root() && (::syscall(SYS_setgroups, 0, nullptr) != 0 ||
                    ::syscall(SYS_setresgid, kNobody, kNobody, kNobody) != 0 ||
                    ::syscall(SYS_setresuid, kNobody, kNobody, kNobody) != 0)) {
    _exit(99);
  }
  ::prctl(PR_SET_DUMPABLE, 1);
}

class Gate {  // closed until it is opened once, across fork
 public:
  Gate() { static_cast<void>(!::pipe2(ends_, O_CLOEXEC)); }
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  ~Gate() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  void open() const { static_cast<void>(!::write(ends_[1], "o", 1)); }
  void pass() const {
    char byte = 0;
    static_cast<void>(!::read(ends_[0], &byte, 1));
  }

 private:
  int ends_[2] = {-1, -1};
};

// A process that ends with the test at the latest.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, __WALL);
  }
  [[nodiscard]] pid_t pid() const { return pid_; }
  void reaped() { pid_ = 0; }

 private:
  pid_t pid_;
};

long trace(__ptrace_request request, pid_t tid, uint64_t data = 0) {
  return ::ptrace(request, tid, nullptr, reinterpret_cast<void*>(data));  // NOLINT: a number
}

// A child of the test, traced by the test as the monitor traces a program. `body` runs once it is
// seized, and its value is the exit status.
class Tracee {
 public:
  explicit Tracee(const std::function<int()>& body, uint64_t options = 0) : child_(::fork()) {
    if (child_.pid() == 0) {
      gate_.pass();
      _exit(body());
    }
    constexpr uint64_t kAlways = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACESECCOMP;
    seized_ = trace(PTRACE_SEIZE, child_.pid(), kAlways | options) == 0;
    gate_.open();
  }
  [[nodiscard]] pid_t pid() const { return child_.pid(); }
  [[nodiscard]] bool seized() const { return seized_; }
  WaitStatus next() {
    int status = 0;
    ::waitpid(child_.pid(), &status, __WALL);
    if (!WIFSTOPPED(status)) child_.reaped();
    return WaitStatus(status);
  }
  void go(int signal = 0, __ptrace_request how = PTRACE_CONT) const {
    trace(how, pid(), static_cast<uint64_t>(signal));
  }
  // To its end, whatever happens on the way: its exit status, or -1.
  int finish() {
    for (;;) {
      go();
      const WaitStatus status = next();
      if (status.kind() == WaitStatus::Kind::Exited) return WEXITSTATUS(status.raw());
      if (status.kind() == WaitStatus::Kind::Killed) return -1;
    }
  }

 private:
  Gate gate_;
  Child child_;
  bool seized_ = false;
};

// Sleeps in this call, as /proc says it.
void wait_until_asleep_in(pid_t pid, long number) {
  const std::string want = std::to_string(number) + " ";
  for (;;) {
    auto text = read_whole_file("/proc/" + std::to_string(pid) + "/syscall");
    if (!text.ok() || text->starts_with(want)) return;
    ::sched_yield();
  }
}

void load(const std::vector<sock_filter>& program) {
  const sock_fprog filter{static_cast<unsigned short>(program.size()),
                          const_cast<sock_filter*>(program.data())};  // NOLINT: only read
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0) {
    _exit(98);
  }
}
// These numbers get these actions, all else runs.
void load_actions(const std::map<long, uint32_t>& actions) {
  std::vector<sock_filter> program = {{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)}};
  for (const auto& [number, action] : actions) {
    program.push_back({BPF_JMP | BPF_JEQ | BPF_K, 0, 1, static_cast<uint32_t>(number)});
    program.push_back({BPF_RET | BPF_K, 0, 0, action});
  }
  program.push_back({BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW});
  load(program);
}

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = std::filesystem::canonical(std::filesystem::temp_directory_path());
    name += "/callgate-facts-XXXXXX";
    if (::mkdtemp(name.data()) != nullptr) ::chmod(name.c_str(), 0777);
    path_ = name;
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::string operator/(const std::string& leaf) const { return path_ + "/" + leaf; }
  // Makes the file and says where it is.
  [[nodiscard]] std::string file(const std::string& leaf, std::string_view text = "") const {
    const UniqueFd fd(::open((*this / leaf).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    static_cast<void>(!::write(fd.get(), text.data(), text.size()));
    return *this / leaf;
  }

 private:
  std::string path_;
};

UniqueFd pin(const std::string& path) { return UniqueFd(::open(path.c_str(), O_PATH | O_CLOEXEC)); }
std::string own_fd(const UniqueFd& fd) { return "/proc/self/fd/" + std::to_string(fd.get()); }
std::string contents(const std::string& path) {
  auto text = read_whole_file(path);
  return text.ok() ? *text : "errno " + std::to_string(text.error().code);
}

long open_how_error(const std::string& path, uint64_t flags, uint64_t resolve, uint64_t mode = 0) {
  const open_how how{flags, mode, resolve};
  const UniqueFd fd(
      static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how)));
  return fd.valid() ? 0 : errno;
}

// ---- The argument area: a read-only attachment of a System V segment. ----

constexpr size_t kSize = 65536;
void* const kAt = reinterpret_cast<void*>(0x70000000);  // NOLINT: where callgate puts it

// As ArgumentArea::create makes it: written here, readable by all, marked for destruction.
class Segment {
 public:
  Segment() : id_(::shmget(IPC_PRIVATE, kSize, IPC_CREAT | 0600)) {
    base_ = static_cast<char*>(::shmat(id_, nullptr, 0));
    shmid_ds state{};
    ::shmctl(id_, IPC_STAT, &state);
    state.shm_perm.mode = 0444;
    ::shmctl(id_, IPC_SET, &state);
    ::shmctl(id_, IPC_RMID, nullptr);
  }
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;
  ~Segment() { ::shmdt(base_); }
  [[nodiscard]] int id() const { return id_; }
  [[nodiscard]] char* base() const { return base_; }
  // 0 or errno; in a child.
  [[nodiscard]] int attach(int flags = SHM_RDONLY) const {
    return ::shmat(id_, kAt, flags) == kAt ? 0 : errno;
  }

 private:
  int id_;
  char* base_ = nullptr;
};

TEST(SharedSegment, StillAttachesByItsNumberAfterItIsMarkedForDestruction) {
  const Segment segment;
  segment.base()[0] = 'a';
  const auto seen = in_child([&] {
    const int error = segment.attach();
    return std::array{error, error == 0 ? int{*static_cast<char*>(kAt)} : 0};
  });
  EXPECT_THAT(seen, Optional(ElementsAre(0, 'a')));
}

TEST(SharedSegment, ReadOnlyCannotBeMadeWritable) {
  const Segment segment;
  const auto seen = in_child([&] {
    return std::array{segment.attach(), error_of(::mprotect(kAt, 4096, PROT_READ | PROT_WRITE))};
  });
  EXPECT_THAT(seen, Optional(ElementsAre(0, EACCES)));
}

TEST(SharedSegment, ReadOnlyIsNotWrittenThroughProcMemOrByAnotherWriter) {
  const Segment segment;
  const auto seen = in_child([&] {
    static_cast<void>(segment.attach());
    const int memory = ::open("/proc/self/mem", O_RDWR | O_CLOEXEC);
    char byte = 'x';
    const iovec from{&byte, 1};
    const iovec to{kAt, 1};
    return std::array{error_of(::pwrite(memory, &byte, 1, 0x70000000)),
                      error_of(::process_vm_writev(::getpid(), &from, 1, &to, 1, 0))};
  });
  EXPECT_THAT(seen, Optional(ElementsAre(EIO, EFAULT)));
  EXPECT_EQ(segment.base()[0], '\0');
}

TEST(SharedSegment, IsReplacedOnlyByWhoSaysRemap) {
  const Segment segment;
  const Segment other;
  const auto seen = in_child([&] {
    return std::array{segment.attach(), other.attach(), segment.attach(),
                      other.attach(SHM_RDONLY | SHM_REMAP)};
  });
  EXPECT_THAT(seen, Optional(ElementsAre(0, EINVAL, EINVAL, 0)));
}

TEST(SharedSegment, StandsInMapsWithItsNumberAsInode) {
  const Segment segment;
  const auto seen = in_child([&] {
    static_cast<void>(segment.attach());
    auto mappings = read_mappings(::getpid());
    if (!mappings.ok()) return std::array<int, 4>{};
    for (const Mapping& mapping : *mappings) {
      if (mapping.start != 0x70000000) continue;
      return std::array<int, 4>{mapping.end == 0x70000000 + kSize, static_cast<int>(mapping.inode),
                                mapping.read && !mapping.write && mapping.shared,
                                mapping.name.starts_with("/SYSV")};
    }
    return std::array<int, 4>{};
  });
  EXPECT_THAT(seen, Optional(ElementsAre(1, segment.id(), 1, 1)));
}

TEST(SharedSegment, OfMode0444IsWritableForNobodyWithoutPrivilege) {
  const Segment segment;  // an ordinary user's test owns it
  const auto seen = in_child([&] {
    become_ordinary();
    return std::array{segment.attach(0), segment.attach(SHM_RDONLY)};
  });
  EXPECT_THAT(seen, Optional(ElementsAre(EACCES, 0)));
}

TEST(SharedSegment, IsInheritedUnlessAdviceTakesItAway) {
  const Segment segment;
  segment.base()[0] = 'a';
  const auto first_byte_in_a_child = [] {
    return in_child([] {
             std::array<unsigned char, 1> resident{};
             return ::mincore(kAt, 4096, resident.data()) == 0 ? int{*static_cast<char*>(kAt)} : 0;
           })
        .value_or(-1);
  };
  const auto seen = in_child([&] {
    static_cast<void>(segment.attach());
    const int before = first_byte_in_a_child();
    const int removed = error_of(::madvise(kAt, 4096, MADV_REMOVE));
    ::madvise(kAt, kSize, MADV_DONTFORK);
    return std::array{before, removed, first_byte_in_a_child()};
  });
  EXPECT_THAT(seen, Optional(ElementsAre('a', EACCES, 0)));
}

// Why the segment's file must be out of reach by name as well: permission to attach is one thing,
// the file behind a mapping another.
TEST(SharedSegment, OpensForWritingThroughMapFilesOnlyForThePrivileged) {
  const Segment segment;
  const auto open_map_file = [&](bool ordinary) {
    return in_child([&] {
      if (ordinary) become_ordinary();
      static_cast<void>(segment.attach());
      return error_of(::open("/proc/self/map_files/70000000-70010000", O_RDWR | O_CLOEXEC));
    });
  };
  EXPECT_THAT(open_map_file(true), Optional(EPERM));
  if (!is_root()) GTEST_SKIP() << "only a privileged process can open it";
  EXPECT_THAT(open_map_file(false),
              Optional(testing::AnyOf(0, EPERM)));  // EPERM: a container's root
}

// ---- openat2: what was decided is a name, and the kernel opens that name or nothing. ----

TEST(Openat2, WithoutSymlinksStopsAtALinkWhereverItStands) {
  const TemporaryDirectory directory;
  ::mkdir((directory / "sub").c_str(), 0755);
  const std::string file = directory.file("sub/file");
  ASSERT_EQ(::symlink("sub", (directory / "dirlink").c_str()), 0);
  ASSERT_EQ(::symlink("file", (directory / "sub/link").c_str()), 0);
  EXPECT_EQ(open_how_error(file, O_RDONLY, RESOLVE_NO_SYMLINKS), 0);
  EXPECT_EQ(open_how_error(directory / "sub/link", O_RDONLY, RESOLVE_NO_SYMLINKS), ELOOP);
  EXPECT_EQ(open_how_error(directory / "dirlink/file", O_RDONLY, RESOLVE_NO_SYMLINKS), ELOOP);
  EXPECT_EQ(open_how_error("/proc/self/exe", O_RDONLY, RESOLVE_NO_SYMLINKS), ELOOP);
  const UniqueFd fd = pin(file);
  EXPECT_EQ(open_how_error(own_fd(fd), O_RDONLY, RESOLVE_NO_SYMLINKS), ELOOP);  // a magic link
}

TEST(Openat2, WithoutSymlinksStillReturnsTheLinkItself) {
  const TemporaryDirectory directory;
  ASSERT_EQ(::symlink("nowhere", (directory / "link").c_str()), 0);
  const open_how how{O_PATH | O_NOFOLLOW | O_CLOEXEC, 0, RESOLVE_NO_SYMLINKS};
  const UniqueFd fd(static_cast<int>(
      ::syscall(SYS_openat2, AT_FDCWD, (directory / "link").c_str(), &how, sizeof how)));
  struct stat st {};
  ASSERT_EQ(::fstat(fd.get(), &st), 0);
  EXPECT_TRUE(S_ISLNK(st.st_mode));
  EXPECT_EQ(open_how_error(directory / "link", O_NOFOLLOW, RESOLVE_NO_SYMLINKS), ELOOP);
}

TEST(Openat2, RefusesWhatOpenIgnores) {
  const TemporaryDirectory directory;
  const std::string file = directory.file("file");
  constexpr int kUnknown = 1 << 30;
  EXPECT_EQ(open_how_error(file, O_RDONLY, 0, 0644), EINVAL);  // a mode and nothing to create
  EXPECT_EQ(open_how_error(file, O_CREAT, 0, 0100644), EINVAL);
  EXPECT_EQ(open_how_error(file, kUnknown, 0), EINVAL);
  EXPECT_EQ(open_how_error(file, O_PATH | O_RDWR, 0), EINVAL);
  for (const int flags : {O_RDONLY, kUnknown, O_PATH | O_RDWR}) {
    const UniqueFd fd(::open(file.c_str(), flags, 0100644));
    EXPECT_TRUE(fd.valid()) << flags;
  }
}

TEST(Path, TheWholeNameNeedsSearchPermissionThatARelativeWalkDoesNot) {
  const TemporaryDirectory directory;
  const auto seen = in_child([&] {
    become_ordinary();
    ::mkdir((directory / "shut").c_str(), 0755);
    ::mkdir((directory / "shut/in").c_str(), 0755);
    const std::string file = directory.file("shut/in/file");
    static_cast<void>(!::chdir((directory / "shut/in").c_str()));
    ::chmod((directory / "shut").c_str(), 0600);
    const std::array errors{error_of(::open("file", O_RDONLY)),
                          error_of(::open(file.c_str(), O_RDONLY))};
    ::chmod((directory / "shut").c_str(), 0755);
    return errors;
  });
  EXPECT_THAT(seen, Optional(ElementsAre(0, EACCES)));
}

// ---- Pins: an O_PATH descriptor, and the name /proc/<keeper>/fd/<n>. ----

// A keeper that shares this process's table, as an ordinary user, and another such process that
// opens what the test pins after the keeper was made: 0 or errno.
int open_by_way_of_keeper(bool dumpable) {
  const TemporaryDirectory directory;
  const Gate ready;
  const Child keeper(static_cast<pid_t>(
      ::syscall(SYS_clone, CLONE_FILES | SIGCHLD, nullptr, nullptr, nullptr, nullptr)));
  if (keeper.pid() == 0) {
    become_ordinary();
    ::prctl(PR_SET_DUMPABLE, dumpable ? 1 : 0);
    ready.open();
    for (;;) ::pause();
  }
  ready.pass();
  const UniqueFd fd = pin(directory.file("file"));
  const std::string name =
      "/proc/" + std::to_string(keeper.pid()) + "/fd/" + std::to_string(fd.get());
  return in_child([&] {
           become_ordinary();
           return error_of(::open(name.c_str(), O_RDONLY | O_CLOEXEC));
         })
      .value_or(-1);
}

TEST(Keeper, IsAWayToWhateverTheSharedTableHoldsForAProcessOfItsUser) {
  EXPECT_EQ(open_by_way_of_keeper(true), 0);
}
TEST(Keeper, IsNoWayToAnythingWhileItIsUndumpable) {
  EXPECT_EQ(open_by_way_of_keeper(false), EACCES);
}

TEST(Keeper, LosesDumpabilityAndDeathSignalWithItsUser) {
  if (!is_root()) GTEST_SKIP() << "only root can change its user";
  const auto seen = in_child([] {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    static_cast<void>(!::syscall(SYS_setresuid, kNobody, kNobody, kNobody));
    int signal = -1;
    ::prctl(PR_GET_PDEATHSIG, &signal);
    return std::array{static_cast<int>(::prctl(PR_GET_DUMPABLE)) == 1 ? 1 : 0, signal};
  });
  EXPECT_THAT(seen, Optional(ElementsAre(0, 0)));
}

TEST(Pin, OfADirectoryStaysTheSameDirectory) {
  const TemporaryDirectory directory;
  ::mkdir((directory / "a").c_str(), 0755);
  ::mkdir((directory / "b").c_str(), 0755);
  static_cast<void>(directory.file("a/leaf", "judged"));
  static_cast<void>(directory.file("b/leaf", "other"));
  const UniqueFd fd = pin(directory / "a");
  ASSERT_EQ(::rename((directory / "a").c_str(), (directory / "moved").c_str()), 0);
  ASSERT_EQ(::symlink("b", (directory / "a").c_str()), 0);
  EXPECT_EQ(contents(directory / "a/leaf"), "other");
  EXPECT_EQ(contents(own_fd(fd) + "/leaf"), "judged");
}

TEST(Pin, OfAFileTakesAModeANewNameAndAnOpen) {
  const TemporaryDirectory directory;
  const UniqueFd fd = pin(directory.file("file", "text"));
  EXPECT_EQ(::fchmod(fd.get(), 0600), -1);  // the descriptor itself is good for nothing
  EXPECT_EQ(errno, EBADF);
  EXPECT_EQ(::chmod(own_fd(fd).c_str(), 0600), 0);
  EXPECT_EQ(::linkat(AT_FDCWD, own_fd(fd).c_str(), AT_FDCWD, (directory / "new").c_str(),
                     AT_SYMLINK_FOLLOW),
            0);
  EXPECT_EQ(contents(directory / "new"), "text");
}

TEST(Pin, OfASocketIsAnAddressToConnectTo) {
  const TemporaryDirectory directory;
  const auto seen = in_child([&] {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    static_cast<void>(!::chdir((directory / "").c_str()));
    address.sun_path[0] = 's';
    auto* general = reinterpret_cast<sockaddr*>(&address);
    const int listener = ::socket(AF_UNIX, SOCK_STREAM, 0);
    static_cast<void>(::bind(listener, general, sizeof address));
    ::listen(listener, 1);
    const UniqueFd fd = pin("s");
    own_fd(fd).copy(address.sun_path, sizeof address.sun_path - 1);
    const int error =
        error_of(::connect(::socket(AF_UNIX, SOCK_STREAM, 0), general, sizeof address));
    address = {};
    socklen_t size = sizeof address;
    ::getsockname(listener, general, &size);
    // What it was bound as, letter for letter: a redirected bind would show.
    return std::array{error, std::string(address.sun_path) == "s" ? 1 : 0};
  });
  EXPECT_THAT(seen, Optional(ElementsAre(0, 1)));
}

TEST(ProcFd, NamesADeletedObjectAsALivingOneMightBeNamed) {
  const TemporaryDirectory directory;
  const UniqueFd deleted = pin(directory.file("x"));
  const UniqueFd living = pin(directory.file("x (deleted)"));
  ::unlink((directory / "x").c_str());
  EXPECT_EQ(*read_link(own_fd(deleted)), *read_link(own_fd(living)));
  struct stat st {};
  ASSERT_EQ(::fstat(deleted.get(), &st), 0);
  EXPECT_EQ(st.st_nlink, 0U);
}

TEST(Socket, IsKnownByItsInodeOnWhateverNumberItIs) {
  const UniqueFd udp(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const UniqueFd tcp(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  struct stat st {};
  ASSERT_EQ(::fstat(udp.get(), &st), 0);
  EXPECT_NE(*read_link(own_fd(tcp)), *read_link(own_fd(udp)));
  ASSERT_EQ(::dup2(udp.get(), tcp.get()), tcp.get());
  EXPECT_EQ(*read_link(own_fd(tcp)), "socket:[" + std::to_string(st.st_ino) + "]");
}

TEST(Sendmmsg, WritesEachLengthIntoTheCallersArray) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd a(ends[0]);
  const UniqueFd b(ends[1]);
  const Segment segment;
  char text[] = "x";
  iovec vector{text, 1};
  auto* message = reinterpret_cast<mmsghdr*>(segment.base());
  message->msg_hdr.msg_iov = &vector;
  message->msg_hdr.msg_iovlen = 1;
  const auto seen = in_child([&] {
    static_cast<void>(segment.attach());
    return error_of(::syscall(SYS_sendmmsg, a.get(), kAt, 1, 0));
  });
  EXPECT_THAT(seen, Optional(EFAULT));
  EXPECT_EQ(::recv(b.get(), text, 1, MSG_DONTWAIT), 1);  // and yet it went out
}

// ---- The filter and the tracer. ----

TEST(SeccompFilter, AnswersEnosysWhereATraceHasNoTracer) {
  const auto seen = in_child([] {
    const int bare = error_of(::syscall(SYS_execve, nullptr, 1, 0));
    load_actions({{SYS_execve, SECCOMP_RET_TRACE}});
    return std::array{bare, error_of(::syscall(SYS_execve, nullptr, 1, 0))};
  });
  EXPECT_THAT(seen, Optional(ElementsAre(EFAULT, ENOSYS)));
}

void change_number(pid_t tid, int number) {
  auto registers = Registers::fetch(tid);
  if (!registers.ok()) return;
  registers->set_number(kNative, number);
  static_cast<void>(registers->store(tid));
}

TEST(SeccompFilter, IsRunAgainOnAChangedNumberAndThenATraceIsAPass) {
  Tracee tracee([] {
    uid_t uid = 0, effective = 0, saved = 0;
    ::getresuid(&uid, &effective, &saved);
    load_actions({{SYS_getppid, SECCOMP_RET_TRACE},
                  {SYS_getuid, SECCOMP_RET_TRACE},
                  {SYS_getgid, SECCOMP_RET_ERRNO | EXDEV}});
    const bool traced_number_ran = ::syscall(SYS_getppid) == static_cast<long>(uid);
    const bool refused_number_refused = ::syscall(SYS_getppid) == -1 && errno == EXDEV;
    return (traced_number_ran ? 1 : 0) + (refused_number_refused ? 2 : 0);
  });
  ASSERT_TRUE(tracee.seized());
  ASSERT_EQ(tracee.next().kind(), WaitStatus::Kind::Seccomp);
  change_number(tracee.pid(), SYS_getuid);
  tracee.go();
  ASSERT_EQ(tracee.next().kind(), WaitStatus::Kind::Seccomp);
  change_number(tracee.pid(), SYS_getgid);
  tracee.go();
  const WaitStatus end = tracee.next();  // no stop for getuid in between
  ASSERT_EQ(end.kind(), WaitStatus::Kind::Exited);
  EXPECT_EQ(WEXITSTATUS(end.raw()), 3);
}

TEST(SeccompStop, WithANegativeNumberSkipsTheCallAndKeepsTheTracersAnswer) {
  Tracee tracee([] {
    load_actions({{SYS_getppid, SECCOMP_RET_TRACE}});
    return ::syscall(SYS_getppid) == 1234 ? 42 : 1;
  });
  ASSERT_EQ(tracee.next().kind(), WaitStatus::Kind::Seccomp);
  auto registers = Registers::fetch(tracee.pid());
  ASSERT_TRUE(registers.ok());
  registers->skip_call(kNative, 1234);
  ASSERT_TRUE(registers->store(tracee.pid()).ok());
  EXPECT_EQ(tracee.finish(), 42);
}

#if defined(__x86_64__)
constexpr bool kHasInt80 = true;
long getpid_by_int80() {
  long result = 20;
  asm volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
  return result;
}
#else
constexpr bool kHasInt80 = false;
long getpid_by_int80() { return -1; }
#endif

TEST(SyscallInfo, SaysI386ForTheOldGateOfA64BitProgram) {
  if (!kHasInt80) GTEST_SKIP() << "int $0x80 is an instruction of x86";
  if (in_child(getpid_by_int80).value_or(-1) <= 0) GTEST_SKIP() << "no 32-bit calls in this kernel";
  Tracee tracee([] {
    load({{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, arch)},
          {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, AUDIT_ARCH_I386},
          {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_TRACE},
          {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}});
    return getpid_by_int80() == ::getpid() ? 42 : 1;
  });
  ASSERT_EQ(tracee.next().kind(), WaitStatus::Kind::Seccomp);
  __ptrace_syscall_info info{};
  ASSERT_GT(::ptrace(PTRACE_GET_SYSCALL_INFO, tracee.pid(), sizeof info, &info), 0);
  EXPECT_EQ(info.op, PTRACE_SYSCALL_INFO_SECCOMP);
  EXPECT_EQ(info.arch, unsigned{AUDIT_ARCH_I386});
  EXPECT_EQ(info.seccomp.nr, 20U);
  EXPECT_EQ(tracee.finish(), 42);
}

TEST(Restart, ComesBackAsTheSameCallWithTheArgumentsThatWereRestored) {
  Tracee tracee([] {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGUSR1, &action, nullptr);
    int ends[2];
    if (::pipe(ends) != 0) return 1;
    load_actions({{SYS_read, SECCOMP_RET_TRACE}});
    return static_cast<int>(::syscall(SYS_read, ends[0], nullptr, 77));
  });
  ASSERT_EQ(tracee.next().kind(), WaitStatus::Kind::Seccomp);
  auto original = Registers::fetch(tracee.pid());
  ASSERT_TRUE(original.ok());
  Registers changed = *original;
  changed.set_argument(kNative, 2, 5);
  ASSERT_TRUE(changed.store(tracee.pid()).ok());
  tracee.go(0, PTRACE_SYSCALL);
  wait_until_asleep_in(tracee.pid(), SYS_read);
  ::kill(tracee.pid(), SIGUSR1);
  ASSERT_EQ(tracee.next().kind(), WaitStatus::Kind::SyscallExit);
  auto result = Registers::fetch_result(tracee.pid(), kNative);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(*result, -512);
  original->set_result(kNative, *result);
  ASSERT_TRUE(original->store(tracee.pid()).ok());
  tracee.go();
  const WaitStatus delivery = tracee.next();
  ASSERT_EQ(delivery.kind(), WaitStatus::Kind::Signal);
  tracee.go(delivery.signal());
  ASSERT_EQ(tracee.next().kind(), WaitStatus::Kind::Seccomp);
  auto again = Registers::fetch(tracee.pid());
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->number(kNative), SYS_read);
  EXPECT_EQ(again->argument(kNative, 2), 77U);
  again->skip_call(kNative, 42);
  ASSERT_TRUE(again->store(tracee.pid()).ok());
  EXPECT_EQ(tracee.finish(), 42);
}

TEST(Interrupt, EndsSomeCallsWithEintrWhichTheTracerCanTakeBack) {
  const UniqueFd event(::eventfd(0, EFD_CLOEXEC));
  Tracee tracee([&] {
    const int set = ::epoll_create1(0);
    epoll_event wanted{EPOLLIN, {}};
    ::epoll_ctl(set, EPOLL_CTL_ADD, event.get(), &wanted);
    return ::syscall(SYS_epoll_pwait, set, &wanted, 1, -1, nullptr, 8) == 1 ? 42 : errno;
  });
  wait_until_asleep_in(tracee.pid(), SYS_epoll_pwait);
  trace(PTRACE_INTERRUPT, tracee.pid());
  ASSERT_EQ(tracee.next().kind(), WaitStatus::Kind::EventStop);
  auto registers = Registers::fetch(tracee.pid());
  ASSERT_TRUE(registers.ok());
  EXPECT_EQ(registers->result(kNative), -EINTR);
  registers->set_result(kNative, -514);  // ERESTARTNOHAND
  ASSERT_TRUE(registers->store(tracee.pid()).ok());
  tracee.go();
  wait_until_asleep_in(tracee.pid(), SYS_epoll_pwait);
  ASSERT_EQ(::eventfd_write(event.get(), 1), 0);
  EXPECT_EQ(tracee.finish(), 42);
}

TEST(Interrupt, DoesNotStopAParentThatSleepsInVfork) {
  const Gate gate;
  Tracee tracee([&] {
    const long child =
        ::syscall(SYS_clone, CLONE_VFORK | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
    if (child == 0) {
      gate.pass();
      _exit(0);
    }
    return 42;
  });
  wait_until_asleep_in(tracee.pid(), SYS_clone);
  trace(PTRACE_INTERRUPT, tracee.pid());
  int status = 0;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(::waitpid(tracee.pid(), &status, __WALL | WNOHANG), 0);
    ::sched_yield();
  }
  gate.open();
  EXPECT_EQ(tracee.next().kind(), WaitStatus::Kind::EventStop);
  EXPECT_EQ(tracee.finish(), 42);
}

// ---- Births, executions, deaths. ----

// A process that holds `pid` as its tracer and keeps group stops as they are.
pid_t tracer_of(pid_t pid, uint64_t options, const Gate& seized) {
  const pid_t tracer = ::fork();
  if (tracer != 0) return tracer;
  if (trace(PTRACE_SEIZE, pid, options) != 0) _exit(1);
  seized.open();
  for (;;) {
    int raw = 0;
    if (::waitpid(pid, &raw, __WALL) != pid || !WIFSTOPPED(raw)) _exit(0);
    const WaitStatus status(raw);
    const bool group = status.kind() == WaitStatus::Kind::GroupStop;
    const bool signal = status.kind() == WaitStatus::Kind::Signal;
    trace(group ? PTRACE_LISTEN : PTRACE_CONT, pid,
          signal ? static_cast<uint64_t>(status.signal()) : 0);
  }
}

pid_t sleeper() {
  const Gate ready;
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);  // Yama: the tracer is no ancestor
    ready.open();
    for (;;) ::pause();
  }
  ready.pass();
  return pid;
}

TEST(Tracer, TakesItsTraceesWithItWhenItDies) {
  Child program(sleeper());
  const Gate seized;
  const Child tracer(tracer_of(program.pid(), PTRACE_O_EXITKILL, seized));
  seized.pass();
  ::kill(tracer.pid(), SIGKILL);
  int status = 0;
  ASSERT_EQ(::waitpid(program.pid(), &status, 0), program.pid());
  program.reaped();
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
}

TEST(GroupStop, OfATraceeIsToldToItsRealParent) {
  const Child program(sleeper());
  const Gate seized;
  const Child tracer(tracer_of(program.pid(), 0, seized));
  seized.pass();
  int status = 0;
  ::kill(program.pid(), SIGTSTP);
  ASSERT_EQ(::waitpid(program.pid(), &status, WUNTRACED), program.pid());
  EXPECT_TRUE(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP) << status;
  ::kill(program.pid(), SIGCONT);
  ASSERT_EQ(::waitpid(program.pid(), &status, WCONTINUED), program.pid());
  EXPECT_TRUE(WIFCONTINUED(status)) << status;
}

TEST(Birth, IsUnderTheParentsTracerBeforeTheFirstInstruction) {
  Tracee tracee(
      [] {
        const pid_t pid = ::fork();
        if (pid == 0) _exit(7);
        int status = 0;
        ::waitpid(pid, &status, 0);
        return WEXITSTATUS(status);
      },
      PTRACE_O_TRACEFORK);
  ASSERT_EQ(tracee.next().kind(), WaitStatus::Kind::NewTask);
  unsigned long message = 0;
  trace(PTRACE_GETEVENTMSG, tracee.pid(), reinterpret_cast<uint64_t>(&message));
  const auto child = static_cast<pid_t>(message);
  int raw = 0;
  ASSERT_EQ(::waitpid(child, &raw, __WALL), child);
  EXPECT_EQ(WaitStatus(raw).kind(), WaitStatus::Kind::EventStop);
  trace(PTRACE_CONT, child);
  ASSERT_EQ(::waitpid(child, &raw, __WALL), child);
  EXPECT_EQ(WaitStatus(raw).kind(), WaitStatus::Kind::Exited);
  EXPECT_EQ(tracee.finish(), 7);
}

TEST(Exec, ByAThreadIsReportedUnderTheLeadersNumberWithTheFormerOne) {
  Tracee tracee(
      [] {
        std::thread([] { ::execl("/bin/true", "true", nullptr); }).join();
        return 1;
      },
      PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC);
  const pid_t leader = tracee.pid();
  pid_t thread = 0;
  for (;;) {
    int raw = 0;
    const pid_t pid = ::waitpid(-1, &raw, __WALL);
    ASSERT_GT(pid, 0);
    if (pid != leader) thread = pid;
    if (WaitStatus(raw).kind() == WaitStatus::Kind::Exec) {
      unsigned long former = 0;
      trace(PTRACE_GETEVENTMSG, pid, reinterpret_cast<uint64_t>(&former));
      EXPECT_EQ(pid, leader);
      EXPECT_EQ(static_cast<pid_t>(former), thread);
      break;
    }
    ASSERT_TRUE(WIFSTOPPED(raw));
    trace(PTRACE_CONT, pid);
  }
  EXPECT_EQ(tracee.finish(), 0);
}

TEST(Exec, EndsTheSharingOfADescriptorTable) {
  EXPECT_THAT(
      in_child([] {
        const int closed_on_exec = ::open("/", O_RDONLY | O_CLOEXEC);
        // CLONE_VFORK: it goes on here once the child has executed.
        const long child = ::syscall(SYS_clone, CLONE_FILES | CLONE_VFORK | SIGCHLD, nullptr,
                                     nullptr, nullptr, nullptr);
        if (child == 0) {
          ::execl("/bin/sleep", "sleep", "60", nullptr);
          _exit(1);
        }
        const Child program(static_cast<pid_t>(child));
        const int later = ::open("/", O_RDONLY);
        const auto theirs = [&](int fd) {
          return read_link("/proc/" + std::to_string(child) + "/fd/" + std::to_string(fd)).ok();
        };
        return std::array{error_of(::fcntl(closed_on_exec, F_GETFD)),
                          theirs(closed_on_exec) ? 1 : 0, theirs(later) ? 1 : 0};
      }),
      Optional(ElementsAre(0, 0, 0)));
}

TEST(Affinity, HoldsForAStoppedTask) {
  Tracee tracee([] { return ::pause(); });
  cpu_set_t own;
  cpu_set_t one;
  ASSERT_EQ(::sched_getaffinity(0, sizeof own, &own), 0);
  CPU_ZERO(&one);
  size_t cpu = 0;
  while (!CPU_ISSET(cpu, &own)) ++cpu;
  CPU_SET(cpu, &one);
  trace(PTRACE_INTERRUPT, tracee.pid());
  ASSERT_EQ(tracee.next().kind(), WaitStatus::Kind::EventStop);
  EXPECT_EQ(::sched_setaffinity(tracee.pid(), sizeof one, &one), 0);
  ASSERT_EQ(::sched_getaffinity(tracee.pid(), sizeof own, &own), 0);
  EXPECT_TRUE(CPU_EQUAL(&one, &own));
}

// ---- What a tracer can read. ----

TEST(ForeignMemory, ReadsShortAtAnUnmappedPage) {
  auto* pages = static_cast<char*>(
      ::mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(pages, MAP_FAILED);
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  if (page != 4096) GTEST_SKIP() << "written for pages of 4096 bytes";
  ::munmap(pages + page, page);
  char buffer[100];
  const iovec to{buffer, sizeof buffer};
  const iovec across{pages + page - 10, sizeof buffer};
  EXPECT_EQ(::process_vm_readv(::getpid(), &to, 1, &across, 1, 0), 10);
  const iovec beyond{pages + page, sizeof buffer};
  EXPECT_EQ(::process_vm_readv(::getpid(), &to, 1, &beyond, 1, 0), -1);
  EXPECT_EQ(errno, EFAULT);
  ::munmap(pages, page);
}

TEST(ForeignMemory, OfMemfdSecretCannotBeRead) {
#ifndef SYS_memfd_secret
  constexpr long SYS_memfd_secret = 447;
#endif
  const UniqueFd fd(static_cast<int>(::syscall(SYS_memfd_secret, 0)));
  if (!fd.valid()) GTEST_SKIP() << "no memfd_secret in this kernel";
  ASSERT_EQ(::ftruncate(fd.get(), 4096), 0);
  auto* page =
      static_cast<char*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0));
  ASSERT_NE(page, MAP_FAILED);
  page[0] = 's';
  char byte = 0;
  const iovec to{&byte, 1};
  const iovec from{page, 1};
  EXPECT_EQ(::process_vm_readv(::getpid(), &to, 1, &from, 1, 0), -1);
  EXPECT_EQ(errno, EFAULT);
  const UniqueFd memory(::open("/proc/self/mem", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(::pread(memory.get(), &byte, 1, reinterpret_cast<off_t>(page)), -1);
  EXPECT_EQ(errno, EIO);
  ::munmap(page, 4096);
}

TEST(ForeignMemory, OfAnUndumpableProcessIsHiddenFromAnUnprivilegedTracer) {
  const auto seen = in_child([] {
    become_ordinary();
    static char byte = 'x';
    const Gate undumpable;
    const Gate wait;
    const Tracee tracee([&] {
      ::prctl(PR_SET_DUMPABLE, 0);
      undumpable.open();
      wait.pass();
      return 0;
    });
    undumpable.pass();
    const iovec to{&byte, 1};
    const int memory = error_of(::process_vm_readv(tracee.pid(), &to, 1, &to, 1, 0));
    auto link = read_link("/proc/" + std::to_string(tracee.pid()) + "/fd/0");
    trace(PTRACE_INTERRUPT, tracee.pid());
    int raw = 0;
    ::waitpid(tracee.pid(), &raw, __WALL);
    return std::array{memory, link.ok() ? 0 : link.error().code,
                      Registers::fetch(tracee.pid()).ok() ? 1 : 0};
  });
  EXPECT_THAT(seen, Optional(ElementsAre(EPERM, EACCES, 1)));
}

TEST(Identity, OfAnotherUserDropsRootsFileCapabilitiesAndComesBack) {
  if (!is_root()) GTEST_SKIP() << "only root can look with another user's eyes";
  const TemporaryDirectory directory;
  const std::string file = directory.file("secret");
  ASSERT_EQ(::chmod(file.c_str(), 0600), 0);
  const auto seen = in_child([&] {
    ::setfsuid(kNobody);
    const int other = error_of(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    ::setfsuid(0);
    return std::array{other, error_of(::open(file.c_str(), O_RDONLY | O_CLOEXEC))};
  });
  EXPECT_THAT(seen, Optional(ElementsAre(EACCES, 0)));
}

TEST(EmptyPath, MayBeNullForACallThatKnowsIt) {
  struct stat st {};
#if defined(SYS_newfstatat)
  const long result = ::syscall(SYS_newfstatat, 0, nullptr, &st, AT_EMPTY_PATH);
  if (result != 0 && errno == EFAULT) GTEST_SKIP() << "since Linux 6.11";
  EXPECT_EQ(result, 0);
#else
  GTEST_SKIP() << "no newfstatat on this machine";
#endif
}

}  // namespace
}  // namespace callgate
