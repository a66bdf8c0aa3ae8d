#include "monitor/fence.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "monitor/identity.h"
#include "monitor/proc_files.h"
#include "policy/tree_grants.h"

namespace callgate {
namespace {

// Not in Debian 12's headers: since ABI 3 (Linux 6.2). What is older cannot say who may truncate.
constexpr int kAbiWithTruncate = 3;
constexpr uint64_t kTruncate = 1U << 14;

// A right to make or remove an object is one to its directory.
constexpr PathOps kOneOps{PathOp::Read, PathOp::Write};
constexpr uint64_t kFileRights =
    LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate;

// The rights of the calls that pass (left_by_kernel in filter_plan.cc). A kernel that is not told
// otherwise refuses every move from one directory to another, also those that the monitor makes; of
// others it takes care that what is moved loses rights at most.
uint64_t rights_of(PathOps ops) {
  uint64_t rights = 0;
  if (ops.has(PathOp::Read)) rights |= LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
  if (ops.has(PathOp::Write)) rights |= LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate;
  if (ops.has(PathOp::Create)) {
    rights |= LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR |
              LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_MAKE_FIFO |
              LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REFER;
  }
  if (ops.has(PathOp::Delete)) {
    rights |=
        LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REFER;
  }
  return rights;
}

std::string unfit_options(const SessionOptions& options) {
  if (!options.offload) return "--no-offload";
  if (options.model != Model::Sealed) return "only the sealed model enforces";
  if (options.observe_all || !options.enforce) return "every call is to be recorded";
  if (!options.unheard) return "what is denied is to be said (--quiet: it is not)";
  if (has_privileges()) return "a privileged program could open callgate's own memory by its files";
  return {};
}

class Builder {
 public:
  explicit Builder(const SessionOptions& options) : options_(options) {
    auto mounts = read_whole_file("/proc/self/mountinfo");
    if (mounts.ok()) {
      proc_mounts_ = parse_proc_mounts(*mounts);
    } else {
      proc_mounts_.emplace_back("/");  // anywhere
    }
  }

  Status create() {
    const landlock_ruleset_attr attributes{.handled_access_fs = rights_of(TreeGrants::kOps)};
    ruleset_ = UniqueFd(
        static_cast<int>(syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0)));
    return ruleset_.valid() ? Status(Unit{}) : Status(last_error());
  }

  // What keeps the kernel from answering for this grant as the policy does; empty: it will.
  std::string add_tree(const TreeGrants::Grant& tree) {
    const std::string root = tree.name == "/" ? "/" : tree.name + "/";
    // Whose entries another process's are, no directory tells.
    for (const std::string& mount : proc_mounts_) {
      if (mount == tree.name || mount.starts_with(root)) return "a proc file system lies in it";
    }
    if (!(tree.ops - PathOps(PathOp::Read)).empty()) {
      for (const std::string& file : options_.own_files) {
        if (file.starts_with(root)) return "the policy itself lies in it: " + file;
      }
    }
    struct stat info {};
    std::string misfit = open(tree.name, &info);
    if (!misfit.empty()) return misfit;
    if (!S_ISDIR(info.st_mode)) return {};  // nothing lies below it
    return add(rights_of(tree.ops));
  }

  std::string add_one(const TreeGrants::Grant& one) {
    const PathOps ops = one.ops & kOneOps;
    if (ops.empty()) return {};
    struct stat info {};
    std::string misfit = open(one.name, &info);
    if (!misfit.empty()) return misfit;
    if (S_ISDIR(info.st_mode)) {  // which nobody opens for writing
      return ops.has(PathOp::Read) ? "it grants a directory without what is below it" : "";
    }
    // What is replaced by another of its name has no such grant; device nodes are not.
    if (!S_ISCHR(info.st_mode) && !S_ISBLK(info.st_mode)) return "it grants a single file";
    return add(rights_of(ops) & kFileRights);
  }

  UniqueFd take() { return std::move(ruleset_); }

 private:
  std::string open(const std::string& name, struct stat* info) {
    object_ = UniqueFd(::open(name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!object_.valid() || ::fstat(object_.get(), info) != 0) {
      return name + ": " + std::strerror(errno);
    }
    const auto real = read_link("/proc/self/fd/" + std::to_string(object_.get()));
    struct statfs fs {};
    if (!real.ok() || *real != name || ::fstatfs(object_.get(), &fs) != 0) {
      return name + " is not where it was when the policy was read";
    }
    return fs.f_type == PROC_SUPER_MAGIC ? "it lies in a proc file system" : "";
  }

  std::string add(uint64_t rights) {
    const landlock_path_beneath_attr rule{rights, object_.get()};
    if (syscall(SYS_landlock_add_rule, ruleset_.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0) {
      return {};
    }
    return std::string("Landlock does not take it: ") + std::strerror(errno);
  }

  const SessionOptions& options_;
  std::vector<std::string> proc_mounts_;
  UniqueFd ruleset_;
  UniqueFd object_;
};

std::string at(const Statement* rule, const std::string& text) {
  return rule == nullptr ? text : rule->where() + ": " + text;
}

}  // namespace

Fence make_fence(const SessionOptions& options, const Policy& policy) {
  Fence fence;
  fence.why_not = unfit_options(options);
  if (!fence.why_not.empty()) return fence;
  const TreeGrants grants = policy.tree_grants();
  if (!grants.obstacle.empty()) {
    fence.why_not = at(grants.rule, grants.obstacle);
    return fence;
  }
  const long abi =
      syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < kAbiWithTruncate) {
    fence.why_not = abi < 0 ? std::string("Landlock is not there: ") + std::strerror(errno)
                            : "this kernel's Landlock is older than Linux 6.2's";
    return fence;
  }
  Builder builder(options);
  if (const Status created = builder.create(); !created.ok()) {
    fence.why_not = std::string("Landlock: ") + std::strerror(created.error().code);
    return fence;
  }
  for (const TreeGrants::Grant& tree : grants.below) {
    if (grants.covers_from_above(tree.ops, tree.name)) continue;
    if (std::string misfit = builder.add_tree(tree); !misfit.empty()) {
      fence.why_not = at(tree.rule, misfit);
      return fence;
    }
  }
  for (const TreeGrants::Grant& one : grants.itself) {
    if (grants.covers_below(one.ops & kOneOps, one.name)) continue;
    if (std::string misfit = builder.add_one(one); !misfit.empty()) {
      fence.why_not = at(one.rule, misfit);
      return fence;
    }
  }
  fence.ruleset = builder.take();
  fence.covers_moves = grants.moves_change_nothing;
  return fence;
}

Status enter_fence(int ruleset) {
  if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) return last_error();
  return Unit{};
}

}  // namespace callgate
