// attack: filter-shape
// class: seccomp
// severity: critical
// needs: x86
// bits: 64, for the upper halves of the registers
// trap: A filter is a program, and may be wrong at any point of its input. Make every call there
//   is, by every entry there is, with $S/key in every place where a name may stand: numbers 0 to
//   1,023 by syscall, by int 0x80, with the x32 bit, with garbage above bit 31, and each argument
//   with garbage in its upper half. Where one thread may be killed for a call, see whether its
//   siblings die too.
// naive: Jumps written by hand: the architecture is looked at last, a jump is too far for its byte, a
//   comparison sees half of an argument, what is not listed is allowed, a kill is of one thread. (Not
//   shown by `--model naive`: its filter is generated from the same table.)
// kernel: The kernel takes the low 32 bits of the number and, for 32-bit parameters, of the
//   argument; the filter sees all 64. SECCOMP_RET_KILL_THREAD leaves the other threads running
//   (seccomp(2)).
// sealed: The filter is generated from one table and evaluated in tests over the whole space; a
//   number without a row is ENOSYS; both halves are compared where both count; a kill is of the
//   process.
// source: seccomp_filter.rst, Pitfalls; sympozium-ai/celln#30; sandlock#25; kernel selftest
//   seccomp_bpf.c
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   path deny stat,execute $S/**
//   network deny all
//   syscall kill sched_rr_get_interval
// report: $S/key
#include <algorithm>
#include <array>
#include <thread>
#include <vector>

#include "tests/support/int80.h"

namespace attack {
namespace {

constexpr long kNumbers = 1024;
constexpr long kUnknown = 560;  // from here on neither Linux 6.18 nor its x32 has any
constexpr int kLayouts = 8;
// Garbage above the 32 bits that count, as a sign and as noise.
constexpr std::array<uint64_t, 3> kUpper = {0, uint64_t{1} << 32, uint64_t{0xdeadbeef} << 32};

struct Names {
  char* key;   // $S/key
  char* made;  // $S/made, not there yet
  char* zero;  // room for structures, all zero
};

// What may stand in the arguments of a call that takes names.
std::array<uint64_t, 6> arguments(int layout, const Names& names) {
  const auto key = static_cast<uint64_t>(reinterpret_cast<uintptr_t>(names.key));
  const auto made = static_cast<uint64_t>(reinterpret_cast<uintptr_t>(names.made));
  const auto zero = static_cast<uint64_t>(reinterpret_cast<uintptr_t>(names.zero));
  const auto here = static_cast<uint32_t>(AT_FDCWD);
  switch (layout) {
    case 0:
      return {key, 0, 0, 0, 0, 0};  // open, unlink, truncate, chmod
    case 1:
      return {key, zero, zero, 0, 0, 0};  // execve, utimes
    case 2:
      return {key, made, 0, 0, 0, 0};  // link, rename, symlink
    case 3:
      return {made, 0700, 0, 0, 0, 0};  // mkdir, creat, mknod
    case 4:
      return {here, key, 0, 0, 0, 0};  // openat, unlinkat, fchmodat
    case 5:
      return {here, key, zero, 24, 0, 0};  // openat2, execveat
    case 6:
      return {here, key, here, made, 0, 0};  // linkat, renameat2
    default:
      return {key, here, made, 0, 0, 0};  // symlinkat
  }
}

// Not made: those that would end or stop the child by their own meaning, or make children of it.
bool skipped(bool i386, long number) {
  static constexpr std::array<long, 15> kNative = {SYS_exit,
                                                   SYS_exit_group,
                                                   SYS_pause,
                                                   SYS_rt_sigsuspend,
                                                   SYS_rt_sigreturn,
                                                   SYS_fork,
                                                   SYS_vfork,
                                                   SYS_clone,
                                                   SYS_sched_rr_get_interval,
                                                   SYS_rt_sigtimedwait,
                                                   SYS_setsid,
                                                   SYS_alarm,
                                                   SYS_sync,
                                                   SYS_setitimer,
                                                   SYS_restart_syscall};
  // The same by their old numbers; 423: sched_rr_get_interval_time64.
  static constexpr std::array<long, 20> kOld = {0,   1,   2,   27,  29,  36,  66,  72,  104, 119,
                                                120, 161, 173, 177, 179, 190, 252, 421, 423, 67};
  const auto is_number = [&](long one) { return one == number; };
  return i386 ? std::ranges::any_of(kOld, is_number) : std::ranges::any_of(kNative, is_number);
}

// A descriptor that came of it: what it gives.
void look(long result) {
  char buffer[64];
  if (result < 3 || result > 4096) return;
  const ssize_t n = ::pread(static_cast<int>(result), buffer, sizeof buffer, 0);
  if (n > 7 && std::memcmp(buffer, "canary-", 7) == 0) {
    prey_taken(std::string(buffer, static_cast<size_t>(n)));
  }
}

enum class Entry { Syscall, X32, HighNumber, Int80 };

// One call in one way.
void call(Entry entry, long number, int layout, uint64_t upper, const Names& names) {
  std::array<uint64_t, 6> a = arguments(layout, names);
  if (entry == Entry::Int80) {
    look(int80(number, static_cast<long>(a[0]), static_cast<long>(a[1]), static_cast<long>(a[2]),
               static_cast<long>(a[3]), static_cast<long>(a[4])));
    return;
  }
  for (uint64_t& one : a) {  // a pointer has no room for garbage
    if (one <= UINT32_MAX) one |= upper;
  }
  if (entry == Entry::X32) number |= 0x40000000;
  if (entry == Entry::HighNumber) number |= long{1} << 32;
  look(::syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]));
}

// One number in every way.
void call_each_way(Entry entry, long number, const Names& names) {
  for (int layout = 0; layout < kLayouts; ++layout) {
    for (const uint64_t upper : kUpper) {
      call(entry, number, layout, upper, names);
      if (entry == Entry::Int80) break;
    }
  }
}

// Every number by this entry, each in a child of its own: what a call does to its process does not
// last. One that sleeps is ended by the alarm. Those that no kernel knows share one.
[[noreturn]] void sweep(Entry entry, const Names& names) {
  for (long number = 0; number <= kUnknown; ++number) {
    if (skipped(entry == Entry::Int80, number)) continue;
    const pid_t child = spawn([&] {
      ::alarm(number == kUnknown ? 30 : 1);
      call_each_way(entry, number, names);
      for (long more = number + 1; number == kUnknown && more < kNumbers; ++more) {
        call_each_way(entry, more, names);
      }
      finish(kHeld);
    });
    must(child > 0, "fork");
    if (reap(child) == 0) prey_taken("call " + std::to_string(number));
  }
  finish(kHeld);
}

// All at a time, since in each of them somebody sleeps.
void sweep_all(const Names& names, bool old_calls) {
  std::vector<pid_t> sweeps;
  for (const Entry entry : {Entry::Syscall, Entry::Int80, Entry::X32, Entry::HighNumber}) {
    if (entry == Entry::Int80 && !old_calls) continue;
    sweeps.push_back(spawn([&] { sweep(entry, names); }));
  }
  for (const pid_t one : sweeps) {
    const int status = reap(one);
    if (status == 0) prey_taken("by one of the calls");
    must(status == kHeld, "the end of a sweep");
  }
}

// Whether a thread goes on when its sibling made a call that kills.
bool sibling_survives() {
  const pid_t child = spawn([] {
    std::thread([] {
      timespec interval{};
      ::sched_rr_get_interval(0, &interval);
    }).join();  // also when that thread alone is killed
    finish(0);
  });
  return reap(child) == 0;
}

Names place_names() {
  char* low = low_memory();
  const Names names{low, low + 8192, low + 16384};
  std::strcpy(names.key, secret().c_str());
  std::strcpy(names.made, secret("made").c_str());
  return names;
}

}  // namespace

void strike() {
  if (way("open")) take(secret());
  if (way("a thread outlives") && sibling_survives()) prey_taken("a thread outlived the kill");
  const Names names = place_names();
  must(::chdir(work("").c_str()) == 0, "chdir");
  // No way without a monitor, where some of these calls would be heard outside.
  if (wanted_way() == nullptr) sweep_all(names, has_32_bit_calls());
  if (::access(secret("made").c_str(), F_OK) == 0) prey_taken("something was made");
  errno = EACCES;
  held("every number by every entry");
}

// What is allowed gets through in every shape that the kernel takes, and what is no call is ENOSYS.
void twin() {
  const bool old_calls = has_32_bit_calls();
  char* low = low_memory();
  std::strcpy(low, work("ok.dat").c_str());
  const long name = static_cast<long>(word(low));
  for (const uint64_t upper : kUpper) {
    const auto here = static_cast<long>(upper | static_cast<uint32_t>(AT_FDCWD));
    const auto flags = static_cast<long>(upper | O_RDONLY);
    const long fd = ::syscall(SYS_openat, here, name, flags, 0);
    must(fd >= 0 && read_all(static_cast<int>(fd)) == kHarmless, "openat with noise above");
    must(::syscall(SYS_socketpair, static_cast<long>(upper | AF_UNIX), SOCK_STREAM, 0,
                   low + 4096) == 0,
         "socketpair with noise above");
  }
  must(!old_calls || int80(5, name, O_RDONLY) >= 0, "open by int 0x80");
  for (long number = 600; number < kNumbers; ++number) {
    must(::syscall(number, 0, 0, 0, 0, 0, 0) == -1 && errno == ENOSYS, "no such call");
    must(!old_calls || int80(number) == -ENOSYS, "no such call of i386");
  }
  must(::syscall(-1L) == -1 && errno == ENOSYS, "-1 is no call");
  twin_ok();
}

}  // namespace attack
