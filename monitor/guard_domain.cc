// Names for a task in a Landlock domain. No keeper lies in it, so that a pin has no name there.
// What is used instead holds as long as nobody can change it: all others are held for the call.
#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <optional>

#include "monitor/guard.h"

namespace callgate {
namespace {

bool leads_to(const std::string& path, int fd) {
  const UniqueFd found(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  return found.valid() && same_object(found.get(), fd);
}

// From the task's working directory or one of its descriptors, as the program itself will have
// come: it may not search every directory above. `plain`: the object is no link, and may be named.
std::optional<std::string> from_within(pid_t tid, int fd, const std::string& name, bool plain) {
  const std::string task = "/proc/" + std::to_string(tid) + "/";
  std::vector<std::string> links = {"cwd"};
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(task + "fd", failed)) {
    links.push_back("fd/" + entry.path().filename().string());
  }
  for (const std::string& link : links) {
    const auto base = read_link(task + link);
    if (!base.ok()) continue;
    if (*base == name) {
      const UniqueFd held(::open((task + link).c_str(), O_PATH | O_CLOEXEC));
      if (held.valid() && same_object(held.get(), fd)) return "/proc/thread-self/" + link;
    } else if (plain && base->starts_with('/') && name.starts_with('/')) {
      const std::string way = std::filesystem::path(name).lexically_relative(*base);
      if (leads_to(task + link + "/" + way, fd)) return "/proc/thread-self/" + link + "/" + way;
    }
  }
  return std::nullopt;
}

}  // namespace

Result<std::string> Guard::way_to(Task& task, int fd) {
  if (!task.landlocked) {
    CALLGATE_TRY(const Credentials credentials, credentials_of(task));
    return keepers_.path_to(fd, credentials);
  }
  CALLGATE_TRY(std::string name, read_link("/proc/self/fd/" + std::to_string(fd)));
  struct stat st {};
  if (::fstat(fd, &st) != 0) return last_error();
  const bool plain = !S_ISLNK(st.st_mode);  // a link's name would lead on
  if (auto path = from_within(task.tid, fd, name, plain)) return *std::move(path);
  if (plain && leads_to(name, fd)) return name;
  return Error{EACCES};
}

}  // namespace callgate
