#include "arch/syscall_table.h"

#include <gmock/gmock.h>
#include <seccomp.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <utility>

namespace callgate {
namespace {

constexpr int kBeyond = 1024;  // past every number in use

struct Known {
  Abi abi;
  uint32_t token;
  const char* header;
};
constexpr Known kKnown[] = {
    {Abi::X86_64, SCMP_ARCH_X86_64, "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"},
    {Abi::I386, SCMP_ARCH_X86, "/usr/include/x86_64-linux-gnu/asm/unistd_32.h"},
    {Abi::Aarch64, SCMP_ARCH_AARCH64, "/usr/aarch64-linux-gnu/include/asm-generic/unistd.h"},
};

// i386's number 90 takes a pointer to its arguments: it is another call than mmap.
std::string our_name(Abi abi, const std::string& name) {
  return abi == Abi::I386 && name == "mmap" ? "old_mmap" : name;
}

TEST(SyscallTable, HasARowForEveryNameThatLibseccompKnows) {
  for (const Known& known : kKnown) {
    int seen = 0;
    for (int number = 0; number < kBeyond; ++number) {
      char* name = seccomp_syscall_resolve_num_arch(known.token, number);
      if (name == nullptr) continue;
      ++seen;
      const SyscallRow* row = find_syscall(known.abi, number);
      EXPECT_TRUE(row != nullptr && row->name == our_name(known.abi, name))
          << abi_name(known.abi) << ' ' << number << ' ' << name;
      std::free(name);
    }
    EXPECT_GT(seen, 300) << abi_name(known.abi);
  }
}

// "#define __NR_read 0" is {"read", 0}; asm-generic also has "__NR3264_fcntl".
std::optional<std::pair<std::string, int>> read_define(const std::string& line) {
  std::istringstream words(line);
  std::string define;
  std::string name;
  int number = 0;
  if (!(words >> define >> name >> number) || define != "#define") return std::nullopt;
  for (const std::string prefix : {"__NR_", "__NR3264_"}) {
    if (name.starts_with(prefix)) return std::pair(name.substr(prefix.size()), number);
  }
  return std::nullopt;
}

TEST(SyscallTable, HasARowForEveryNumberInTheInstalledHeaders) {
  for (const Known& known : kKnown) {
    std::ifstream header(known.header);
    if (!header) continue;  // that machine's headers are not installed
    int seen = 0;
    for (std::string line; std::getline(header, line);) {
      const auto defined = read_define(line);
      if (!defined) continue;
      const auto& [name, number] = *defined;
      // In asm-generic: the end mark, a range's start, another spelling of sync_file_range, and
      // the calls that only 32-bit machines have.
      if (known.abi == Abi::Aarch64 && (name == "syscalls" || name == "arch_specific_syscall" ||
                                        name == "sync_file_range2" || name.ends_with("64"))) {
        if (find_syscall(name) == nullptr || number >= 403) continue;
      }
      ++seen;
      const SyscallRow* row = find_syscall(known.abi, number);
      ASSERT_NE(row, nullptr) << abi_name(known.abi) << ' ' << line;
      if (known.abi != Abi::Aarch64) {
        EXPECT_EQ(row->name, our_name(known.abi, name)) << line;
      }
    }
    EXPECT_GT(seen, 250) << known.header;
  }
}

TEST(SyscallTable, KnowsTheCallsThatAreLaterThanTheHeaders) {
  constexpr std::pair<const char*, int> kLater[] = {
      {"cachestat", 451},         {"fchmodat2", 452},        {"map_shadow_stack", 453},
      {"futex_wake", 454},        {"futex_wait", 455},       {"futex_requeue", 456},
      {"statmount", 457},         {"listmount", 458},        {"lsm_get_self_attr", 459},
      {"lsm_set_self_attr", 460}, {"lsm_list_modules", 461}, {"mseal", 462},
      {"setxattrat", 463},        {"getxattrat", 464},       {"listxattrat", 465},
      {"removexattrat", 466},     {"open_tree_attr", 467},   {"file_getattr", 468},
      {"file_setattr", 469}};
  for (const auto& [name, number] : kLater) {
    for (Abi abi : {Abi::X86_64, Abi::I386, Abi::Aarch64}) {
      const SyscallRow* row = find_syscall(abi, number);
      ASSERT_NE(row, nullptr) << name;
      EXPECT_EQ(row->name, name);
    }
  }
  EXPECT_EQ(find_syscall(Abi::X86_64, 335)->name, "uretprobe");
  EXPECT_EQ(find_syscall(Abi::X86_64, 336)->name, "uprobe");
}

TEST(SyscallTable, FindsEveryRowByNameAndByEachOfItsNumbers) {
  for (const SyscallRow& row : syscall_table()) {
    EXPECT_EQ(find_syscall(row.name), &row);
    for (Abi abi : {Abi::X86_64, Abi::I386, Abi::Aarch64}) {
      const int number = row.number[static_cast<size_t>(abi)];
      if (number >= 0) {
        EXPECT_EQ(find_syscall(abi, number), &row) << row.name;
      }
    }
  }
}

TEST(SyscallTable, KnowsNothingElse) {
  for (int number : {-1, -2, 470, 511, 512, 1023, 0x40000000, 0x40000002, INT32_MIN, INT32_MAX}) {
    for (Abi abi : {Abi::X86_64, Abi::I386, Abi::Aarch64}) {
      EXPECT_EQ(find_syscall(abi, number), nullptr) << number;
    }
  }
  EXPECT_EQ(find_syscall("opeen"), nullptr);
  EXPECT_EQ(find_syscall(""), nullptr);
  for (int number = 512; number <= 547; ++number) {  // x32's own calls
    EXPECT_EQ(find_syscall(Abi::X86_64, number), nullptr);
  }
}

TEST(SyscallTable, RowsAreConsistent) {
  for (const SyscallRow& row : syscall_table()) {
    SCOPED_TRACE(row.name);
    EXPECT_EQ(row.gate == Gate::Refuse, row.error != 0);
    EXPECT_EQ(row.gate == Gate::Trace, row.operation != Operation::None);
    EXPECT_EQ(row.argument(Role::Path) >= 0, row.follow != Follow::None);
    EXPECT_TRUE(row.gate != Gate::Pass || row.condition == Condition::Always);
    const bool flags_decide =
        row.follow == Follow::UnlessNoFollow || row.follow == Follow::IfFollow;
    EXPECT_TRUE(!flags_decide || row.argument(Role::AtFlags) >= 0);
    if (row.argument(Role::NewPath) >= 0) {
      EXPECT_TRUE(row.operation == Operation::Link || row.operation == Operation::Rename);
      EXPECT_EQ(row.argument(Role::NewDirFd) >= 0, row.argument(Role::DirFd) >= 0);
    }
    if (row.argument(Role::DirFd) >= 0) {
      EXPECT_EQ(row.argument(Role::Path), row.argument(Role::DirFd) + 1);
    }
  }
}

// The arguments that the filter's conditions name by position.
TEST(SyscallTable, ConditionsFindTheirArguments) {
  for (const SyscallRow& row : syscall_table()) {
    SCOPED_TRACE(row.name);
    switch (row.condition) {
      case Condition::MmapGuard:
        EXPECT_EQ(row.argument(Role::Address), 0);
        EXPECT_EQ(row.argument(Role::Protection), 2);
        EXPECT_EQ(row.argument(Role::MapFlags), 3);
        break;
      case Condition::MprotectExec:
        EXPECT_EQ(row.argument(Role::Protection), 2);
        break;
      case Condition::LowAddress:
      case Condition::MadviseGuard:
        EXPECT_EQ(row.argument(Role::Address), 0);
        break;
      case Condition::MremapGuard:
        EXPECT_EQ(row.argument(Role::NewAddress), 4);
        break;
      case Condition::ShmatGuard:
      case Condition::ShmctlGuard:
        EXPECT_EQ(row.argument(Role::ShmId), 0);
        break;
      case Condition::FcntlOwner:
      case Condition::IoctlGuard:
        EXPECT_EQ(row.argument(Role::Command), 1);
        break;
      case Condition::PrctlGuard:
        EXPECT_EQ(row.argument(Role::Command), 0);
        EXPECT_EQ(row.argument(Role::CommandArg), 1);
        break;
      case Condition::AddressGiven:
        EXPECT_EQ(row.argument(Role::SockAddr), 4);
        break;
      case Condition::OtherProcess:
      case Condition::RlimitGuard:
        EXPECT_GE(row.argument(Role::Pid), 0);
        break;
      case Condition::SourceRoute:
        EXPECT_EQ(row.argument(Role::Which), 1);
        EXPECT_EQ(row.argument(Role::Command), 2);
        break;
      case Condition::SpecialOpen:
      case Condition::SpecialMove:
        ADD_FAILURE() << "only the filter's plan makes it so";
        break;
      case Condition::DeviceNode:
        EXPECT_GE(row.argument(Role::Mode), 0);
        break;
      case Condition::Always:
      case Condition::CloneNamespaces:
      case Condition::CloseRangeUnshare:
      case Condition::PersonalityGuard:
      case Condition::SeccompGuard:
        break;
    }
  }
}

TEST(SyscallTable, RefusesWhatWouldVoidTheSandbox) {
  for (const char* name : {"ptrace",
                           "process_vm_readv",
                           "process_vm_writev",
                           "pidfd_getfd",
                           "clone3",
                           "setns",
                           "mount",
                           "umount2",
                           "pivot_root",
                           "chroot",
                           "fsopen",
                           "fsmount",
                           "move_mount",
                           "open_tree",
                           "mount_setattr",
                           "bpf",
                           "userfaultfd",
                           "io_uring_setup",
                           "io_uring_enter",
                           "keyctl",
                           "memfd_secret",
                           "remap_file_pages",
                           "open_by_handle_at",
                           "fanotify_init",
                           "kexec_load",
                           "init_module",
                           "open_tree_attr",
                           "setxattrat",
                           "file_setattr",
                           "old_mmap"}) {
    const SyscallRow* row = find_syscall(name);
    ASSERT_NE(row, nullptr) << name;
    EXPECT_EQ(row->gate, Gate::Refuse) << name;
    EXPECT_EQ(row->condition, Condition::Always) << name;
  }
  EXPECT_EQ(find_syscall("clone3")->error, ENOSYS);
  EXPECT_EQ(find_syscall("io_uring_setup")->error, ENOSYS);
}

TEST(SyscallTable, EveryCallThatTakesANameSaysSo) {
  // The whole list of the path-taking calls that are not refused, so that a row that loses its
  // Path role, or a gate that is loosened, is noticed here.
  const std::set<std::string_view> expected = {"open",
                                               "creat",
                                               "openat",
                                               "openat2",
                                               "mkdir",
                                               "mkdirat",
                                               "mknod",
                                               "mknodat",
                                               "symlink",
                                               "symlinkat",
                                               "link",
                                               "linkat",
                                               "rename",
                                               "renameat",
                                               "renameat2",
                                               "unlink",
                                               "rmdir",
                                               "unlinkat",
                                               "truncate",
                                               "truncate64",
                                               "chmod",
                                               "fchmodat",
                                               "fchmodat2",
                                               "chown",
                                               "chown32",
                                               "lchown",
                                               "lchown32",
                                               "fchownat",
                                               "utime",
                                               "utimes",
                                               "futimesat",
                                               "utimensat",
                                               "utimensat_time64",
                                               "setxattr",
                                               "lsetxattr",
                                               "removexattr",
                                               "lremovexattr",
                                               "stat",
                                               "stat64",
                                               "oldstat",
                                               "lstat",
                                               "lstat64",
                                               "oldlstat",
                                               "newfstatat",
                                               "fstatat64",
                                               "statx",
                                               "access",
                                               "faccessat",
                                               "faccessat2",
                                               "readlink",
                                               "readlinkat",
                                               "statfs",
                                               "statfs64",
                                               "getxattr",
                                               "lgetxattr",
                                               "listxattr",
                                               "llistxattr",
                                               "chdir",
                                               "inotify_add_watch",
                                               "execve",
                                               "execveat"};
  std::set<std::string_view> found;
  for (const SyscallRow& row : syscall_table()) {
    if (row.argument(Role::Path) < 0) continue;
    found.insert(row.name);
    EXPECT_EQ(row.gate, Gate::Trace) << row.name;
  }
  EXPECT_EQ(found, expected);
}

}  // namespace
}  // namespace callgate
