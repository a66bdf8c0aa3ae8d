#include "tests/programs/names_fuzz/trees.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <string>
#include <vector>

#include "tests/programs/names_fuzz/call.h"
#include "tests/programs/names_fuzz/calls.h"
#include "tests/programs/names_fuzz/paths.h"
#include "tests/programs/names_fuzz/text.h"

namespace names_fuzz {
namespace {

// A copy that may be linked and executed: the original may belong to somebody else. Calls may
// truncate it, so each tree gets a fresh one.
bool make_program() {
  const int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  const int to = open(program.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
  if (from < 0 || to < 0) return false;
  for (char buffer[65536];;) {
    const ssize_t n = read(from, buffer, sizeof buffer);
    if (n <= 0) break;
    if (write(to, buffer, static_cast<size_t>(n)) != n) return false;
  }
  close(from);
  close(to);
  return true;
}

void plant(int directory, int depth) {
  const int entries = 4 + generator.below(5);
  for (int i = 0; i < entries; ++i) {
    const std::string name = some_name();
    const int kind = generator.below(100);
    if (kind < 35 && depth < 3) {
      if (mkdirat(directory, name.c_str(), 0777) == 0) {
        const int fd = openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0) plant(fd, depth + 1);
        close(fd);
        if (generator.percent(15)) fchmodat(directory, name.c_str(), some_mode(), 0);
      }
    } else if (kind < 60) {
      const int fd = openat(directory, name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0777);
      if (fd >= 0) {
        const std::string content = "file " + std::to_string(generator.below(1000));
        static_cast<void>(!write(fd, content.data(), content.size()));
        if (generator.percent(30)) fchmod(fd, some_mode());
        close(fd);
      }
    } else if (kind < 88) {
      static_cast<void>(!symlinkat(some_path().c_str(), directory, name.c_str()));
    } else if (kind < 91) {
      mkfifoat(directory, name.c_str(), 0666);
    } else if (kind < 95) {
      static_cast<void>(!linkat(AT_FDCWD, program.c_str(), directory, name.c_str(), 0));
    } else {
      const int fd = openat(directory, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
      if (fd >= 0) {
        const std::string script =
            "#!" + (generator.percent(70) ? program : some_path()) + " " + kExecuted + "\n";
        static_cast<void>(!write(fd, script.data(), script.size()));
        close(fd);
      }
    }
  }
}

void list(int directory, const std::string& where, int depth) {
  const int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* entries = fd < 0 ? nullptr : fdopendir(fd);
  if (entries == nullptr) {
    say("tree " + shown(where) + " unreadable " + std::to_string(errno));
    end_line();
    return;
  }
  std::vector<std::string> found;
  while (const dirent* entry = readdir(entries)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") found.push_back(name);
  }
  closedir(entries);
  std::sort(found.begin(), found.end());
  for (const std::string& name : found) {
    struct stat st {};
    const std::string path = where + "/" + name;
    say("tree " + shown(path));
    if (fstatat(directory, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
      say(" errno " + std::to_string(errno));
      end_line();
      continue;
    }
    say(" " + status_text(st));
    // Times below this were set by a call; the others are the clock's.
    if (st.st_mtime < 100000) say(" time " + std::to_string(st.st_mtime));
    if (S_ISLNK(st.st_mode)) {
      std::array<char, PATH_MAX> target;
      const ssize_t n = readlinkat(directory, name.c_str(), target.data(), target.size());
      if (n >= 0) say(" -> " + shown(std::string_view(target.data(), static_cast<size_t>(n))));
    }
    end_line();
    if (S_ISDIR(st.st_mode) && depth < 40) {
      const int below =
          openat(directory, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (below >= 0) {
        list(below, path, depth + 1);
        close(below);
      }
    }
  }
}

}  // namespace

void choose_tree(const std::string& seed, int world, const char* purpose) {
  tree = box + "/w" + std::to_string(world);
  program = tree + "/program";
  tree += "/n/n/n";
  generator.state = hash(seed + "/" + std::to_string(world) + "/" + purpose);
}

bool plant_tree(const std::string& seed, int world) {
  choose_tree(seed, world, "plant");
  umask(0);
  const std::string top = box + "/w" + std::to_string(world);
  for (const char* level : {"", "/n", "/n/n", "/n/n/n"}) {
    if (mkdir((top + level).c_str(), 0755) != 0) return false;
  }
  if (!make_program()) return false;
  const int root = open(tree.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return false;
  plant(root, 0);
  close(root);
  return true;
}

void list_box() {
  const int root = open(box.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  list(root, "", 0);
  close(root);
}

}  // namespace names_fuzz
