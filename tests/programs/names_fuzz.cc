// names_fuzz SEED CALLS DIRECTORY: builds random trees of files, directories and symlinks with odd
// names below DIRECTORY and makes random calls of every kind that takes a path, with every flag,
// from a generator that depends on the seed alone. What each call answered is printed, and what it
// left behind; two runs in the same directory must print the same bytes, watched or not.
//
// What would change anything outside DIRECTORY is not called: it is turned into a look-up.
// Left out, because callgate refuses them on purpose: device nodes, RENAME_WHITEOUT, and executing
// what the user may not read.
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/auxv.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#ifndef AT_EACCESS
#define AT_EACCESS 0x200
#endif

namespace {

constexpr long kFchmodat2 = 452;
constexpr int kCallsInOneTree = 80;
constexpr int kNoSuchDescriptor = 900;
constexpr std::string_view kExecuted = "executed";  // argv[1] of the program that is executed

std::string box;      // nothing outside it is changed
std::string tree;     // the tree of the moment
std::string program;  // this very file

// splitmix64: the same numbers everywhere.
struct Generator {
  uint64_t state;
  uint64_t next() {
    uint64_t z = (state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  int below(int n) { return static_cast<int>(next() % static_cast<uint64_t>(n)); }
  bool percent(int p) { return below(100) < p; }
  template <typename T, size_t N>
  T of(const T (&choices)[N]) {
    return choices[below(static_cast<int>(N))];
  }
} generator;

uint64_t hash(std::string_view text) {
  uint64_t h = 1469598103934665603u;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return h;
}

std::string shown(std::string_view bytes) {
  std::string out = "\"";
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i == 160 && bytes.size() > 200) {
      char rest[64];
      snprintf(rest, sizeof rest, "...+%zu#%08x", bytes.size() - i,
               static_cast<unsigned>(hash(bytes)));
      return out + rest + "\"";
    }
    const char c = bytes[i];
    if (c >= ' ' && c < 127 && c != '"' && c != '\\') {
      out += c;
    } else {
      char escaped[8];
      snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned char>(c));
      out += escaped;
    }
  }
  return out + "\"";
}

// The kernel's names hold our pid, which is another one each time.
std::string without_pid(std::string text) {
  const std::string pid = std::to_string(getpid());
  if (text == pid) return "PID";
  const std::string own = "/proc/" + pid;
  if (text.compare(0, own.size(), own) == 0 && (text.size() == own.size() || text[own.size()] == '/')) {
    std::string rest = text.substr(own.size());
    const std::string task = "/task/" + pid;
    if (rest.compare(0, task.size(), task) == 0) rest = "/task/PID" + rest.substr(task.size());
    return "/proc/PID" + rest;
  }
  if (text == pid + "/task/" + pid) return "PID/task/PID";
  return text;
}

std::string line;
void say(const std::string& text) { line += text; }
void end_line() {
  line += '\n';
  size_t done = 0;
  while (done < line.size()) {
    const ssize_t n = write(1, line.data() + done, line.size() - done);
    if (n <= 0) _exit(3);
    done += static_cast<size_t>(n);
  }
  line.clear();
}

std::string name_of(int fd) {
  std::array<char, PATH_MAX + 1> buffer;
  const ssize_t n =
      readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), buffer.data(), buffer.size());
  if (n < 0) return "?" + std::to_string(errno);
  std::string name = without_pid(std::string(buffer.data(), static_cast<size_t>(n)));
  // A temporary file without a name is called by its inode number.
  const size_t number = name.rfind("/#");
  if (number != std::string::npos && name.ends_with(" (deleted)")) {
    name = name.substr(0, number) + "/#TEMPORARY";
  }
  return name;
}

const std::vector<std::string>& names() {
  static const std::vector<std::string> all = {
      "a",          "b",          "c",       "d",           "x\ny",
      "e\x1b[31m",  "\xff\xfe",   "sp ace",  std::string(255, 'L'), "...",
      ".hidden",    "%s%n",       "\"q\\'",  "a (deleted)", "\xe2\x80\xae" "fdp",
      "-rf",        "*",          "self"};
  return all;
}

std::string some_name() {
  const auto& all = names();
  if (generator.percent(70)) return all[static_cast<size_t>(generator.below(4))];
  return all[static_cast<size_t>(generator.below(static_cast<int>(all.size())))];
}

// ---- descriptors to start from -----------------------------------------------------------------
std::vector<int> kept;
int watches = -1;
int root_fd = -1;

int some_descriptor() {
  const int choice = generator.below(100);
  if (choice < 45 || kept.empty()) return AT_FDCWD;
  if (choice < 92) return kept[static_cast<size_t>(generator.below(static_cast<int>(kept.size())))];
  if (choice < 95) return kNoSuchDescriptor;
  if (choice < 97) return -1;
  return AT_FDCWD - 1;
}

// The kernel takes an int: what stands above it must not matter.
uint64_t as_register(int value) {
  const auto low = static_cast<uint64_t>(static_cast<uint32_t>(value));
  return generator.percent(30) ? low | (generator.next() << 32) : static_cast<uint64_t>(value);
}

std::string some_path() {
  std::string path;
  const int start = generator.below(100);
  if (start < 2) return "";
  if (start < 3) return generator.percent(50) ? "/" : "//";
  if (start < 4) return std::string(256, 'n');
  if (start < 6) {  // around PATH_MAX
    const std::string name = some_name();
    while (path.size() + name.size() < PATH_MAX - 4) path += "./";
    path += name;
    while (path.size() < static_cast<size_t>(PATH_MAX - 2 + generator.below(4))) path.insert(0, "/");
    if (generator.percent(50)) path.insert(0, ".");
    if (path.front() == '/') path.insert(0, ".");
    return path;
  }
  if (start < 18) path = tree + "/";
  if (start >= 18 && start < 24) path = "/proc/self/cwd/";
  if (start >= 24 && start < 26) path = "/proc/thread-self/cwd/";
  if (start >= 26 && start < 34) {
    path = "/proc/self/fd/" + std::to_string(kept.empty() || generator.percent(10)
                                                 ? kNoSuchDescriptor
                                                 : kept[static_cast<size_t>(generator.below(
                                                       static_cast<int>(kept.size())))]);
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
  return path;
}

// Whether all that a call on this name could touch lies in the box. Names in /proc count as inside:
// nothing there can be changed by these calls.
bool inside(const std::string& name) {
  return name.compare(0, box.size() + 1, box + "/") == 0 || name.compare(0, 11, "/proc/PID/") == 0 ||
         name.compare(0, 5, "pipe:") == 0 || name.compare(0, 7, "socket:") == 0;
}

bool contained(int dirfd, const std::string& path, int depth = 0) {
  if (depth > 42 || path.size() >= PATH_MAX) return true;  // nothing comes of it
  if (path.empty()) {
    if (dirfd == AT_FDCWD) return true;
    return fcntl(dirfd, F_GETFD) < 0 || inside(name_of(dirfd));
  }
  const auto leads_inside = [&](const std::string& text, int flags) {
    const int fd = openat(dirfd, text.c_str(), O_PATH | O_CLOEXEC | flags);
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
  if (object == ENOENT) {  // perhaps a dangling link: what it names could be created
    std::array<char, PATH_MAX> target;
    const ssize_t n = readlinkat(dirfd, plain.c_str(), target.data(), target.size());
    if (n > 0) {
      const int at = openat(dirfd, parent.c_str(), O_PATH | O_CLOEXEC);
      if (at < 0) return true;
      const bool ok = contained(at, std::string(target.data(), static_cast<size_t>(n)), depth + 1);
      close(at);
      return ok;
    }
  }
  return true;
}

// ---- the argument that is a pointer ------------------------------------------------------------
char* pages = nullptr;  // two pages to write in, then one that cannot be touched, twice
constexpr size_t kPage = 4096;

struct Name {
  std::string text;
  uint64_t address = 0;
  bool readable = true;
};

std::array<std::string, 4> storage;

Name name_argument(int index, std::string text) {
  Name name;
  name.text = std::move(text);
  const int kind = generator.below(100);
  if (kind == 0) {
    name.readable = false;  // null
    say("NULL");
  } else if (kind == 1) {
    name.readable = false;
    name.address = generator.percent(50) ? 0x1000 : 0xffff800000001000u;
    say("BAD");
  } else if (kind == 2) {  // no end before memory ends
    name.readable = false;
    char* end = pages + static_cast<size_t>(index) * 3 * kPage + 2 * kPage;
    const size_t n = 1 + static_cast<size_t>(generator.below(200));
    memset(end - n, 'u', n);
    name.address = reinterpret_cast<uint64_t>(end - n);
    say("UNTERMINATED");
  } else if (kind < 10 && name.text.size() + 1 <= 2 * kPage) {  // the end is the last byte
    char* end = pages + static_cast<size_t>(index) * 3 * kPage + 2 * kPage;
    char* begin = end - name.text.size() - 1;
    memcpy(begin, name.text.c_str(), name.text.size() + 1);
    name.address = reinterpret_cast<uint64_t>(begin);
    say(shown(name.text));
  } else {
    storage[static_cast<size_t>(index)] = name.text;
    name.address = reinterpret_cast<uint64_t>(storage[static_cast<size_t>(index)].c_str());
    say(shown(name.text));
  }
  return name;
}

uint64_t raw(long nr, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0, uint64_t d = 0, uint64_t e = 0) {
  return static_cast<uint64_t>(syscall(nr, a, b, c, d, e));
}

long answer(uint64_t value) {
  const long result = static_cast<long>(value);
  if (result == -1) {
    say(" = -" + std::to_string(errno) + " " + strerrorname_np(errno));
    return -1;
  }
  say(" = " + std::to_string(result));
  return result;
}

std::string status_text(const struct stat& st) {
  char text[128];
  snprintf(text, sizeof text, "%o nlink %d uid %u gid %u size %lld", st.st_mode,
           S_ISDIR(st.st_mode) ? 0 : static_cast<int>(st.st_nlink), st.st_uid, st.st_gid,
           S_ISDIR(st.st_mode) ? 0LL : static_cast<long long>(st.st_size));
  return text;
}

void describe_descriptor(int fd) {
  struct stat st {};
  if (fstat(fd, &st) == 0) say(" " + status_text(st));
  char text[96];
  // O_NOFOLLOW means nothing once a file is open, and is the one flag that shows how it was opened.
  snprintf(text, sizeof text, " fl %o fd %d ", fcntl(fd, F_GETFL) & ~O_NOFOLLOW, fcntl(fd, F_GETFD));
  say(text + shown(name_of(fd)));
  char content[24];
  if (S_ISREG(st.st_mode)) {
    const ssize_t n = pread(fd, content, sizeof content, 0);
    if (n >= 0) say(" holds " + shown(std::string_view(content, static_cast<size_t>(n))));
  }
}

bool may_block(int dirfd, const Name& name) {
  struct stat st {};
  return !name.readable || fstatat(dirfd, name.text.c_str(), &st, 0) != 0 ||
         !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
}

uint64_t open_flags() {
  static const uint64_t access[] = {O_RDONLY, O_RDONLY, O_WRONLY, O_RDWR, O_ACCMODE};
  static const uint64_t extra[] = {O_CREAT,     O_CREAT,  O_CREAT | O_EXCL, O_TRUNC,  O_APPEND,
                                   O_DIRECTORY, O_PATH,   O_NOFOLLOW,       O_NOATIME, O_SYNC,
                                   O_DSYNC,     O_ASYNC,  O_CLOEXEC,        O_NOCTTY, O_TMPFILE,
                                   O_PATH | O_NOFOLLOW,   0100000,          O_TMPFILE | O_EXCL};
  uint64_t flags = generator.of(access);
  for (int i = generator.below(4); i > 0; --i) flags |= generator.of(extra);
  return flags;
}

void finish_open(long fd) {
  if (fd < 0) return;
  describe_descriptor(static_cast<int>(fd));
  if (generator.percent(12)) {
    if (kept.size() > 7) {
      close(kept.front());
      kept.erase(kept.begin());
    }
    kept.push_back(static_cast<int>(fd));
  } else {
    close(static_cast<int>(fd));
  }
}

mode_t some_mode() {
  static const mode_t modes[] = {0755, 0755, 0755, 0700, 0777, 0644, 0600, 0555, 0444,
                                 0111, 0,    01777, 02755, 04755, 0111, 0333};
  return generator.of(modes);
}

uint64_t at_flags() {
  static const uint64_t flags[] = {0, 0, 0, AT_SYMLINK_NOFOLLOW, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH,
                                   AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, AT_SYMLINK_FOLLOW,
                                   AT_REMOVEDIR, 0x40000000, AT_NO_AUTOMOUNT};
  return generator.of(flags);
}

void log_flags(const char* what, uint64_t flags) {
  char text[48];
  snprintf(text, sizeof text, " %s %llx", what, static_cast<unsigned long long>(flags));
  say(text);
}

// ---- the calls ---------------------------------------------------------------------------------
struct Target {
  int dirfd = AT_FDCWD;
  Name name;
  bool safe = false;
};

Target target(int index, bool with_descriptor) {
  Target t;
  if (with_descriptor) {
    t.dirfd = some_descriptor();
    say(t.dirfd == AT_FDCWD ? "CWD " : std::to_string(t.dirfd) + " ");
  }
  std::string path = some_path();
  t.name = name_argument(index, path);
  t.safe = contained(t.dirfd, t.name.readable ? t.name.text : std::string());
  return t;
}

void look(const Target& t) {
  switch (generator.below(13)) {
    case 0: {
      say(" stat");
      struct stat st {};
      if (answer(raw(SYS_stat, t.name.address, reinterpret_cast<uint64_t>(&st))) == 0) {
        say(" " + status_text(st));
      }
      return;
    }
    case 1: {
      say(" lstat");
      struct stat st {};
      if (answer(raw(SYS_lstat, t.name.address, reinterpret_cast<uint64_t>(&st))) == 0) {
        say(" " + status_text(st));
      }
      return;
    }
    case 2: {
      struct stat st {};
      const uint64_t flags = at_flags();
      log_flags("newfstatat", flags);
      if (answer(raw(SYS_newfstatat, as_register(t.dirfd), t.name.address,
                     reinterpret_cast<uint64_t>(&st), flags)) == 0) {
        say(" " + status_text(st));
      }
      return;
    }
    case 3: {
      struct statx st {};
      const uint64_t flags = at_flags() | (generator.percent(10) ? 0x6000 : 0);
      const uint64_t mask = generator.percent(5) ? 0x80000000u : STATX_BASIC_STATS;
      log_flags("statx", flags);
      log_flags("mask", mask);
      if (answer(raw(SYS_statx, as_register(t.dirfd), t.name.address, flags, mask,
                     reinterpret_cast<uint64_t>(&st))) == 0) {
        char text[64];
        snprintf(text, sizeof text, " mode %o uid %u", st.stx_mode, st.stx_uid);
        say(text);
      }
      return;
    }
    case 4: {
      const uint64_t mode = generator.percent(5) ? 0x18 : static_cast<uint64_t>(generator.below(8));
      log_flags("access", mode);
      answer(raw(SYS_access, t.name.address, mode));
      return;
    }
    case 5: {
      const auto mode = static_cast<uint64_t>(generator.below(8));
      log_flags("faccessat", mode);
      answer(raw(SYS_faccessat, as_register(t.dirfd), t.name.address, mode));
      return;
    }
    case 6: {
      const auto mode = static_cast<uint64_t>(generator.below(8));
      const uint64_t flags = generator.percent(30) ? AT_EACCESS : at_flags();
      log_flags("faccessat2", mode);
      log_flags("flags", flags);
      answer(raw(SYS_faccessat2, as_register(t.dirfd), t.name.address, mode, flags));
      return;
    }
    case 7:
    case 8: {
      static char buffer[5000];
      static const uint64_t sizes[] = {0, 1, 10, 5000, 5000, 5000};
      const uint64_t size = generator.of(sizes);
      const bool at = generator.percent(60);
      log_flags(at ? "readlinkat" : "readlink", size);
      // "/proc/self" holds a pid of any length: the length of the answer says nothing.
      const auto n = static_cast<long>(
          at ? raw(SYS_readlinkat, as_register(t.dirfd), t.name.address,
                   reinterpret_cast<uint64_t>(buffer), size)
             : raw(SYS_readlink, t.name.address, reinterpret_cast<uint64_t>(buffer), size));
      if (n < 0) {
        answer(static_cast<uint64_t>(n));
      } else if (size == 5000) {
        say(" = " + shown(without_pid(std::string(buffer, static_cast<size_t>(n)))));
      } else {
        say(" = some");
      }
      return;
    }
    case 9: {
      struct statfs st {};
      say(" statfs");
      if (answer(raw(SYS_statfs, t.name.address, reinterpret_cast<uint64_t>(&st))) == 0) {
        log_flags("type", static_cast<uint64_t>(st.f_type));
      }
      return;
    }
    case 10: {
      char value[64];
      const bool link = generator.percent(50);
      say(link ? " lgetxattr" : " getxattr");
      const long n = answer(raw(link ? SYS_lgetxattr : SYS_getxattr, t.name.address,
                                reinterpret_cast<uint64_t>("user.one"),
                                reinterpret_cast<uint64_t>(value), sizeof value));
      if (n >= 0) say(" " + shown(std::string_view(value, static_cast<size_t>(n))));
      return;
    }
    case 11: {
      char value[512];
      const bool link = generator.percent(50);
      say(link ? " llistxattr" : " listxattr");
      answer(raw(link ? SYS_llistxattr : SYS_listxattr, t.name.address,
                 reinterpret_cast<uint64_t>(value), sizeof value));
      return;
    }
    default: {
      const uint64_t flags = open_flags() & ~uint64_t{O_CREAT | O_TRUNC | O_ACCMODE | 020000000};
      log_flags("openat-look", flags);
      finish_open(answer(raw(SYS_openat, as_register(t.dirfd), t.name.address,
                             flags | O_NONBLOCK, 0)));
      return;
    }
  }
}

void call_open() {
  const bool at = generator.percent(70);
  Target t = target(0, at);
  uint64_t flags = open_flags();
  if (may_block(t.dirfd, t.name) || generator.percent(20)) flags |= O_NONBLOCK;
  // A descriptor that is kept may be a FIFO, a name in /proc leads back to it: never wait for it.
  if (t.name.text.find("/proc/") != std::string::npos) flags |= O_NONBLOCK;
  if (!t.safe) {
    look(t);
    return;
  }
  const uint64_t mode = generator.percent(10) ? 0xfffff : some_mode();
  const int kind = generator.below(10);
  if (at && kind < 4) {
    open_how how{};
    static const uint64_t resolves[] = {0, 0, 0, RESOLVE_NO_SYMLINKS, RESOLVE_NO_MAGICLINKS,
                                        RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_NO_XDEV,
                                        RESOLVE_BENEATH | RESOLVE_IN_ROOT, 0x1000};
    how.resolve = generator.of(resolves);
    how.flags = generator.percent(5) ? flags | 0x80000000u : flags;
    if ((flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) != 0 || generator.percent(5)) how.mode = mode & 07777;
    if (generator.percent(3)) how.mode = 0xfffff;
    std::array<char, 64> bytes{};
    memcpy(bytes.data(), &how, sizeof how);
    size_t size = sizeof how;
    if (generator.percent(8)) size = generator.percent(50) ? 16 : 40;
    if (size == 40 && generator.percent(50)) bytes[30] = 1;
    log_flags("openat2", how.flags);
    log_flags("mode", how.mode);
    log_flags("resolve", how.resolve);
    log_flags("size", size);
    finish_open(answer(raw(SYS_openat2, as_register(t.dirfd), t.name.address,
                           reinterpret_cast<uint64_t>(bytes.data()), size)));
    return;
  }
  if (generator.percent(8)) flags |= generator.percent(50) ? 0x80000000u : 0x40000000u;
  if (!at && kind == 0 && !may_block(AT_FDCWD, t.name)) {
    log_flags("creat", mode);
    finish_open(answer(raw(SYS_creat, t.name.address, mode)));
    return;
  }
  log_flags(at ? "openat" : "open", flags);
  log_flags("mode", mode);
  finish_open(answer(at ? raw(SYS_openat, as_register(t.dirfd), t.name.address,
                              generator.percent(20) ? flags | (generator.next() << 32) : flags, mode)
                        : raw(SYS_open, t.name.address, flags, mode)));
}

void call_create() {
  const bool at = generator.percent(60);
  Target t = target(0, at);
  if (!t.safe) return look(t);
  const uint64_t mode = some_mode();
  switch (generator.below(3)) {
    case 0:
      log_flags(at ? "mkdirat" : "mkdir", mode);
      answer(at ? raw(SYS_mkdirat, as_register(t.dirfd), t.name.address, mode)
                : raw(SYS_mkdir, t.name.address, mode));
      return;
    case 1: {
      static const mode_t types[] = {S_IFIFO, S_IFIFO, S_IFREG, S_IFSOCK, 0, S_IFDIR, S_IFLNK, 0170000};
      const uint64_t type = generator.of(types) | mode;
      log_flags(at ? "mknodat" : "mknod", type);
      answer(at ? raw(SYS_mknodat, as_register(t.dirfd), t.name.address, type, 0)
                : raw(SYS_mknod, t.name.address, type, 0));
      return;
    }
    default: {
      say(" <- ");
      Name text = name_argument(1, some_path());
      say(at ? " symlinkat" : " symlink");
      answer(at ? raw(SYS_symlinkat, text.address, as_register(t.dirfd), t.name.address)
                : raw(SYS_symlink, text.address, t.name.address));
    }
  }
}

void call_remove() {
  const bool at = generator.percent(50);
  Target t = target(0, at);
  if (!t.safe) return look(t);
  if (at) {
    static const uint64_t choices[] = {0, 0, 0, AT_REMOVEDIR, AT_REMOVEDIR, AT_SYMLINK_NOFOLLOW, 0x1};
    const uint64_t flags = generator.of(choices);
    log_flags("unlinkat", flags);
    answer(raw(SYS_unlinkat, as_register(t.dirfd), t.name.address, flags));
  } else if (generator.percent(60)) {
    say(" unlink");
    answer(raw(SYS_unlink, t.name.address));
  } else {
    say(" rmdir");
    answer(raw(SYS_rmdir, t.name.address));
  }
}

void call_two() {
  const int kind = generator.below(10);
  const bool at = kind >= 4;
  Target from = target(0, at);
  say(" -> ");
  Target to = target(1, at);
  if (!from.safe || !to.safe) return look(from);
  switch (kind) {
    case 0:
    case 1:
      say(" rename");
      answer(raw(SYS_rename, from.name.address, to.name.address));
      return;
    case 2:
    case 3:
      say(" link");
      answer(raw(SYS_link, from.name.address, to.name.address));
      return;
    case 4:
      say(" renameat");
      answer(raw(SYS_renameat, as_register(from.dirfd), from.name.address, as_register(to.dirfd),
                 to.name.address));
      return;
    case 5:
    case 6:
    case 7: {
      static const uint64_t choices[] = {0, 0, 1 /*NOREPLACE*/, 1, 2 /*EXCHANGE*/, 2, 3, 8};
      const uint64_t flags = generator.of(choices);
      log_flags("renameat2", flags);
      answer(raw(SYS_renameat2, as_register(from.dirfd), from.name.address, as_register(to.dirfd),
                 to.name.address, flags));
      return;
    }
    default: {
      static const uint64_t choices[] = {0, 0, 0, AT_SYMLINK_FOLLOW, AT_SYMLINK_FOLLOW, AT_EMPTY_PATH,
                                         AT_EMPTY_PATH | AT_SYMLINK_FOLLOW, AT_SYMLINK_NOFOLLOW, 1};
      const uint64_t flags = generator.of(choices);
      log_flags("linkat", flags);
      answer(raw(SYS_linkat, as_register(from.dirfd), from.name.address, as_register(to.dirfd),
                 to.name.address, flags));
    }
  }
}

void call_attributes() {
  const bool at = generator.percent(50);
  Target t = target(0, at);
  if (!t.safe) return look(t);
  const uint64_t mode = some_mode();
  // An ordinary user may give a file to nobody but itself.
  static const int owners[] = {-1, -1, 0, 65534, 12345};
  const auto uid = static_cast<uint64_t>(static_cast<uint32_t>(generator.of(owners)));
  const auto gid = static_cast<uint64_t>(static_cast<uint32_t>(generator.of(owners)));
  timespec times[2] = {{1000 + generator.below(1000), 5}, {2000, generator.percent(10) ? -1 : 7}};
  if (generator.percent(10)) times[0].tv_nsec = UTIME_OMIT;
  if (generator.percent(10)) times[1].tv_nsec = UTIME_NOW;
  if (at) {
    const uint64_t flags = at_flags();
    switch (generator.below(5)) {
      case 0:
        log_flags("fchmodat", mode);
        answer(raw(SYS_fchmodat, as_register(t.dirfd), t.name.address, mode));
        return;
      case 1:
        log_flags("fchmodat2", mode);
        log_flags("flags", flags);
        answer(raw(kFchmodat2, as_register(t.dirfd), t.name.address, mode, flags));
        return;
      case 2:
        log_flags("fchownat", uid);
        log_flags("gid", gid);
        log_flags("flags", flags);
        answer(raw(SYS_fchownat, as_register(t.dirfd), t.name.address, uid, gid, flags));
        return;
      case 3: {
        log_flags("utimensat", flags);
        const bool now = generator.percent(15);
        answer(raw(SYS_utimensat, as_register(t.dirfd), t.name.address,
                   now ? 0 : reinterpret_cast<uint64_t>(times), flags));
        return;
      }
      default: {
        timeval values[2] = {{1500, 3}, {1600, generator.percent(10) ? 2000000 : 4}};
        say(" futimesat");
        answer(raw(SYS_futimesat, as_register(t.dirfd), t.name.address,
                   reinterpret_cast<uint64_t>(values)));
        return;
      }
    }
  }
  static const char* keys[] = {"user.one", "user.two", "user.", "nonsense", "trusted.one", ""};
  const char* key = generator.of(keys);
  static const uint64_t set_flags[] = {0, 0, XATTR_CREATE, XATTR_REPLACE, 3, 8};
  switch (generator.below(10)) {
    case 0:
    case 1:
      log_flags("chmod", mode);
      answer(raw(SYS_chmod, t.name.address, mode));
      return;
    case 2:
    case 3: {
      const bool link = generator.percent(50);
      log_flags(link ? "lchown" : "chown", uid);
      log_flags("gid", gid);
      answer(raw(link ? SYS_lchown : SYS_chown, t.name.address, uid, gid));
      return;
    }
    case 4: {
      utimbuf both{100, 200};
      say(" utime");
      answer(raw(SYS_utime, t.name.address, generator.percent(20) ? 0 : reinterpret_cast<uint64_t>(&both)));
      return;
    }
    case 5: {
      timeval values[2] = {{1500, 3}, {1600, generator.percent(10) ? 2000000 : 4}};
      say(" utimes");
      answer(raw(SYS_utimes, t.name.address, reinterpret_cast<uint64_t>(values)));
      return;
    }
    case 6:
    case 7: {
      const bool link = generator.percent(50);
      const uint64_t flags = generator.of(set_flags);
      log_flags(link ? "lsetxattr" : "setxattr", flags);
      say(std::string(" ") + key);
      answer(raw(link ? SYS_lsetxattr : SYS_setxattr, t.name.address,
                 reinterpret_cast<uint64_t>(key), reinterpret_cast<uint64_t>("value"), 5, flags));
      return;
    }
    case 8: {
      const bool link = generator.percent(50);
      say(link ? " lremovexattr " : " removexattr ");
      say(key);
      answer(raw(link ? SYS_lremovexattr : SYS_removexattr, t.name.address,
                 reinterpret_cast<uint64_t>(key)));
      return;
    }
    default: {
      static const int64_t sizes[] = {0, 3, 100, 5000, -1, INT64_MAX};
      const int64_t size = generator.of(sizes);
      log_flags("truncate", static_cast<uint64_t>(size));
      answer(raw(SYS_truncate, t.name.address, static_cast<uint64_t>(size)));
    }
  }
}

void call_descriptor() {
  const int fd = some_descriptor();
  say(std::to_string(fd));
  const bool safe = fd == AT_FDCWD || fcntl(fd, F_GETFD) < 0 || inside(name_of(fd));
  if (!safe) {
    say(" outside");
    return;
  }
  // Since Linux 6.13 f*xattr(AT_FDCWD) happens to act on the working directory; nobody relies on it.
  const int kind = generator.below(6);
  if ((kind == 2 || kind == 3) && fd == AT_FDCWD) return;
  switch (kind) {
    case 0: {
      const uint64_t mode = some_mode();
      log_flags("fchmod", mode);
      answer(raw(SYS_fchmod, as_register(fd), mode));
      return;
    }
    case 1:
      say(" fchown");
      answer(raw(SYS_fchown, as_register(fd), static_cast<uint64_t>(-1),
                 generator.percent(50) ? 65534 : static_cast<uint64_t>(-1)));
      return;
    case 2:
      say(" fsetxattr");
      answer(raw(SYS_fsetxattr, as_register(fd), reinterpret_cast<uint64_t>("user.one"),
                 reinterpret_cast<uint64_t>("fd"), 2, 0));
      return;
    case 3:
      say(" fremovexattr");
      answer(raw(SYS_fremovexattr, as_register(fd), reinterpret_cast<uint64_t>("user.one")));
      return;
    case 4: {
      timespec times[2] = {{1, 2}, {3, 4}};
      const uint64_t flags = generator.percent(20) ? at_flags() : 0;
      log_flags("futimens", flags);
      answer(raw(SYS_utimensat, as_register(fd), 0, reinterpret_cast<uint64_t>(times), flags));
      return;
    }
    default:
      say(" futimesat");
      answer(raw(SYS_futimesat, as_register(fd), 0, 0));
  }
}

void log_directory() {
  std::array<char, PATH_MAX + 64> buffer;
  const long n = syscall(SYS_getcwd, buffer.data(), buffer.size());
  say(n < 0 ? " cwd errno " + std::to_string(errno) : " cwd " + shown(without_pid(buffer.data())));
}

void call_directory() {
  if (generator.percent(30)) {
    const int fd = some_descriptor();
    say(std::to_string(fd) + " fchdir");
    if (fd >= 0 && fcntl(fd, F_GETFD) >= 0 && !inside(name_of(fd))) {
      say(" outside");
      return;
    }
    answer(raw(SYS_fchdir, as_register(fd)));
  } else {
    Target t = target(0, false);
    if (!t.safe) return look(t);
    say(" chdir");
    answer(raw(SYS_chdir, t.name.address));
  }
  log_directory();
}

void call_watch() {
  Target t = target(0, false);
  static const uint64_t masks[] = {IN_MODIFY, IN_MODIFY | IN_DONT_FOLLOW, IN_CREATE | IN_ONLYDIR,
                                   IN_DELETE | IN_ONLYDIR | IN_DONT_FOLLOW, 0, IN_ATTRIB | IN_EXCL_UNLINK};
  const uint64_t mask = generator.of(masks);
  log_flags("inotify_add_watch", mask);
  answer(raw(SYS_inotify_add_watch, static_cast<uint64_t>(watches), t.name.address, mask));
}

void call_tmpfile() {
  Target t = target(0, true);
  if (!t.safe) return look(t);
  const uint64_t flags = O_TMPFILE | (generator.percent(80) ? O_RDWR : O_WRONLY) |
                         (generator.percent(15) ? O_EXCL : 0);
  log_flags("tmpfile", flags);
  const long fd = answer(raw(SYS_openat, as_register(t.dirfd), t.name.address, flags, some_mode()));
  if (fd < 0) return;
  describe_descriptor(static_cast<int>(fd));
  static_cast<void>(!write(static_cast<int>(fd), "temporary", 9));
  say(" -> ");
  Target to = target(1, true);
  if (to.safe) {
    const std::string link = "/proc/self/fd/" + std::to_string(fd);
    say(" linkat");
    answer(generator.percent(70)
               ? raw(SYS_linkat, static_cast<uint64_t>(AT_FDCWD), reinterpret_cast<uint64_t>(link.c_str()),
                     as_register(to.dirfd), to.name.address, AT_SYMLINK_FOLLOW)
               : raw(SYS_linkat, static_cast<uint64_t>(fd), reinterpret_cast<uint64_t>(""),
                     as_register(to.dirfd), to.name.address, AT_EMPTY_PATH));
  }
  close(static_cast<int>(fd));
}

// The errno of a failed call, or how the program ended: it tells its arguments by its status.
void call_execute() {
  const bool at = generator.percent(40);
  Target t = target(0, at);
  if (!t.safe) return look(t);
  const uint64_t flags = at ? (generator.percent(40) ? at_flags() : 0) : 0;
  log_flags(at ? "execveat" : "execve", flags);
  // What cannot be read cannot be watched either: that refusal is callgate's own.
  struct stat st {};
  const bool by_descriptor = t.name.readable && t.name.text.empty();
  const int probe = t.name.readable
                        ? (by_descriptor ? open(("/proc/self/fd/" + std::to_string(t.dirfd)).c_str(),
                                                O_RDONLY | O_NONBLOCK | O_CLOEXEC)
                                         : openat(t.dirfd, t.name.text.c_str(),
                                                  O_RDONLY | O_NONBLOCK | O_CLOEXEC))
                        : -1;
  if (t.name.readable && probe < 0 && errno == EACCES) {
    say(" unreadable");
    return;
  }
  if (probe >= 0) {
    const bool regular = fstat(probe, &st) == 0 && S_ISREG(st.st_mode);
    close(probe);
    // Something that is no program at all is tried now and then; only our own file is really run.
    if (regular && st.st_size > 100000) say(" program");
  }
  int pipes[2];
  if (pipe2(pipes, O_CLOEXEC) != 0) return;
  const pid_t child = fork();
  if (child == 0) {
    char* argv[] = {const_cast<char*>("name"), const_cast<char*>(kExecuted.data()), nullptr};
    char* envp[] = {nullptr};
    if (at) {
      raw(SYS_execveat, as_register(t.dirfd), t.name.address, reinterpret_cast<uint64_t>(argv),
          reinterpret_cast<uint64_t>(envp), flags);
    } else {
      raw(SYS_execve, t.name.address, reinterpret_cast<uint64_t>(argv), reinterpret_cast<uint64_t>(envp));
    }
    const int error = errno;
    static_cast<void>(!write(pipes[1], &error, sizeof error));
    _exit(0);
  }
  close(pipes[1]);
  int error = 0;
  if (read(pipes[0], &error, sizeof error) == sizeof error) {
    say(std::string(" = ") + strerrorname_np(error));
  } else {
    say(" = runs");
  }
  close(pipes[0]);
  int status = 0;
  waitpid(child, &status, 0);
  log_flags("status", static_cast<uint64_t>(status));
}

// ---- trees ---------------------------------------------------------------------------------------
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
        const std::string script = "#!" + (generator.percent(70) ? program : some_path()) + " " +
                                   std::string(kExecuted) + "\n";
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
      const int below = openat(directory, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (below >= 0) {
        list(below, path, depth + 1);
        close(below);
      }
    }
  }
}

void one_call(int number) {
  say("#" + std::to_string(number) + " ");
  const int kind = generator.below(100);
  if (kind < 22) call_open();
  else if (kind < 34) call_create();
  else if (kind < 41) call_remove();
  else if (kind < 55) call_two();
  else if (kind < 68) call_attributes();
  else if (kind < 72) call_descriptor();
  else if (kind < 77) call_directory();
  else if (kind < 79) call_watch();
  else if (kind < 82) call_tmpfile();
  else if (kind < 86) call_execute();
  else look(target(0, generator.percent(60)));
  end_line();
}

// A copy that may be linked and executed: the original may belong to somebody else. Calls may
// truncate it, so each tree gets a fresh one.
bool make_program() {
  unlink(program.c_str());
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

int tell_arguments(int argc, char** argv) {
  std::string all;
  for (int i = 0; i < argc; ++i) all += std::string(argv[i]) + "|";
  const auto* name = reinterpret_cast<const char*>(getauxval(AT_EXECFN));
  all += name;
  return static_cast<int>(hash(all) % 200);
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (argv[i] == kExecuted) return tell_arguments(argc, argv);
  }
  if (argc != 4) {
    fprintf(stderr, "usage: names_fuzz SEED CALLS DIRECTORY\n");
    return 2;
  }
  generator.state = strtoull(argv[1], nullptr, 10);
  const int calls = atoi(argv[2]);
  box = argv[3];
  pages = static_cast<char*>(mmap(nullptr, 12 * kPage, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  mprotect(pages + 2 * kPage, kPage, PROT_NONE);
  mprotect(pages + 5 * kPage, kPage, PROT_NONE);
  if (chdir(box.c_str()) != 0) return 2;
  program = box + "/program";

  for (int number = 0, world = 0; number < calls; ++world) {
    umask(0);
    if (chdir(box.c_str()) != 0 || !make_program()) return 2;
    tree = box + "/w" + std::to_string(world);
    for (const char* level : {"", "/n", "/n/n", "/n/n/n"}) {
      if (mkdir((tree + level).c_str(), 0755) != 0) return 2;
    }
    tree += "/n/n/n";
    if (chdir(tree.c_str()) != 0) return 2;
    root_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    watches = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    plant(root_fd, 0);
    for (const int flags : {O_RDONLY, O_PATH, O_PATH | O_NOFOLLOW}) {
      for (const char* name : {".", "a", "b"}) {
        const int fd = open(name, flags | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0 && generator.percent(60)) kept.push_back(fd);
        else if (fd >= 0) close(fd);
      }
    }
    static const mode_t masks[] = {022, 0, 077, 0777};
    umask(generator.of(masks));
    for (int i = 0; i < kCallsInOneTree && number < calls; ++i, ++number) {
      if (i % 20 == 19) {
        fchmod(root_fd, 0755);
        static_cast<void>(!fchdir(root_fd));
      }
      one_call(number);
    }
    static_cast<void>(!fchdir(root_fd));
    list(root_fd, "", 0);
    for (const int fd : kept) close(fd);
    kept.clear();
    close(watches);
    close(root_fd);
    say("tree " + std::to_string(world) + " done");
    end_line();
  }
  say("names_fuzz: " + std::to_string(calls) + " calls done");
  end_line();
  return 0;
}
