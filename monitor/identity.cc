#include "monitor/identity.h"

#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>

namespace callgate {
namespace {

// The capabilities that decide file access; setfsuid drops them by itself only when it leaves 0.
constexpr uint64_t kFileCapabilities =
    (uint64_t{1} << CAP_DAC_OVERRIDE) | (uint64_t{1} << CAP_DAC_READ_SEARCH) |
    (uint64_t{1} << CAP_FOWNER) | (uint64_t{1} << CAP_CHOWN) | (uint64_t{1} << CAP_FSETID);

bool set_effective(uint64_t effective) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};  // NOLINT: the kernel's interface
  if (syscall(SYS_capget, &header, data) != 0) return false;
  data[0].effective = static_cast<uint32_t>(effective) & data[0].permitted;
  data[1].effective = static_cast<uint32_t>(effective >> 32) & data[1].permitted;
  return syscall(SYS_capset, &header, data) == 0;
}

// The raw call changes this thread alone.
bool set_groups(const std::vector<gid_t>& groups) {
  return syscall(SYS_setgroups, groups.size(), groups.data()) == 0;
}

}  // namespace

// Under no_new_privs an inheritable capability comes to life by no program file.
bool has_privileges() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};  // NOLINT: the kernel's interface
  if (geteuid() == 0 || syscall(SYS_capget, &header, data) != 0) return true;
  return (data[0].permitted | data[1].permitted) != 0;
}

ScopedIdentity::ScopedIdentity(const Credentials& own, const Credentials& wanted) : own_(own) {
  const uint64_t mask = kFileCapabilities;
  if (own.fsuid == wanted.fsuid && own.fsgid == wanted.fsgid && own.groups == wanted.groups &&
      (own.capabilities & mask) == (wanted.capabilities & mask)) {
    return;
  }
  changed_ = true;
  prctl(PR_GET_PDEATHSIG, &parent_death_signal_);
  parent_ = getppid();
  ok_ = set_groups(wanted.groups);
  setfsgid(wanted.fsgid);
  setfsuid(wanted.fsuid);
  ok_ = ok_ && static_cast<uid_t>(setfsuid(static_cast<uid_t>(-1))) == wanted.fsuid &&
        static_cast<gid_t>(setfsgid(static_cast<gid_t>(-1))) == wanted.fsgid &&
        set_effective((own.capabilities & ~mask) | (wanted.capabilities & mask));
}

ScopedIdentity::~ScopedIdentity() {
  if (!changed_) return;
  setfsuid(own_.fsuid);
  setfsgid(own_.fsgid);
  // A monitor that is not itself any more must not decide anything: its death kills the tracees.
  if (!set_effective(own_.capabilities) || !set_groups(own_.groups)) std::abort();
  // With every change of credentials the kernel forgets it; the parent may have died meanwhile.
  if (parent_death_signal_ == 0) return;
  prctl(PR_SET_PDEATHSIG, parent_death_signal_);
  if (getppid() != parent_) ::kill(getpid(), parent_death_signal_);
}

}  // namespace callgate
