#include "monitor/long_name.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <memory>
#include <vector>

#include "arch/unique_fd.h"
#include "monitor/proc_files.h"

namespace callgate {
namespace {

constexpr size_t kLongest = 1 << 20;

Result<std::string> entry_name(int parent, const struct stat& child) {
  UniqueFd readable(::openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!readable.valid()) return last_error();
  std::unique_ptr<DIR, int (*)(DIR*)> directory(::fdopendir(readable.get()), &::closedir);
  if (!directory) return last_error();
  static_cast<void>(readable.release());
  while (const dirent* entry = ::readdir(directory.get())) {
    struct stat st {};
    if (::fstatat(parent, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        st.st_dev == child.st_dev && st.st_ino == child.st_ino) {
      return std::string(entry->d_name);
    }
  }
  return Error{ENOENT};
}

}  // namespace

Result<std::string> long_directory_name(int fd) {
  std::string tail;
  UniqueFd current(::openat(fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!current.valid()) return last_error();
  while (tail.size() < kLongest) {
    auto name = read_link("/proc/self/fd/" + std::to_string(current.get()));
    if (name.ok()) {
      if (!name->starts_with('/')) return Error{EACCES};
      return *name == "/" ? tail : *name + tail;
    }
    if (name.error().code != ENAMETOOLONG) return name.error();
    struct stat st {};
    if (::fstat(current.get(), &st) != 0) return last_error();
    UniqueFd parent(::openat(current.get(), "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!parent.valid()) return last_error();
    CALLGATE_TRY(const std::string leaf, entry_name(parent.get(), st));
    tail = "/" + leaf + tail;
    current = std::move(parent);
  }
  return Error{ENAMETOOLONG};
}

Result<std::string> long_object_name(int fd, const std::string& task) {
  struct stat st {};
  if (::fstat(fd, &st) != 0) return last_error();
  if (S_ISDIR(st.st_mode)) return long_directory_name(fd);
  std::vector<std::string> near = {task + "/cwd"};
  std::error_code error;
  std::filesystem::directory_iterator descriptors(task + "/fd", error);
  while (!error && descriptors != std::filesystem::directory_iterator()) {
    near.push_back(descriptors->path());
    descriptors.increment(error);
  }
  for (const std::string& place : near) {
    const UniqueFd directory(::open(place.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory.valid()) continue;
    auto leaf = entry_name(directory.get(), st);
    if (!leaf.ok()) continue;
    CALLGATE_TRY(const std::string name, long_directory_name(directory.get()));
    return name + "/" + *leaf;
  }
  return Error{ENAMETOOLONG};
}

}  // namespace callgate
