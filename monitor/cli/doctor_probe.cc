#include "monitor/cli/doctor_probe.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <functional>
#include <optional>

#include "arch/abi.h"
#include "arch/registers.h"
#include "arch/unique_fd.h"
#include "monitor/argument_area.h"
#include "monitor/cli/say.h"
#include "monitor/proc_files.h"

namespace callgate::cli {
namespace {

using State = Finding::State;

constexpr int kReplacement = 4242;  // what the traced child must be told getppid answers
constexpr char kMarker[] = "callgate doctor";
constexpr const char* kContainerCure =
    "in a container, allow it: docker or podman run --security-opt seccomp=unconfined, or a "
    "seccomp profile that permits the call";

int wait_for(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, __WALL) < 0) {
    if (errno != EINTR) return -1;
  }
  return status;
}

// Runs `body` in a child; its exit status, or -1 when it died of a signal or could not be made.
int in_child(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child < 0) return -1;
  if (child == 0) {
    alarm(10);
    _exit(body());
  }
  const int status = wait_for(child);
  return status >= 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Traps getppid, allows all else.
bool install_filter() {
  std::array<sock_filter, 4> code = {{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

[[noreturn]] void tracee(int gate) {
  alarm(10);
  char go = 0;
  if (read(gate, &go, 1) != 1) _exit(10);
  if (!install_filter()) _exit(11);
  const long answer = syscall(SYS_getppid);
  _exit(answer == kReplacement ? 0 : 12);
}

std::string failed(const char* what, int error) {
  return std::string(what) + " fails: " + error_text(error);
}

// At the child's stop: who called what, its memory, and the replacement.
std::optional<Finding> answer_stop(pid_t child) {
  __ptrace_syscall_info info{};  // glibc's name for the kernel's structure
  if (ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof info, &info) < 0) {
    return Finding{State::Broken, failed("PTRACE_GET_SYSCALL_INFO", errno),
                   "callgate needs Linux 5.3 or later"};
  }
  const auto abi = abi_from_audit_arch(info.arch);
  if (info.op != PTRACE_SYSCALL_INFO_SECCOMP || !abi || info.seccomp.nr != SYS_getppid) {
    return Finding{State::Broken, "PTRACE_GET_SYSCALL_INFO does not tell which call stopped",
                   "a tracer or sandbox above us (gVisor?) emulates ptrace; run outside of it"};
  }
  std::array<char, sizeof kMarker> copy{};
  const iovec local{copy.data(), copy.size()};
  iovec remote{};
  remote.iov_base = const_cast<char*>(&kMarker[0]);  // NOLINT: same address in the forked child
  remote.iov_len = sizeof kMarker;
  const ssize_t count = process_vm_readv(child, &local, 1, &remote, 1, 0);
  if (count != static_cast<ssize_t>(sizeof kMarker) ||
      std::memcmp(copy.data(), &kMarker[0], sizeof kMarker) != 0) {
    return Finding{State::Broken, failed("reading a traced program's memory", errno),
                   kContainerCure};
  }
  auto registers = Registers::fetch(child);
  if (!registers.ok()) {
    return Finding{State::Broken, failed("reading registers", registers.error().code), {}};
  }
  registers->skip_call(*abi, kReplacement);
  const Status stored = registers->store(child);
  if (!stored.ok()) {
    return Finding{State::Broken, failed("writing registers", stored.error().code), {}};
  }
  return std::nullopt;
}

std::optional<Finding> trace_child(pid_t child, const UniqueFd& gate) {
  constexpr long kOptions = PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL;
  if (ptrace(PTRACE_SEIZE, child, 0, kOptions) < 0) {
    const int error = errno;
    const auto self = read_task_status(getpid());
    if (self.ok() && self->tracer != 0) {
      return Finding{State::Broken, failed("PTRACE_SEIZE of our own child", error),
                     "process " + std::to_string(self->tracer) +
                         " traces us (another callgate, strace, a debugger), and nothing has two "
                         "tracers: start callgate outside of it"};
    }
    return Finding{State::Broken, failed("PTRACE_SEIZE of our own child", error),
                   "something forbids ptrace: kernel.yama.ptrace_scope=3 (until the next boot), a "
                   "container without the call (--cap-add SYS_PTRACE, or a profile that permits "
                   "ptrace), or SELinux (setsebool deny_ptrace off)"};
  }
  if (write(gate.get(), "x", 1) != 1) return Finding{State::Broken, "the child went away", {}};
  const int stop = wait_for(child);
  if (WIFEXITED(stop)) {
    if (WEXITSTATUS(stop) == 11) {
      return Finding{State::Broken, "a seccomp filter cannot be installed",
                     "the kernel needs CONFIG_SECCOMP_FILTER; " + std::string(kContainerCure)};
    }
    return Finding{State::Broken, "SECCOMP_RET_TRACE does not stop the program",
                   "the kernel needs CONFIG_SECCOMP_FILTER, and must not be emulated (gVisor, "
                   "WSL1)"};
  }
  if (!WIFSTOPPED(stop) || stop >> 8 != (SIGTRAP | (PTRACE_EVENT_SECCOMP << 8))) {
    return Finding{State::Broken, "the traced child stopped for another reason than its call", {}};
  }
  if (auto finding = answer_stop(child)) return finding;
  if (ptrace(PTRACE_CONT, child, 0, 0) < 0) {
    return Finding{State::Broken, failed("PTRACE_CONT", errno), {}};
  }
  const int end = wait_for(child);
  if (!WIFEXITED(end) || WEXITSTATUS(end) != 0) {
    return Finding{State::Broken, "a replaced system call does not reach the program", {}};
  }
  return std::nullopt;
}

// The smallest program: exit(42) by int 0x80. ELF32 header, one program header, 12 bytes of code.
constexpr std::array<uint8_t, 96> k32BitProgram = {
    0x7f, 'E',  'L',  'F',  1,    1,    1,    0,    0,  0,    0,  0, 0,  0, 0,    0,   2, 0, 3, 0,
    1,    0,    0,    0,    0x54, 0x80, 0x04, 0x08, 52, 0,    0,  0, 0,  0, 0,    0,   0, 0, 0, 0,
    52,   0,    32,   0,    1,    0,    0,    0,    0,  0,    0,  0, 1,  0, 0,    0,   0, 0, 0, 0,
    0,    0x80, 0x04, 0x08, 0,    0x80, 0x04, 0x08, 96, 0,    0,  0, 96, 0, 0,    0,   5, 0, 0, 0,
    0,    0x10, 0,    0,    0xb8, 1,    0,    0,    0,  0xbb, 42, 0, 0,  0, 0xcd, 0x80};

}  // namespace

std::vector<Finding> probe_tracing() {
  std::array<int, 2> pipe_ends{};
  if (pipe2(pipe_ends.data(), O_CLOEXEC) != 0) {
    return {{State::Broken, failed("pipe", errno), {}}};
  }
  UniqueFd reader(pipe_ends[0]);
  const UniqueFd writer(pipe_ends[1]);
  const pid_t child = fork();
  if (child < 0) return {{State::Broken, failed("fork", errno), "raise the limit of processes"}};
  if (child == 0) tracee(reader.get());
  reader.reset();
  if (auto finding = trace_child(child, writer)) {
    kill(child, SIGKILL);  // not waited for with certainty: it may be reaped already
    waitpid(child, nullptr, __WALL);
    return {*finding};
  }
  return {{State::Fine, "ptrace: seizing a child, reading its memory, writing its registers", {}},
          {State::Fine, "seccomp: a filter stops a call, and the call can be replaced", {}}};
}

Finding probe_argument_area() {
  const int outcome = in_child([] {
    auto area = ArgumentArea::create();
    if (!area.ok()) return 1;
    void* const wanted = reinterpret_cast<void*>(ArgumentArea::kAddress);  // NOLINT: fixed address
    if (shmat(area->segment(), wanted, SHM_RDONLY) != wanted) return 2;
    if (mprotect(wanted, 4096, PROT_READ | PROT_WRITE) == 0) return 3;
    return errno == EACCES ? 0 : 3;
  });
  switch (outcome) {
    case 0:
      return {State::Fine, "shared memory: read-only at the fixed address, and stays so", {}};
    case 1:
      return {State::Broken, "a System V shared memory segment of 64 MiB cannot be made",
              "raise the limits (sysctl kernel.shmmax, kernel.shmall, kernel.shmmni) or the "
              "memory limit; the kernel needs CONFIG_SYSVIPC"};
    case 2:
      return {
          State::Broken, "shared memory cannot be attached at 0x70000000",
          "lower vm.mmap_min_addr if it lies above; under another callgate that place is taken"};
    default:
      return {State::Broken, "memory that is attached read-only can be made writable",
              "this kernel does not keep what sealing needs; use another"};
  }
}

Finding probe_openat2() {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_NO_SYMLINKS;
  const UniqueFd fd(static_cast<int>(syscall(SYS_openat2, AT_FDCWD, "/", &how, sizeof how)));
  if (fd.valid()) return {State::Fine, "openat2: opening without symbolic links", {}};
  if (errno == ENOSYS) {
    return {State::Broken, "openat2 is missing",
            "callgate needs Linux 5.6 or later; an old container runtime may also hide the call "
            "(upgrade libseccomp and the runtime)"};
  }
  return {State::Broken, failed("openat2", errno), kContainerCure};
}

Finding probe_proc() {
  const UniqueFd root(open("/", O_PATH | O_CLOEXEC));
  const std::string link =
      "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(root.get());
  std::array<char, 64> name{};
  const ssize_t length = readlink(link.c_str(), name.data(), name.size());
  if (length == 1 && name[0] == '/' && access("/proc/self/maps", R_OK) == 0) {
    return {State::Fine, "/proc: mounted, and shows what descriptors name", {}};
  }
  return {State::Broken, "/proc does not show our own descriptors",
          "mount it: mount -t proc proc /proc (in a chroot or container too)"};
}

Finding probe_32bit() {
  const int outcome = in_child([] {
    const UniqueFd file(static_cast<int>(syscall(SYS_memfd_create, "32bit", MFD_CLOEXEC)));
    const auto size = static_cast<ssize_t>(k32BitProgram.size());
    if (write(file.get(), k32BitProgram.data(), k32BitProgram.size()) != size) return 1;
    std::array<char*, 1> none{nullptr};
    fexecve(file.get(), none.data(), none.data());
    return errno == ENOEXEC ? 2 : 1;
  });
  if (outcome == 42) return {State::Fine, "32-bit programs run here", {}};
  if (outcome == 1) return {State::Note, "whether 32-bit programs run could not be tried", {}};
  return {State::Note, "32-bit programs do not run on this kernel, with or without callgate", {}};
}

Finding probe_landlock() {
  // LANDLOCK_CREATE_RULESET_VERSION is 1; the number is the same on every machine.
  constexpr long kCreateRuleset = 444;
  const long version = syscall(kCreateRuleset, nullptr, size_t{0}, 1U);
  if (version > 0) {
    return {State::Note,
            "Landlock " + std::to_string(version) + " is there; callgate does not need it",
            {}};
  }
  return {State::Note, "Landlock is not there; callgate does not need it", {}};
}

}  // namespace callgate::cli
