// What /proc says of a task, read when it is needed and never kept: the kernel's own truth about
// descriptors, directories, credentials and mappings.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "arch/result.h"
#include "arch/unique_fd.h"

namespace callgate {

// Whole contents; errno of open or read.
Result<std::string> read_whole_file(const std::string& path);
// readlink with a buffer for any name the kernel will give (up to 4095 bytes); ENAMETOOLONG past
// it.
Result<std::string> read_link(const std::string& path);

// The credentials by which the kernel judges a task's file access.
struct Credentials {
  uid_t fsuid = 0;
  gid_t fsgid = 0;
  std::vector<gid_t> groups;
  uint64_t capabilities = 0;  // effective
  friend bool operator==(const Credentials&, const Credentials&) = default;
};

struct TaskStatus {
  pid_t tgid = 0;
  pid_t parent = 0;
  pid_t tracer = 0;
  char state = '?';      // R, S, D, T, t, Z, X
  uint64_t pending = 0;  // signals pending to the thread or its process
  uint64_t blocked = 0;
  uint64_t ignored = 0;
  Credentials credentials;
};
// ESRCH or ENOENT when there is no such task; ESRCH also where a credential is missing in the text:
// what cannot be told is never root.
Result<TaskStatus> read_task_status(pid_t tid);
Result<TaskStatus> parse_task_status(std::string_view text);

// The first `most` arguments in the text of a cmdline, each of which ends in a NUL.
std::vector<std::string> split_arguments(std::string_view text, size_t most);

struct Mapping {
  uint64_t start = 0;
  uint64_t end = 0;
  bool read = false, write = false, execute = false, shared = false;
  uint64_t offset = 0;
  uint64_t device = 0;  // as stat's st_dev
  uint64_t inode = 0;
  std::string name;  // raw, the kernel's \012 escapes undone
};
Result<std::vector<Mapping>> read_mappings(pid_t tid);
std::vector<Mapping> parse_mappings(std::string_view text);
// A name as the kernel shows it, without its mark on those that are gone; the mark may also be part
// of a living name, which then leads to this very inode.
std::string living_name(const std::string& shown, uint64_t inode);

// The O_* flags of a task's descriptor (fdinfo). EBADF when it is not open.
Result<int> descriptor_flags(pid_t tid, int fd);
Result<int> parse_descriptor_flags(std::string_view text);
// The pid a task's pidfd stands for (fdinfo "Pid:"); EBADF when it is no pidfd.
Result<pid_t> pidfd_target(pid_t tid, int fd);
Result<pid_t> parse_pidfd_target(std::string_view text);

// The processes of a process group, as far as /proc shows them.
Result<std::vector<pid_t>> group_members(pid_t group);

// Where proc file systems are mounted, from the text of a mountinfo.
std::vector<std::string> parse_proc_mounts(std::string_view text);

}  // namespace callgate
