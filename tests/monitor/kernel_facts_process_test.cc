// The kernel facts that callgate stands on (docs/kernel.md): shared memory, births, executions,
// deaths, and what a tracer can read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/monitor/kernel_facts.h"

namespace callgate {
namespace {

using testing::ElementsAre;
using testing::Optional;

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
  ::kill(program.pid(), SIGSTOP);
  ASSERT_EQ(::waitpid(program.pid(), &status, WUNTRACED), program.pid());
  EXPECT_TRUE(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP) << status;
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

}  // namespace
}  // namespace callgate
