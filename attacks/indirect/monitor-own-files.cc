// attack: monitor-own-files
// class: indirect
// severity: high
// models: naive
// launch: own-files
// trap: The policy, a file that it includes, and the log lie in a tree that the program may write.
//   It widens tomorrow's policy, exchanges the file or the link that was given for it, empties or
//   replaces the log, by its name, by a new name, by a descriptor, by moving the directory; and it
//   reaches for the monitor's own program.
// naive: Protects itself by convention: nobody would.
// kernel: Who may write a directory may replace every file in it, whoever owns it (rename(2),
//   unlink(2)); /proc/<pid>/exe is a way to the program of another process (proc(5);
//   CVE-2019-5736).
// sealed: What callgate reads its rules from and writes its records to is out of reach for every
//   change, whatever the policy says, and so is every directory above; /proc/<pid> of others is
//   closed.
// source: CVE-2019-5736; kirodotdev/KiroCrew#5411
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: callgate's own files are out of reach
// report: $T/part.policy
#include "tests/support/attack.h"

namespace attack {
namespace {

constexpr const char* kWider = "path allow all /**\n";

void overwrite(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags, 0644);
  if (fd < 0) return;
  if (::write(fd, kWider, std::strlen(kWider)) > 0 || (flags & O_TRUNC) != 0) prey_taken(path);
  ::close(fd);
}

long exchange(const std::string& a, const std::string& b) {
  return ::syscall(SYS_renameat2, AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), 2);
}

void attack_file(const std::string& leaf) {
  const std::string own = work(leaf);
  const auto by = [&](const char* name) { return way(leaf + ", " + name); };
  if (by("write")) overwrite(own, O_WRONLY);
  if (by("append")) overwrite(own, O_RDWR | O_APPEND);
  if (by("O_TRUNC")) overwrite(own, O_WRONLY | O_CREAT | O_TRUNC);
  if (by("O_RDONLY|O_TRUNC") && ::open(own.c_str(), O_RDONLY | O_TRUNC) >= 0) {
    prey_taken("emptied " + own);
  }
  if (by("truncate") && ::truncate(own.c_str(), 0) == 0) prey_taken("truncated " + own);
  if (by("chmod") && ::chmod(own.c_str(), 0) == 0) prey_taken("closed " + own);
  // What it was opened for reading by becomes a way to write it.
  if (const int fd = ::open(own.c_str(), O_RDONLY); fd >= 0) {
    if (by("/proc/self/fd")) overwrite("/proc/self/fd/" + std::to_string(fd), O_WRONLY);
    ::close(fd);
  }
  // Another name, and through that. (Of the link, a second name of the link.)
  const std::string alias = work("alias");
  if (by("link") && ::link(own.c_str(), alias.c_str()) == 0) overwrite(alias, O_WRONLY);
  ::unlink(alias.c_str());
  if (by("symlink") && ::symlink(own.c_str(), alias.c_str()) == 0) overwrite(alias, O_WRONLY);
  ::unlink(alias.c_str());
  // Another file, under its name.
  spill(work("mine"), kWider);
  if (by("rename onto") && ::rename(work("mine").c_str(), own.c_str()) == 0) {
    prey_taken("replaced " + own);
  }
  if (by("exchange") && exchange(work("mine"), own) == 0) prey_taken("exchanged " + own);
  if (by("rename") && ::rename(own.c_str(), alias.c_str()) == 0) prey_taken("moved away " + own);
  if (by("unlink") && ::unlink(own.c_str()) == 0) prey_taken("removed " + own);
}

}  // namespace

void strike() {
  for (const char* own : {"part.policy", "attack.policy", "callgate.log", "link.policy"}) {
    attack_file(own);
  }
  // The whole tree, to put another one in its place.
  const std::string tree = setting("ATTACK_T");
  if (way("the tree") && ::rename(tree.c_str(), (tree + ".old").c_str()) == 0) {
    ::rename((tree + ".old").c_str(), tree.c_str());
    prey_taken("moved the tree");
  }
  // Without a monitor the parent is whoever tests this, and left alone.
  const std::string parent = "/proc/" + std::to_string(::getppid()) + "/";
  for (const char* leaf : {"exe", "fd/0", "fd/3", "fd/4", "mem"}) {
    if (wanted_way() != nullptr) break;
    if (::open((parent + leaf).c_str(), O_RDWR) >= 0) prey_taken("opened the monitor's " + parent);
  }
  held("callgate's own files");
}

// They may be read where the policy grants it, and their neighbours written.
void twin() {
  for (const char* own : {"attack.policy", "part.policy", "callgate.log"}) {
    const int fd = ::open(work(own).c_str(), O_RDONLY);
    must(fd >= 0 && !read_all(fd).empty(), "callgate's own files can be read");
    struct stat status {};
    must(::stat(work(own).c_str(), &status) == 0, "and looked at");
  }
  spill(work("attack.policy.new"), kWider);
  must(::rename(work("attack.policy.new").c_str(), work("other.policy").c_str()) == 0, "rename");
  must(reads(work("other.policy"), kWider), "a policy of one's own");
  must(::unlink(work("other.policy").c_str()) == 0, "unlink");
  twin_ok();
}

}  // namespace attack
