// attack: compat-entries
// class: abi
// severity: critical
// needs: x86
// bits: 64, for it enters 32-bit code from 64-bit code
// trap: Two ways for a 64-bit program to make i386's calls, "int $0x80" and a far jump into a 32-bit code
//   segment, each with garbage in the high halves of every argument: names, sockets, programs,
//   descriptors.
// naive: Tells the ABI by the program, by its code segment or once per process; compares 64 bits. (Of
//   these mistakes `--model naive` makes one, the single table of numbers: int80-and-mixed-arch.)
// kernel: Both enter at the i386 table, whatever the program; high halves are cut off
//   (entry_64_compat.S), and a far jump changes CS without a system call.
// sealed: The ABI comes with each call from the kernel; arguments are read as that ABI has them.
// source: seccomp_filter.rst, Pitfalls; CVE-2019-10063
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network allow tcp connect 127.0.0.1:$OK_TCP
// report: $S/key
// report: $S/run
// report: 127.0.0.1:$TCP
#include "tests/support/int80.h"

namespace attack {
namespace {

enum class Entry { Int80, FarJump };
constexpr long kNoise = 0x5a5a5a5a00000000;

// int $0x80; ljmp 0x33:+16; (64-bit again) mov +32, %rsp; jmp *+40. The start's CS:EIP stands at
// +48. A return to 32-bit code keeps only the lower half of the stack pointer.
constexpr unsigned char kCode[] = {0xcd, 0x80, 0xea, 0, 0, 0, 0, 0x33, 0};
constexpr unsigned char kBack[] = {0x48, 0x8b, 0x25, 9, 0, 0, 0, 0xff, 0x25, 11, 0, 0, 0};
constexpr size_t kStart = 48;

char* thunk() {
  static char* const page = [] {
    char* place = low_memory(PROT_READ | PROT_WRITE | PROT_EXEC);
    std::memcpy(place, kCode, sizeof kCode);
    uint32_t back = word(place + 16);
    std::memcpy(place + 3, &back, sizeof back);
    std::memcpy(place + 16, kBack, sizeof kBack);
    uint32_t start = word(place);
    uint16_t segment = 0x23;  // __USER32_CS
    std::memcpy(place + kStart, &start, sizeof start);
    std::memcpy(place + kStart + 4, &segment, sizeof segment);
    return place;
  }();
  return page;
}

long call(Entry entry, long nr, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0) {
  auto noisy = [](long value) { return kNoise | (value & 0xffffffff); };
  if (entry == Entry::Int80) return int80(nr, noisy(a), noisy(b), noisy(c), noisy(d), noisy(e));
  register char* page asm("r9") = thunk();
  long result = 0;
  asm volatile(
      "lea 1f(%%rip), %%r8\n\t"
      "mov %%r8, 40(%[page])\n\t"
      "mov %%rsp, 32(%[page])\n\t"
      "ljmp *48(%[page])\n"
      "1:"
      : "=a"(result), [page] "+r"(page)
      : "a"(nr), "b"(noisy(a)), "c"(noisy(b)), "d"(noisy(c)), "S"(noisy(d)), "D"(noisy(e))
      : "memory", "cc", "r8", "r10", "r11");
  return static_cast<int>(result);
}

// Memory that 32-bit pointers reach, with a text at each of a few places.
struct Low {
  char* base = low_memory();
  uint32_t text(int place, const std::string& value) const {
    char* at = base + place * 4096L;
    std::strcpy(at, value.c_str());
    return word(at);
  }
  uint32_t words(int place, std::initializer_list<uint32_t> values) const {
    auto* at = reinterpret_cast<uint32_t*>(base + place * 4096L);
    std::copy(values.begin(), values.end(), at);
    return word(at);
  }
  uint32_t address(int port) const {
    sockaddr_in value = v4("127.0.0.1", port);
    std::memcpy(base + 8 * 4096L, &value, sizeof value);
    return word(base + 8 * 4096L);
  }
};

// Connects by socketcall or by the direct calls; the descriptor, or an error.
int connect_to(Entry entry, const Low& low, int port, bool mux) {
  constexpr uint32_t kLength = sizeof(sockaddr_in);
  long s = mux ? call(entry, 102, 1, low.words(3, {AF_INET, SOCK_STREAM, 0}))
               : call(entry, 359, AF_INET, SOCK_STREAM, 0);
  must(s >= 0, "socket");
  uint32_t to = low.address(port);
  long error = mux ? call(entry, 102, 3, low.words(3, {static_cast<uint32_t>(s), to, kLength}))
                   : call(entry, 362, s, to, kLength);
  return static_cast<int>(error < 0 ? error : s);
}

// The output's first bytes of a program run by execve, or of its absence.
std::string output_of(Entry entry, const Low& low, const std::string& program) {
  int pipes[2];
  must(::pipe(pipes) == 0, "pipe");
  pid_t child = spawn([&] {
    ::dup2(pipes[1], 1);
    uint32_t name = low.text(1, program);
    finish(-static_cast<int>(call(entry, 11, name, low.words(2, {name, 0}), low.words(3, {0}))));
  });
  ::close(pipes[1]);
  std::string text = read_all(pipes[0]);
  ::close(pipes[0]);
  reap(child);
  return text;
}

}  // namespace

void strike() {
  need_32_bit_calls();
  Low low;
  for (Entry entry : {Entry::Int80, Entry::FarJump}) {
    uint32_t key = low.text(1, secret());
    const auto by = [&](const char* name) {
      return way(std::string(entry == Entry::Int80 ? "int80: " : "far jump: ") + name);
    };
    if (by("open")) take(static_cast<int>(call(entry, 5, key, O_RDONLY, 0)));
    if (by("openat")) take(static_cast<int>(call(entry, 295, AT_FDCWD, key, O_RDONLY, 0)));
    if (by("chmod") && call(entry, 15, key, 0777) == 0) prey_taken("chmod");
    if (by("rename") && call(entry, 38, key, low.text(2, work("mine"))) == 0) take(work("mine"));
    if (by("unlinkat") && call(entry, 301, AT_FDCWD, key, 0) == 0) prey_taken("unlinked");
    int fd = ::open(secret("").c_str(), O_PATH | O_DIRECTORY);
    if (fd >= 0 && by("from a directory"))
      take(static_cast<int>(call(entry, 295, fd, low.text(1, "key"), O_RDONLY, 0)));
    ::close(fd);
    for (bool mux : {false, true}) {
      if (!by(mux ? "socketcall" : "connect")) continue;
      fd = connect_to(entry, low, number("ATTACK_TCP"), mux);
      if (fd >= 0) prey_taken(read_all(fd));
    }
    if (!by("execve")) continue;
    std::string text = output_of(entry, low, secret("run"));
    if (!text.empty()) prey_taken(text);
  }
  errno = EACCES;
  held("by both entries");
}

void twin() {
  need_32_bit_calls();
  Low low;
  for (Entry entry : {Entry::Int80, Entry::FarJump}) {
    auto fd = static_cast<int>(call(entry, 5, low.text(1, work("ok.dat")), O_RDONLY, 0));
    must(fd >= 0 && read_all(fd) == "harmless\n", "open and read");
    must(call(entry, 63 /* dup2 */, fd, 40) == 40 && call(entry, 6 /* close */, fd) == 0, "dup2");
    must(call(entry, 221 /* fcntl64 */, 40, F_DUPFD_CLOEXEC, 50) == 50, "F_DUPFD_CLOEXEC");
    must(call(entry, 94 /* fchmod */, 50, 0640) == 0, "fchmod");
    must(call(entry, 6, 40) == 0 && call(entry, 6, 50) == 0, "close");
    must(call(entry, 39 /* mkdir */, low.text(1, work("a")), 0755) == 0, "mkdir");
    must(call(entry, 38, low.text(1, work("a")), low.text(2, work("b"))) == 0, "rename");
    must(call(entry, 301, AT_FDCWD, low.text(1, work("b")), AT_REMOVEDIR) == 0, "unlinkat");
    must(call(entry, 5, low.text(1, work("none")), O_RDONLY) == -ENOENT, "ENOENT");
    for (bool mux : {false, true}) {
      fd = connect_to(entry, low, number("ATTACK_OK_TCP"), mux);
      must(fd >= 0 && read_all(fd) == "hello\n", "connect");
    }
    must(!output_of(entry, low, "/usr/bin/id").empty(), "execve");
    must(::open(work("ok.dat").c_str(), O_RDONLY) >= 0, "and 64-bit calls go on");
    must(call(entry, 9999) == -ENOSYS, "an unknown number");
  }
  twin_ok();
}

}  // namespace attack
