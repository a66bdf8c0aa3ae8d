#include "tests/programs/names_fuzz/paths.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

#include "tests/programs/names_fuzz/call.h"
#include "tests/programs/names_fuzz/narrow.h"
#include "tests/programs/names_fuzz/text.h"

namespace names_fuzz {

std::string box;
std::string tree;
std::string program;
std::vector<int> kept;

namespace {

char* pages = nullptr;  // two pages to write in, then one that cannot be touched, twice
constexpr size_t kPage = 4096;
std::array<std::string, 4> storage;

std::string around_path_max() {
  const std::string name = some_name();
  std::string path;
  while (path.size() + name.size() < PATH_MAX - 4) path += "./";
  path += name;
  while (path.size() < static_cast<size_t>(PATH_MAX - 2 + generator.below(4))) path.insert(0, "/");
  if (generator.percent(50)) path.insert(0, ".");
  if (path.front() == '/') path.insert(0, ".");
  return path;
}

bool contained(int dirfd, const std::string& path, int depth) {
  if (depth > 42 || path.size() >= PATH_MAX) return true;  // nothing comes of it
  if (path.empty()) {
    if (dirfd == AT_FDCWD) return true;
    return fcntl(dirfd, F_GETFD) < 0 || inside(name_of(dirfd));
  }
  const auto leads_inside = [&](const std::string& text, int flags) {
    const auto fd =
        static_cast<int>(call(SYS_openat, static_cast<uint64_t>(dirfd), at(text.c_str()),
                              static_cast<uint64_t>(O_PATH | O_CLOEXEC | flags)));
    if (fd < 0) return errno;
    const bool ok = inside(name_of(fd));
    close(fd);
    return ok ? 0 : -1;
  };
  std::string plain = path;
  while (plain.size() > 1 && plain.back() == '/') plain.pop_back();
  const size_t slash = plain.find_last_of('/');
  const std::string parent = slash == std::string::npos ? "." : plain.substr(0, slash + 1);
  if (leads_inside(parent, 0) < 0) return false;
  if (leads_inside(plain, O_NOFOLLOW) < 0) return false;
  const int object = leads_inside(plain, 0);
  if (object < 0) return false;
  // Nothing comes of a loop either; an oracle would walk it link by link, each time.
  if (object == 0 || object == ELOOP) return true;
  // Perhaps a dangling link: what it names could be created.
  std::array<char, PATH_MAX> target;
  const long n = call(SYS_readlinkat, static_cast<uint64_t>(dirfd), at(plain.c_str()),
                      at(target.data()), target.size());
  if (n <= 0) return true;
  const auto from = static_cast<int>(call(SYS_openat, static_cast<uint64_t>(dirfd),
                                          at(parent.c_str()), uint64_t{O_PATH | O_CLOEXEC}));
  if (from < 0) return true;
  const bool ok = contained(from, std::string(target.data(), static_cast<size_t>(n)), depth + 1);
  close(from);
  return ok;
}

}  // namespace

const std::vector<std::string>& names() {
  static const std::vector<std::string> all = {"a",
                                               "b",
                                               "c",
                                               "d",
                                               "x\ny",
                                               "e\x1b[31m",
                                               "\xff\xfe",
                                               "sp ace",
                                               std::string(255, 'L'),
                                               "...",
                                               ".hidden",
                                               "%s%n",
                                               "\"q\\'",
                                               "a (deleted)",
                                               "\xe2\x80\xae"
                                               "fdp",
                                               "-rf",
                                               "*",
                                               "self"};
  return all;
}

std::string some_name() {
  const auto& all = names();
  if (generator.percent(70)) return all[static_cast<size_t>(generator.below(4))];
  return all[static_cast<size_t>(generator.below(static_cast<int>(all.size())))];
}

int some_descriptor() {
  const int choice = generator.below(100);
  if (choice < 45 || kept.empty()) return AT_FDCWD;
  if (choice < 92) return kept[static_cast<size_t>(generator.below(static_cast<int>(kept.size())))];
  if (choice < 95) return kNoSuchDescriptor;
  if (choice < 97) return -1;
  return AT_FDCWD - 1;
}

void keep(int fd) {
  if (kept.size() > 7) {
    close(kept.front());
    kept.erase(kept.begin());
  }
  kept.push_back(fd);
}

std::string some_path() {
  std::string path;
  const int start = generator.below(100);
  if (start < 2) return "";
  if (start < 3) return generator.percent(50) ? "/" : "//";
  if (start < 4) return std::string(256, 'n');
  if (start < 6) return around_path_max();
  if (start < 18) path = tree + "/";
  if (start >= 18 && start < 24) path = "/proc/self/cwd/";
  if (start >= 24 && start < 26) path = "/proc/thread-self/cwd/";
  if (start >= 26 && start < 34) {
    int fd = 3 + generator.below(9);
    if (!kept.empty())
      fd = kept[static_cast<size_t>(generator.below(static_cast<int>(kept.size())))];
    if (generator.percent(10)) fd = kNoSuchDescriptor;
    path = "/proc/self/fd/" + std::to_string(fd);
    if (generator.percent(50)) return path;
    path += "/";
  }
  if (start == 34) path = "/proc/self/root" + tree + "/";
  const int count = 1 + std::min(generator.below(4), generator.below(4));
  for (int i = 0; i < count; ++i) {
    if (i > 0) path += '/';
    const int kind = generator.below(100);
    if (kind < 80) path += some_name();
    if (kind >= 80 && kind < 89) path += "..";
    if (kind >= 89 && kind < 96) path += ".";
  }
  const int end = generator.below(100);
  if (end < 10) path += "/";
  if (end >= 10 && end < 13) path += "/.";
  if (end >= 13 && end < 15) path += "/..";
  if (end == 15) path += "//";
  if (end == 16) path += "/" + std::string(256, 'n');
  return path;
}

bool inside(const std::string& name) {
  return name.starts_with(box + "/") || name.starts_with("/proc/PID/") ||
         name.starts_with("pipe:") || name.starts_with("socket:");
}

bool contained(int dirfd, const std::string& path) { return contained(dirfd, path, 0); }

void map_names() {
  pages = static_cast<char*>(mmap(nullptr, 12 * kPage, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | kMapReachable, -1, 0));
  mprotect(pages + 2 * kPage, kPage, PROT_NONE);
  mprotect(pages + 5 * kPage, kPage, PROT_NONE);
}

Name name_argument(int index, std::string text) {
  Name name;
  name.text = std::move(text);
  char* end = pages + static_cast<size_t>(index) * 3 * kPage + 2 * kPage;
  const int kind = generator.below(100);
  if (kind == 0) {
    name.readable = false;
    say("NULL");
  } else if (kind == 1) {
    name.readable = false;
    name.address = generator.percent(50) ? 0x1000 : 0xffff800000001000u;
    say("BAD");
  } else if (kind == 2) {  // no end before memory ends
    name.readable = false;
    const size_t n = 1 + static_cast<size_t>(generator.below(200));
    memset(end - n, 'u', n);
    name.address = at(end - n);
    say("UNTERMINATED");
  } else if (kind < 10 && name.text.size() + 1 <= 2 * kPage) {  // the end is the last byte
    char* begin = end - name.text.size() - 1;
    memcpy(begin, name.text.c_str(), name.text.size() + 1);
    name.address = at(begin);
    say(shown(name.text));
  } else {
    storage[static_cast<size_t>(index)] = name.text;
    name.address = at(storage[static_cast<size_t>(index)].c_str());
    say(shown(name.text));
  }
  return name;
}

Target target(int index, bool with_descriptor) {
  Target t;
  t.dirfd = AT_FDCWD;
  if (with_descriptor) {
    t.dirfd = some_descriptor();
    say(t.dirfd == AT_FDCWD ? "CWD " : std::to_string(t.dirfd) + " ");
  }
  t.name = name_argument(index, some_path());
  t.safe = contained(t.dirfd, t.name.readable ? t.name.text : std::string());
  return t;
}

}  // namespace names_fuzz
