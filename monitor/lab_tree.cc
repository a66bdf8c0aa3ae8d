#include "monitor/lab_tree.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <system_error>

#include "monitor/escape.h"
#include "monitor/proc_files.h"

namespace callgate {
namespace {

namespace fs = std::filesystem;

std::string image_of(const fs::path& path) {
  struct stat st {};
  if (lstat(path.c_str(), &st) != 0) return "gone";
  std::string image = std::to_string(st.st_mode) + ' ' + std::to_string(st.st_uid) + ' ' +
                      std::to_string(st.st_gid);
  if (S_ISREG(st.st_mode)) {
    const auto content = read_whole_file(path.string());
    image += ' ' + std::to_string(st.st_nlink) + ' ' +
             (content.ok() ? std::to_string(std::hash<std::string>{}(*content)) : "unreadable");
  } else if (S_ISLNK(st.st_mode)) {
    const auto target = read_link(path.string());
    image += ' ' + (target.ok() ? *target : std::string());
  }
  return image;
}

void mix(uint64_t* stamp, uint64_t value) { *stamp = (*stamp ^ value) * 0x100000001b3; }  // FNV-1a

}  // namespace

TreeImage tree_image(const std::string& root) {
  TreeImage image;
  image["."] = image_of(root);
  std::error_code error;
  for (fs::recursive_directory_iterator at(root, error), end; !error && at != end;
       at.increment(error)) {
    image[at->path().lexically_relative(root).string()] = image_of(at->path());
  }
  return image;
}

std::string tree_difference(const TreeImage& before, const TreeImage& after) {
  constexpr int kNamed = 3;
  std::string out;
  int count = 0;
  const auto add = [&](const std::string& name, const char* what) {
    if (++count > kNamed) return;
    out += (out.empty() ? "" : ", ") + (name == "." ? "it" : escape(name, 60)) + what;
  };
  for (const auto& [name, image] : before) {
    const auto found = after.find(name);
    if (found == after.end()) {
      add(name, " is gone");
    } else if (found->second != image) {
      add(name, " changed");
    }
  }
  for (const auto& [name, image] : after) {
    if (before.find(name) == before.end()) add(name, " appeared");
  }
  if (count > kNamed) out += " and " + std::to_string(count - kNamed) + " more";
  return out;
}

uint64_t tree_stamp(const std::string& root, const TreeImage& names) {
  uint64_t stamp = 0xcbf29ce484222325;
  for (const auto& [name, image] : names) {
    struct stat st {};
    if (lstat((root + "/" + name).c_str(), &st) != 0) continue;
    // A name that comes or goes shows in its directory's time.
    for (const auto value :
         {static_cast<uint64_t>(st.st_ino), static_cast<uint64_t>(st.st_mode),
          static_cast<uint64_t>(st.st_nlink), static_cast<uint64_t>(st.st_size),
          static_cast<uint64_t>(st.st_ctim.tv_sec), static_cast<uint64_t>(st.st_ctim.tv_nsec)}) {
      mix(&stamp, value);
    }
  }
  return stamp;
}

bool remove_tree(const std::string& root) {
  std::error_code error;
  fs::remove_all(root, error);
  if (!error) return true;
  // Directories that their owner may not enter: opened up from the top, one level a round.
  constexpr int kDeepest = 64;
  for (int round = 0; round < kDeepest && error; ++round) {
    std::error_code ignored;
    chmod(root.c_str(), 0700);
    constexpr auto kSkip = fs::directory_options::skip_permission_denied;
    for (fs::recursive_directory_iterator at(root, kSkip, ignored), end; !ignored && at != end;
         at.increment(ignored)) {
      if (at->is_directory(ignored) && !at->is_symlink(ignored)) chmod(at->path().c_str(), 0700);
    }
    fs::remove_all(root, error);
  }
  return !fs::exists(root, error);
}

}  // namespace callgate
