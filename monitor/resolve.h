// From a name to the object and the name the kernel gives it, walked as the tracee would walk it:
// from the thread's own working directory or descriptor, with its identity, through its own
// /proc/self. Nothing is created, opened for reading or changed: every step is an O_PATH open.
#pragma once

#include <sys/stat.h>

#include <cerrno>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "arch/result.h"
#include "arch/unique_fd.h"
#include "monitor/proc_files.h"

namespace callgate {

// A name's end. Which fields are set depends on where it led.
struct Place {
  UniqueFd parent;    // directory that holds `leaf`; invalid when reached by descriptor alone
  std::string leaf;   // last component; "." and ".." only as a parent call's literal leaf
  UniqueFd object;    // what is there (a symlink only when it was not to be followed)
  struct stat st {};  // of `object`
  std::string real;   // the kernel's own name for it, whole; a missing object: where it would be
  std::string name;   // `real` as the policy speaks of it: the caller's /proc/<pid> is /proc/self
  std::vector<std::string> links;  // symlinks passed through
  int missing = ENOENT;            // why there is no object; ENAMETOOLONG: nor can there be one
  bool trailing_slash = false;
  bool magic = false;         // a magic link (/proc/self/fd/3) was passed: only a pin repeats that
  bool nameless = false;      // a pipe, socket or other object that no name leads to
  bool deleted = false;       // its name is gone; `real` is what it was
  bool foreign = false;       // in /proc/<pid> of a process outside the sandbox
  bool foreign_held = false;  // reached by such a process's own link to what it holds
  [[nodiscard]] bool exists() const { return object.valid(); }
  [[nodiscard]] bool is_directory() const { return exists() && S_ISDIR(st.st_mode); }
  // "/", "." and "..": what no call makes, removes or renames.
  [[nodiscard]] bool is_fixed() const { return leaf.empty() || leaf == "." || leaf == ".."; }
  [[nodiscard]] bool is_symlink() const { return exists() && S_ISLNK(st.st_mode); }
};

// Whose eyes to look with: a thread, and the credentials its walk is judged by (nullptr: ours).
struct Viewer {
  pid_t tid = 0;
  pid_t pid = 0;
  const Credentials* credentials = nullptr;
};

struct ResolveOptions {
  bool follow = true;           // the last component, when it is a symlink
  bool parent_call = false;     // mkdir, unlink, rename: a trailing slash does not follow
  bool creates = false;         // a missing last component is to be made (O_CREAT)
  bool empty_path = false;      // AT_EMPTY_PATH: "" is the descriptor itself
  uint64_t resolve_flags = 0;   // the program's own openat2 RESOLVE_*
  std::string* lost = nullptr;  // takes the name of the component at which a walk failed
};

// Whether two descriptors are of one object.
bool same_object(int a, int b);

class Resolver {
 public:
  // `inside` tells whether a process belongs to the sandbox.
  Resolver(std::function<bool(pid_t)> inside, Credentials own);

  // errno as the kernel would give it to the tracee's own walk; a missing last component is a
  // Place without object.
  Result<Place> resolve(const Viewer& viewer, int dirfd, std::string_view path,
                        const ResolveOptions& options) const;
  // The object behind a descriptor. EBADF when it is not open.
  Result<Place> descriptor(const Viewer& viewer, int fd) const;
  // The kernel's name of a thread's working directory or directory descriptor; fails where it has
  // none that can be used as a prefix (deleted, unreachable, too long).
  static Result<std::string> directory_name(const Viewer& viewer, int dirfd);

  // Whether a name lies in another proc file system than /proc, where pids may mean others.
  [[nodiscard]] bool in_other_proc(std::string_view path) const;

  // Fills real, name, nameless, deleted and foreign from an O_PATH descriptor of this process.
  Status name_object(const Viewer& viewer, int fd, Place& place) const;

 private:
  struct Walk;
  Result<Place> restricted(Walk& walk, std::string_view path) const;
  Result<Place> finish_leaf(const Viewer& viewer, Place place) const;
  [[nodiscard]] bool is_unreaped(pid_t pid) const;
  std::string policy_name(const Viewer& viewer, const std::string& real, bool* foreign) const;
  std::function<bool(pid_t)> inside_;
  Credentials own_;
  UniqueFd root_;
  std::vector<std::string> other_procs_;  // mount points, each with a trailing slash
};

}  // namespace callgate
