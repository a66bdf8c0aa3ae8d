// What the kernel calls an object, and what the policy calls it.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>

#include "monitor/long_name.h"
#include "monitor/resolve.h"

namespace callgate {

bool same_object(int a, int b) {
  struct stat one {};
  struct stat other {};
  return ::fstat(a, &one) == 0 && ::fstat(b, &other) == 0 && one.st_dev == other.st_dev &&
         one.st_ino == other.st_ino;
}

bool Resolver::in_other_proc(std::string_view path) const {
  return std::any_of(other_procs_.begin(), other_procs_.end(),
                     [&](const std::string& point) { return path.starts_with(point); });
}

// One of the sandbox's own that has ended and has not been waited for.
bool Resolver::is_unreaped(pid_t pid) const {
  auto status = read_task_status(pid);
  return status.ok() && status->state == 'Z' && inside_(status->parent);
}

std::string Resolver::policy_name(const Viewer& viewer, const std::string& real,
                                  bool* foreign) const {
  constexpr std::string_view kProc = "/proc/";
  if (in_other_proc(real)) *foreign = true;
  if (!real.starts_with(kProc)) return real;
  int pid = 0;
  const char* begin = real.data() + kProc.size();
  const char* end = real.data() + real.size();
  const auto parsed = std::from_chars(begin, end, pid);
  if (parsed.ec != std::errc() || (parsed.ptr != end && *parsed.ptr != '/')) return real;
  if (pid == viewer.pid || pid == viewer.tid) return "/proc/self" + std::string(parsed.ptr, end);
  if (!inside_(pid) && !is_unreaped(pid)) *foreign = true;
  return real;
}

Status Resolver::name_object(const Viewer& viewer, int fd, Place& place) const {
  auto link = read_link("/proc/self/fd/" + std::to_string(fd));
  if (!link.ok() && link.error().code == ENAMETOOLONG) {
    link = long_object_name(fd, "/proc/" + std::to_string(viewer.tid));
  }
  if (!link.ok()) return link.error();
  std::string& text = *link;
  if (!text.starts_with('/')) {
    if (text.starts_with("(unreachable)")) return Error{EACCES};
    place.nameless = true;
  }
  if (text.ends_with(" (deleted)")) {  // it may have other links, of which nothing is known
    struct stat st {};
    if (::fstat(fd, &st) != 0) return last_error();
    std::string living = living_name(text, st.st_ino);
    place.deleted = living != text;
    text = std::move(living);
  }
  place.name = place.nameless ? text : policy_name(viewer, text, &place.foreign);
  place.real = std::move(text);
  return Unit{};
}

Result<std::string> Resolver::directory_name(const Viewer& viewer, int dirfd) {
  const std::string task = "/proc/" + std::to_string(viewer.tid);
  auto name = read_link(dirfd == AT_FDCWD ? task + "/cwd" : task + "/fd/" + std::to_string(dirfd));
  if (!name.ok()) return name.error();
  // " (deleted)" may be part of a living name; the slow way tells the two apart.
  if (!name->starts_with('/') || name->ends_with(" (deleted)")) return Error{ENOENT};
  return name;
}

}  // namespace callgate
