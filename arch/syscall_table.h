// The single source of truth about system calls: one row per name, in syscalls.def. The filter,
// the decoder, the audit and the documentation derive from it. Nothing here touches a process.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "arch/abi.h"

namespace callgate {

// What the filter does with a call that the row's condition selects.
enum class Gate : uint8_t {
  Pass,    // the kernel runs it at native speed, unseen
  Refuse,  // the filter answers the row's errno
  Trace,   // the monitor is asked
};

// What the monitor does with a traced call: one handler each.
enum class Operation : uint8_t {
  None,
  Open,          // open, openat, openat2, creat
  Create,        // mkdir, mknod, symlink: a new name
  Link,          // two names, the second new
  Rename,        // two names; flags may exchange them
  Delete,        // unlink, rmdir
  Truncate,      // by name: write
  Attributes,    // mode, owner, times, xattrs by name
  FdAttributes,  // the same through a descriptor
  Stat,          // metadata, existence, readlink, chdir, statfs, getxattr, inotify watches by name
  FdStat,        // none of our business unless audited: fchdir, fstat-like
  Exec,          // execve, execveat
  MapMemory,     // mmap: executable file mappings, and the argument area's own addresses
  ProtectMemory, // mprotect, pkey_mprotect that make a file mapping executable
  GuardArea,     // munmap, mremap, madvise, brk-like calls that name the argument area
  SharedMemory,  // shmat, shmctl, shmdt, ipc: the argument area's own segment
  Socket,        // socket
  SocketPair,    // socketpair
  Connect,
  Bind,
  Listen,
  Accept,        // accept, accept4: audit only
  SendTo,
  SendMsg,
  SendMmsg,
  SocketOption,  // setsockopt, getsockopt: an option that is an address
  SocketCall,    // i386 multiplexer
  Signal,        // kill, tkill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo, pidfd_send_signal
  TargetProcess, // calls that act on another process by number: prlimit64, sched_set*, setpriority
  Affinity,      // sched_setaffinity, sched_getaffinity
  Credentials,   // set*id, setgroups, capset: the task becomes another for the file system
  Clone,         // clone, fork, vfork with flags to judge
  Unshare,
  Landlock,      // landlock_restrict_self: the monitor's keepers are out of the task's domain
  Prctl,
  Fcntl,
  Ioctl,
  Personality,
  Rlimit,        // setrlimit, prlimit64: what the policy limited stays limited
};

// What must be true of the scalar arguments for the row's gate to apply; otherwise the call
// passes. Judged by the filter, never by the monitor alone.
enum class Condition : uint8_t {
  Always,
  MmapGuard,        // PROT_EXEC of a file, or a fixed or hinted address in the argument window
  MprotectExec,     // PROT_EXEC asked
  LowAddress,       // arg 0 below the window's end
  MremapGuard,      // arg 0, or arg 4 with MREMAP_FIXED, below the window's end
  MadviseGuard,     // arg 0 below the window's end and advice that would take the area's pages away
  ShmatGuard,       // our segment, or an explicit low address
  ShmctlGuard,      // our segment
  FcntlOwner,       // F_SETOWN, F_SETOWN_EX
  IoctlGuard,       // TIOCSTI and TIOCLINUX refused; FIOSETOWN, SIOCSPGRP, FS_IOC_SETFLAGS ... traced
  CloneNamespaces,  // CLONE_NEW* and CLONE_UNTRACED (unshare: refused, any other flag traced)
  PrctlGuard,       // PR_SET_SECCOMP, PR_SET_MM, PR_SET_SYSCALL_USER_DISPATCH refused;
                    // PR_SET_DUMPABLE 0 and PR_GET_DUMPABLE traced
  AddressGiven,     // arg 4 (a sockaddr pointer) is not null, both halves judged
  PersonalityGuard, // READ_IMPLIES_EXEC asked
  OtherProcess,     // the Pid argument is not 0, or the Which argument names more than a process
  CloseRangeUnshare, // CLOSE_RANGE_UNSHARE: the mirror must see it
  RlimitGuard,      // the Pid argument is not 0, or (the policy has limits) a new limit is given
  DeviceNode,       // a block or character device; judged even when the row's need is absent
  SpecialOpen,      // O_PATH or O_TMPFILE
  SpecialMove,      // RENAME_WHITEOUT and what is unknown
  SourceRoute,      // an option that leads IP traffic past the address that is judged
  SeccompGuard,     // any operation but SECCOMP_GET_ACTION_AVAIL and SECCOMP_GET_NOTIF_SIZES
};

// Which policies make the row worth a stop. A row whose need is absent passes.
enum class Need : uint8_t {
  Always,
  Paths,       // some path is not granted read, write, create or delete everywhere
  Attributes,  // some path is not granted attributes everywhere
  Execute,     // some path is not granted execute everywhere
  Stat,        // a stat rule exists
  Network,     // some endpoint is denied
  Signal,      // signals to outside are denied
  Limit,       // the policy has limits
  Affinity,    // co-scheduling is on
  Credentials, // a privileged program, which may become another user
  Audit,       // seen only when everything is recorded
};

// How the last component of the row's (first) path is treated.
enum class Follow : uint8_t {
  None,            // the row has no path
  Always,
  Never,           // lstat, unlink: the name itself
  UnlessNoFollow,  // AT_SYMLINK_NOFOLLOW (0x100) in the AtFlags argument means the name itself
  IfFollow,        // AT_SYMLINK_FOLLOW (0x400) in the AtFlags argument means the object
  OpenFlags,       // O_NOFOLLOW, O_CREAT|O_EXCL
};

// What each of the six arguments is. Scalars the monitor never reads are Other.
enum class Role : uint8_t {
  None, Other,
  Fd, DirFd, Path, NewDirFd, NewPath,  // New*: the second pair of rename and link
  Text,                                // a string that names nothing now: symlink's target
  AtFlags, RenameFlags, OpenFlags, Mode, OpenHow, Size, Device,
  SockAddr, SockAddrLen, MsgHdr, MmsgVec, MmsgCount, MsgFlags, Buffer,
  Domain, SocketType, Protocol, SubCall, SubArgs,
  Argv, Envp,
  Pid, Tid, PidFd, Which, SignalNumber,
  CloneFlags, Command, CommandArg,
  Address, NewAddress, Length, Protection, MapFlags, ShmId, Persona, Resource,
};

struct SyscallRow {
  std::string_view name;
  std::array<int, kAbiCount> number;  // by Abi; -1: the ABI has no such call
  Gate gate;
  int error;  // what Gate::Refuse answers, a positive errno; 0 otherwise
  Operation operation;
  Follow follow;
  Condition condition;
  Need need;
  std::array<Role, 6> roles;

  // Index of the argument with this role, or -1.
  [[nodiscard]] constexpr int argument(Role role) const {
    for (int i = 0; i < 6; ++i) {
      if (roles[static_cast<size_t>(i)] == role) return i;
    }
    return -1;
  }
};

std::span<const SyscallRow> syscall_table();
// nullptr: no such call in that ABI (the filter answers ENOSYS).
const SyscallRow* find_syscall(Abi abi, int number);
const SyscallRow* find_syscall(std::string_view name);

}  // namespace callgate
