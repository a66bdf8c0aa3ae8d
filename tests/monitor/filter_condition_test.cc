// Each condition of the table, asked with crafted arguments.
#include <gtest/gtest.h>

#include <cerrno>

#include "tests/monitor/asked_filter.h"

namespace callgate {
namespace {

TEST(FilterCondition, ExecutableFileMappings) {
  const Asked filter(everything_needed());
  const uint64_t high = 0x7f00'0000'0000;
  EXPECT_EQ(filter("mmap", {0, 4096, 5, 2, 3, 0}), kTrace);        // r-x of a file
  EXPECT_EQ(filter("mmap", {high, 4096, 4, 0x12, 3, 0}), kTrace);  // fixed, --x of a file
  EXPECT_EQ(filter("mmap", {0, 4096, 7, 0x22, ~0U, 0}), kPass);    // anonymous: a JIT's
  EXPECT_EQ(filter("mmap", {0, 4096, 3, 2, 3, 0}), kPass);         // rw- of a file
  EXPECT_EQ(filter("mmap", {0, 4096, kGarbage | 5, kGarbage | 2, 3, 0}), kTrace);
  EXPECT_EQ(Asked(nothing_needed())("mmap", {0, 4096, 5, 2, 3, 0}), kPass);
  EXPECT_EQ(filter.name(Abi::I386, "mmap2", {kGarbage, 4096, kGarbage | 5, 2, 3, 0}), kTrace);
  EXPECT_EQ(filter("mprotect", {high, 4096, 5}), kTrace);
  EXPECT_EQ(filter("mprotect", {high, 4096, kGarbage | 4}), kTrace);
  EXPECT_EQ(filter("mprotect", {high, 4096, 3}), kPass);
  EXPECT_EQ(filter("pkey_mprotect", {high, 4096, 7, 0}), kTrace);
}

TEST(FilterCondition, BehindAFenceOnlyWhatLandlockDoesNotSeeAsThePolicyStops) {
  FilterInputs inputs = everything_needed();
  inputs.fenced = true;
  const Asked filter(inputs);
  for (uint64_t flags : {0, 2, 01101, 0200000, 0x20000}) {  // O_WRONLY|O_CREAT|O_TRUNC; O_DIRECTORY
    EXPECT_EQ(filter("open", {1, flags, 0600}), kPass) << flags;
    EXPECT_EQ(filter("openat", {1, 1, kGarbage | flags, 0600}), kPass) << flags;
    EXPECT_EQ(filter.name(Abi::I386, "openat", {1, 1, flags, 0600}), kPass) << flags;
    for (uint64_t special : {0x200000, 0x400000, 0x410000}) {  // O_PATH, O_TMPFILE
      EXPECT_EQ(filter("open", {1, flags | special, 0600}), kTrace) << flags;
      EXPECT_EQ(filter("openat", {1, 1, kGarbage | flags | special, 0600}), kTrace) << flags;
      EXPECT_EQ(filter.name(Abi::I386, "open", {1, flags | special, 0600}), kTrace) << flags;
    }
  }
  for (const char* name :
       {"creat", "mkdir", "mkdirat", "unlink", "unlinkat", "rmdir", "truncate", "symlink"}) {
    EXPECT_EQ(filter(name, {1, 1, 1, 1}), kPass) << name;
    EXPECT_EQ(Asked(everything_needed())(name, {1, 1, 1, 1}), kTrace) << name;
  }
  EXPECT_EQ(filter("mknod", {1, 0010600, 0}), kPass);   // a pipe
  EXPECT_EQ(filter("mknod", {1, 0020600, 0}), kTrace);  // a character device
  for (const char* name : {"openat2", "chmod", "utimensat", "setxattr", "execve", "connect", "bind",
                           "stat", "rename", "renameat2", "link", "linkat"}) {
    EXPECT_EQ(filter(name, {1, 1, 1, 1}), kTrace) << name;
  }
  inputs.moves_fenced = true;
  const Asked moving(inputs);
  for (const char* name : {"rename", "renameat", "link", "linkat"}) {
    EXPECT_EQ(moving(name, {1, 1, 1, 1, 1}), kPass) << name;
  }
  for (uint64_t flags : {0, 1, 2}) {  // RENAME_NOREPLACE, RENAME_EXCHANGE
    EXPECT_EQ(moving("renameat2", {1, 1, 1, 1, kGarbage | flags}), kPass) << flags;
  }
  for (uint64_t flags : {4, 5, 8}) {  // RENAME_WHITEOUT, and what is unknown
    EXPECT_EQ(moving("renameat2", {1, 1, 1, 1, kGarbage | flags}), kTrace) << flags;
  }
}

TEST(FilterCondition, TheArgumentWindowIsGuardedWhateverThePolicySays) {
  const Asked filter(nothing_needed());
  const uint64_t tag = 0x3f00'0000'0000'0000;  // the kernel may ignore the top byte
  EXPECT_EQ(filter("mmap", {0, 4096, 3, 0x22}), kPass);
  EXPECT_EQ(filter("mmap", {0, 1ULL << 40, 3, 0x32}), kTrace);  // MAP_FIXED at 0, over everything
  EXPECT_EQ(filter("mmap", {0, 1ULL << 40, 3, 0x100022}), kTrace);
  for (uint64_t low : {uint64_t{1}, uint64_t{0x7000'0000}, kWindowEnd - 1, tag | 0x7000'0000}) {
    EXPECT_EQ(filter("mmap", {low, 4096, 3, 0x32}), kTrace) << low;
    EXPECT_EQ(filter("mmap", {low, 4096, 3, 0x22}), kTrace) << low;
    EXPECT_EQ(filter("munmap", {low, 4096}), kTrace) << low;
    EXPECT_EQ(filter("shmdt", {low}), kTrace) << low;
    EXPECT_EQ(filter("shmat", {1, low, 0}), kTrace) << low;
    EXPECT_EQ(filter("mremap", {low, 4096, 4096, 1, 0}), kTrace) << low;
    EXPECT_EQ(filter("mremap", {1ULL << 40, 4096, 4096, 3, low}), kTrace) << low;
    EXPECT_EQ(filter("mremap", {1ULL << 40, 4096, 4096, 1, low}), kPass) << low;  // not fixed
    for (uint64_t advice : {10, 18, 9, 100, 101, 102}) {
      EXPECT_EQ(filter("madvise", {low, 4096, advice}), kTrace) << low;
      EXPECT_EQ(filter("madvise", {low, 4096, kGarbage | advice}), kTrace) << low;
    }
    EXPECT_EQ(filter("madvise", {low, 4096, 4}), kPass) << low;
  }
  for (uint64_t high :
       {kWindowEnd, uint64_t{1} << 32, (uint64_t{1} << 32) + 5, uint64_t{1} << 46}) {
    EXPECT_EQ(filter("mmap", {high, 4096, 3, 0x32}), kPass) << high;
    EXPECT_EQ(filter("munmap", {high, 4096}), kPass) << high;
    EXPECT_EQ(filter("madvise", {high, 4096, 10}), kPass) << high;
    EXPECT_EQ(filter("mremap", {high, 4096, 4096, 3, high}), kPass) << high;
  }
  EXPECT_EQ(filter("munmap", {0, UINT64_MAX}), kTrace);
  EXPECT_EQ(filter("shmat", {kSegment, 0, 0}), kTrace);
  EXPECT_EQ(filter("shmat", {kGarbage | kSegment, 0, 0}), kTrace);
  EXPECT_EQ(filter("shmat", {kSegment + 1, 0, 0}), kPass);
  EXPECT_EQ(filter("shmctl", {kGarbage | kSegment, 0, 0}), kTrace);
  EXPECT_EQ(filter("shmctl", {kSegment + 1, 0, 0}), kPass);
  // Another sandbox's, which is known by what it is and not by its number.
  for (uint64_t upper : {uint64_t{0}, kGarbage}) {
    EXPECT_EQ(filter("shmctl", {kSegment + 1, upper | 1, 0}), kTrace);      // IPC_SET
    EXPECT_EQ(filter("shmctl", {kSegment + 1, upper | 0x101, 0}), kTrace);  // with IPC_64
    EXPECT_EQ(filter("shmctl", {kSegment + 1, upper | 2, 0}), kPass);       // IPC_STAT
    EXPECT_EQ(filter.name(Abi::I386, "shmctl", {8, upper | 0x101, 0}), kTrace);
  }
  // A 32-bit call's address is its lower half.
  EXPECT_EQ(filter.name(Abi::I386, "munmap", {kGarbage | 0x7000'0000, 4096}), kTrace);
  EXPECT_EQ(filter.name(Abi::I386, "munmap", {0xf700'0000, 4096}), kPass);
  EXPECT_EQ(filter.name(Abi::I386, "mmap2", {kGarbage, 4096, 3, 0x22}), kPass);
}

TEST(FilterCondition, ThePrivilegedCouldAttachAnothersAreaForWriting) {
  FilterInputs inputs = nothing_needed();
  inputs.privileged = true;
  const Asked filter(inputs);
  for (uint64_t address : {uint64_t{0}, uint64_t{0x7000'0000}, uint64_t{1} << 40}) {
    EXPECT_EQ(filter("shmat", {kSegment + 1, address, 0}), kTrace) << address;
    EXPECT_EQ(filter.name(Abi::I386, "shmat", {kSegment + 1, address, 0}), kTrace) << address;
  }
}

TEST(FilterCondition, WithoutAnAreaNothingIsGuarded) {
  const Asked filter(no_area());
  EXPECT_EQ(filter("munmap", {0x7000'0000, 4096}), kPass);
  EXPECT_EQ(filter("shmat", {~0U, 0x1000}), kPass);
  EXPECT_EQ(filter("mmap", {0x7000'0000, 4096, 3, 0x32}), kPass);
  EXPECT_EQ(filter("mmap", {0x7000'0000, 4096, 5, 2, 3}), kTrace);
}

TEST(FilterCondition, CommandsAreComparedAsTheKernelTruncatesThem) {
  const Asked filter(everything_needed());
  for (uint64_t upper : {uint64_t{0}, kGarbage, uint64_t{0xffff'ffff'0000'0000}}) {
    EXPECT_EQ(filter("ioctl", {0, upper | 0x5412}), refuse(EPERM));  // TIOCSTI
    EXPECT_EQ(filter("ioctl", {0, upper | 0x541c}), refuse(EPERM));
    EXPECT_EQ(filter("ioctl", {0, upper | 0x5437}), refuse(EPERM));  // TIOCVHANGUP
    EXPECT_EQ(filter("ioctl", {3, upper | 0xb701}), refuse(EPERM));
    EXPECT_EQ(filter("ioctl", {3, upper | 0xc038586b}), refuse(EPERM));  // XFS_IOC_OPEN_BY_HANDLE
    EXPECT_EQ(filter("ioctl", {3, upper | 0xc058587b}), refuse(EPERM));  // ATTRMULTI_BY_HANDLE
    EXPECT_EQ(filter("ioctl", {3, upper | 0x40489426}), refuse(EPERM));  // BTRFS_IOC_SEND
    EXPECT_EQ(filter("ioctl", {3, upper | 0x40186f04}), refuse(EPERM));  // OCFS2_IOC_REFLINK
    EXPECT_EQ(filter("ioctl", {3, upper | 0xc0185879}), kPass);          // FITRIM
    EXPECT_EQ(filter("ioctl", {3, upper | 0xaa00}), refuse(EPERM));      // USERFAULTFD_IOC_NEW
    EXPECT_EQ(filter("ioctl", {3, upper | 0xff04}), refuse(EPERM));      // a pidfd's namespace
    EXPECT_EQ(filter("ioctl", {3, upper | 0x8901}), kTrace);
    EXPECT_EQ(filter("ioctl", {3, upper | 0x40086602}), kTrace);
    EXPECT_EQ(filter("ioctl", {0, upper | 0x5401}), kPass);  // TCGETS
    EXPECT_EQ(filter("fcntl", {3, upper | 8}), kTrace);
    EXPECT_EQ(filter("fcntl", {3, upper | 15}), kTrace);
    EXPECT_EQ(filter("fcntl", {3, upper | 1030}), kPass);
    EXPECT_EQ(filter("prctl", {upper | 22, 2}), refuse(EINVAL));
    EXPECT_EQ(filter("prctl", {upper | 35, 13}), refuse(EPERM));
    EXPECT_EQ(filter("prctl", {upper | 59, 1}), refuse(EINVAL));
    EXPECT_EQ(filter("prctl", {upper | 4, 0}), kTrace);
    EXPECT_EQ(filter("prctl", {upper | 4, 1}), kTrace);  // ends what was pretended
    EXPECT_EQ(filter("prctl", {upper | 3}), kTrace);
    EXPECT_EQ(filter("prctl", {upper | 15, 0x1000}), kPass);
    EXPECT_EQ(filter("seccomp", {upper | 1}), refuse(EINVAL));
    EXPECT_EQ(filter("seccomp", {upper}), refuse(EINVAL));
    EXPECT_EQ(filter("seccomp", {upper | 2}), kPass);
    EXPECT_EQ(filter("personality", {upper | 0x0400000}), refuse(EPERM));
    EXPECT_EQ(filter("personality", {upper | 0xffffffff}), kPass);
    EXPECT_EQ(filter("personality", {upper | 0x0040000}), kPass);
    EXPECT_EQ(filter("clone", {upper | 0x10000000}), refuse(EPERM));
    EXPECT_EQ(filter("clone", {upper | 0x00800000 | 17}), refuse(EPERM));
    EXPECT_EQ(filter("clone", {upper | 0x3d0f00}), kPass);  // a thread
    EXPECT_EQ(filter("unshare", {upper | 0x20000}), refuse(EPERM));
    EXPECT_EQ(filter("unshare", {upper | 0x80}), refuse(EPERM));
    EXPECT_EQ(filter("unshare", {upper | 0x400}), kTrace);
    EXPECT_EQ(filter.name(Abi::I386, "fcntl64", {3, upper | 8}), kTrace);
    EXPECT_EQ(filter.name(Abi::I386, "clone", {upper | 0x10000000}), refuse(EPERM));
  }
  for (uint64_t bit = 0; bit < 32; ++bit) {
    const uint64_t flag = 1ULL << bit;
    const bool space = (flag & 0x7e820000) != 0;
    EXPECT_EQ(filter("clone", {flag}), space ? refuse(EPERM) : kPass) << bit;
  }
}

// Of any socket, and so of one that no rule on the network speaks of.
TEST(FilterCondition, ThePrivilegedChangeNoInterfaceWhereTheNetworkIsJudged) {
  FilterInputs inputs = everything_needed();
  EXPECT_EQ(Asked(inputs)("ioctl", {3, 0x8914}), kPass);  // the kernel asks for a capability
  inputs.privileged = true;
  const Asked filter(inputs);
  for (const uint64_t upper : {uint64_t{0}, kGarbage}) {
    for (const uint64_t command :
         {0x890b, 0x890c, 0x8914, 0x8916, 0x891c, 0x8922, 0x8924, 0x8943, 0x8946, 0x8953,
          0x8955, 0x8971, 0x8983, 0x8990, 0x89a2, 0x89b0, 0x89e0, 0x89ef, 0x89f0, 0x89ff}) {
      EXPECT_EQ(filter("ioctl", {3, upper | command}), refuse(EPERM)) << std::hex << command;
      EXPECT_EQ(filter.name(Abi::I386, "ioctl", {3, upper | command}), refuse(EPERM));
    }
    for (const uint64_t command :  // SIOCATMARK, GSTAMP; GIFNAME, CONF, FLAGS, ADDR, MTU, HWADDR
         {0x8905, 0x8906, 0x8910, 0x8912, 0x8913, 0x8915, 0x8921, 0x8927, 0x8933, 0x8942}) {
      EXPECT_EQ(filter("ioctl", {3, upper | command}), kPass) << std::hex << command;
    }
  }
  inputs.needs.network = false;
  EXPECT_EQ(Asked(inputs)("ioctl", {3, 0x8914}), kPass);
}

TEST(FilterCondition, AttributesByCommandOnlyWhenThePolicyTellsThemApart) {
  EXPECT_EQ(Asked(nothing_needed())("ioctl", {3, 0x40086602}), kPass);
  EXPECT_EQ(Asked(audit())("ioctl", {3, 0x40086602}), kTrace);
  EXPECT_EQ(Asked(nothing_needed())("ioctl", {3, 0x50009401}), kPass);
  EXPECT_EQ(Asked(everything_needed())("ioctl", {3, 0x50009401}), kTrace);
}

TEST(FilterCondition, DeviceNodesAreSeenWhateverThePolicySays) {
  const Asked filter(nothing_needed());
  EXPECT_EQ(filter("mknod", {0x1000, kGarbage | 0020644, 0x103}), kTrace);
  EXPECT_EQ(filter("mknodat", {~0U, 0x1000, 0060644, 0x800}), kTrace);
  EXPECT_EQ(filter("mknodat", {~0U, 0x1000, 0010644, 0}), kPass);  // a fifo
  EXPECT_EQ(filter("mknod", {0x1000, 0140644, 0}), kPass);         // a socket
  EXPECT_EQ(filter("mknod", {0x1000, 0644, 0}), kPass);
  EXPECT_EQ(Asked(everything_needed())("mknod", {0x1000, 0644, 0}), kTrace);
}

TEST(FilterCondition, ASockaddrIsAPointerOf64Bits) {
  const Asked filter(everything_needed());
  EXPECT_EQ(filter("sendto", {3, 0, 1, 0, 0, 16}), kPass);
  EXPECT_EQ(filter("sendto", {3, 0, 1, 0, 0x1000, 16}), kTrace);
  EXPECT_EQ(filter("sendto", {3, 0, 1, 0, 1ULL << 32, 16}), kTrace);  // only the upper half
  EXPECT_EQ(filter.name(Abi::I386, "sendto", {3, 0, 1, 0, kGarbage, 16}), kPass);
  EXPECT_EQ(filter.name(Abi::I386, "sendto", {3, 0, 1, 0, 0x1000, 16}), kTrace);
  EXPECT_EQ(Asked(audit())("sendto", {3, 0, 1, 0, 0, 16}), kPass);
}

TEST(FilterCondition, AnotherProcessIsJudgedWhateverThePolicySays) {
  const Asked filter(nothing_needed());
  for (const char* call : {"sched_setparam", "sched_setscheduler", "sched_setattr", "migrate_pages",
                           "move_pages", "sched_setaffinity", "prlimit64"}) {
    EXPECT_EQ(filter(call, {0, 1, 1}), kPass) << call;
    EXPECT_EQ(filter(call, {kGarbage, 1, 1}), kPass) << call;  // a pid is an int
    EXPECT_EQ(filter(call, {1234, 1, 1}), kTrace) << call;
  }
  EXPECT_EQ(filter("setpriority", {0, 0, 5}), kPass);
  EXPECT_EQ(filter("setpriority", {0, 77, 5}), kTrace);
  EXPECT_EQ(filter("setpriority", {1, 0, 5}), kTrace);  // the whole group
  EXPECT_EQ(filter("setpriority", {2, 0, 5}), kTrace);  // every process of the user
  EXPECT_EQ(filter("ioprio_set", {1, 0, 5}), kPass);
  EXPECT_EQ(filter("ioprio_set", {1, 77, 5}), kTrace);
  EXPECT_EQ(filter("ioprio_set", {3, 0, 5}), kTrace);
}

TEST(FilterCondition, LimitsAndAffinityAreSeenWhenTheyMatter) {
  const Asked filter(everything_needed());
  EXPECT_EQ(filter("prlimit64", {0, 7, 0, 0x1000}), kPass);  // getrlimit
  EXPECT_EQ(filter("prlimit64", {0, 7, 0x1000, 0}), kTrace);
  EXPECT_EQ(filter("prlimit64", {0, 7, 1ULL << 32, 0}), kTrace);
  EXPECT_EQ(filter("setrlimit", {7, 0x1000}), kTrace);
  EXPECT_EQ(filter("sched_setaffinity", {0, 8, 0x1000}), kTrace);
  EXPECT_EQ(filter("sched_getaffinity", {0, 8, 0x1000}), kTrace);
}
// IPPROTO_IP 0, IPPROTO_IPV6 41, IPPROTO_SCTP 132.
TEST(FilterCondition, OptionsThatLeadTrafficElsewhereAreSeen) {
  const Asked filter(everything_needed());
  for (const uint64_t upper : {uint64_t{0}, kGarbage}) {
    EXPECT_EQ(filter("setsockopt", {3, upper | 41, upper | 57}), kTrace);    // IPV6_RTHDR
    EXPECT_EQ(filter("setsockopt", {3, upper | 41, upper | 5}), kTrace);     // its older number
    EXPECT_EQ(filter("setsockopt", {3, upper | 41, upper | 6}), kTrace);     // 2292PKTOPTIONS
    EXPECT_EQ(filter("setsockopt", {3, upper | 41, upper | 32}), kTrace);    // FLOWLABEL_MGR
    EXPECT_EQ(filter("setsockopt", {3, upper | 0, upper | 4}), kTrace);      // IP_OPTIONS
    EXPECT_EQ(filter("setsockopt", {3, upper | 0, upper | 3}), kTrace);      // IP_HDRINCL
    EXPECT_EQ(filter("setsockopt", {3, upper | 41, upper | 36}), kTrace);    // IPV6_HDRINCL
    EXPECT_EQ(filter("setsockopt", {3, upper | 132, upper | 110}), kTrace);  // CONNECTX
    EXPECT_EQ(filter("getsockopt", {3, upper | 132, upper | 111}), kTrace);  // CONNECTX3
    EXPECT_EQ(filter("setsockopt", {3, upper | 41, upper | 26}), kPass);     // IPV6_V6ONLY
    EXPECT_EQ(filter("setsockopt", {3, upper | 6, upper | 57}), kPass);
    EXPECT_EQ(filter("setsockopt", {3, upper | 1, upper | 4}), kPass);  // SO_ERROR
    EXPECT_EQ(filter("getsockopt", {3, upper | 41, upper | 57}), kPass);
    EXPECT_EQ(filter.name(Abi::I386, "setsockopt", {3, upper | 41, upper | 57}), kTrace);
  }
  EXPECT_EQ(Asked(nothing_needed())("setsockopt", {3, 41, 57}), kPass);
  EXPECT_EQ(Asked(nothing_needed())("getsockopt", {3, 132, 111}), kPass);
}

}  // namespace
}  // namespace callgate
