#include "monitor/proc_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <climits>
#include <memory>
#include <optional>

namespace callgate {
namespace {

// The line at the front of the text, without its newline; it is taken off the text.
std::string_view take_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

// The word at the front of the line, blanks before it skipped; it is taken off the line.
std::string_view take_word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(" \t"));
  line.remove_prefix(word.size());
  return word;
}

// The rest of the line that begins with `key`, without leading blanks; empty when there is none.
// A program's own name is in the text too, but the kernel escapes a newline in it.
std::string_view field(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (!line.starts_with(key)) continue;
    const size_t begin = line.find_first_not_of(" \t", key.size());
    return begin == std::string_view::npos ? std::string_view{} : line.substr(begin);
  }
  return {};
}

uint64_t number(std::string_view& text, int base) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return 0;
  text.remove_prefix(begin);
  uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, base);
  text.remove_prefix(static_cast<size_t>(parsed.ptr - text.data()));
  return value;
}

uint64_t number_of(std::string_view text, std::string_view key, int base) {
  std::string_view rest = field(text, key);
  return number(rest, base);
}

// A whole word as a number; nothing else is one.
template <typename Number>
std::optional<Number> as_number(std::string_view word, int base) {
  Number value{};
  const auto parsed = std::from_chars(word.data(), word.data() + word.size(), value, base);
  if (parsed.ec != std::errc() || parsed.ptr != word.data() + word.size()) return std::nullopt;
  return value;
}

// "Uid: real effective saved fs": the fourth.
std::optional<uint32_t> fourth(std::string_view line) {
  for (int i = 0; i < 3; ++i) take_word(line);
  return as_number<uint32_t>(take_word(line), 10);
}

// What the kernel escapes in a name: a newline in maps, blanks and backslashes too in mountinfo,
// each as a backslash and three octal digits.
std::string unescape(std::string_view name, std::string_view escaped) {
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    const bool whole = name[i] == '\\' && i + 3 < name.size();
    const auto code = whole ? as_number<uint8_t>(name.substr(i + 1, 3), 8) : std::nullopt;
    if (code && escaped.find(static_cast<char>(*code)) != std::string_view::npos) {
      out += static_cast<char>(*code);
      i += 3;
    } else {
      out += name[i];
    }
  }
  return out;
}

Result<std::string> read_descriptor_info(pid_t tid, int fd) {
  auto text = read_whole_file("/proc/" + std::to_string(tid) + "/fdinfo/" + std::to_string(fd));
  if (!text.ok() && text.error().code == ENOENT) return Error{EBADF};
  return text;
}

}  // namespace

Result<std::string> read_whole_file(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return last_error();
  std::string text;
  std::array<char, 8192> buffer;
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return last_error();
    if (n == 0) return text;
    text.append(buffer.data(), static_cast<size_t>(n));
  }
}

Result<std::string> read_link(const std::string& path) {
  std::array<char, PATH_MAX + 1> buffer;
  const ssize_t n = ::readlink(path.c_str(), buffer.data(), buffer.size());
  if (n < 0) return last_error();
  if (n > PATH_MAX) return Error{ENAMETOOLONG};
  return std::string(buffer.data(), static_cast<size_t>(n));
}

Result<TaskStatus> parse_task_status(std::string_view text) {
  TaskStatus status;
  const std::string_view state = field(text, "State:");
  if (!state.empty()) status.state = state[0];
  status.tgid = static_cast<pid_t>(number_of(text, "Tgid:", 10));
  status.parent = static_cast<pid_t>(number_of(text, "PPid:", 10));
  status.tracer = static_cast<pid_t>(number_of(text, "TracerPid:", 10));
  status.pending = number_of(text, "SigPnd:", 16) | number_of(text, "ShdPnd:", 16);
  status.blocked = number_of(text, "SigBlk:", 16);
  status.ignored = number_of(text, "SigIgn:", 16);
  const auto fsuid = fourth(field(text, "Uid:"));
  const auto fsgid = fourth(field(text, "Gid:"));
  if (status.tgid == 0 || !fsuid || !fsgid) return Error{ESRCH};
  status.credentials.fsuid = *fsuid;
  status.credentials.fsgid = *fsgid;
  std::string_view groups = field(text, "Groups:");
  while (const auto group = as_number<gid_t>(take_word(groups), 10)) {
    status.credentials.groups.push_back(*group);
  }
  status.credentials.capabilities = number_of(text, "CapEff:", 16);
  return status;
}

Result<TaskStatus> read_task_status(pid_t tid) {
  CALLGATE_TRY(const std::string text, read_whole_file("/proc/" + std::to_string(tid) + "/status"));
  return parse_task_status(text);
}

std::vector<std::string> split_arguments(std::string_view text, size_t most) {
  std::vector<std::string> arguments;
  while (!text.empty() && arguments.size() < most) {
    const size_t end = std::min(text.find('\0'), text.size());
    arguments.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return arguments;
}

std::vector<Mapping> parse_mappings(std::string_view text) {
  // 70000000-74000000 r--s 00000000 00:01 3    /SYSV00000000 (deleted)
  std::vector<Mapping> mappings;
  while (!text.empty()) {
    std::string_view line = take_line(text);
    Mapping mapping;
    mapping.start = number(line, 16);
    if (!line.starts_with('-')) continue;
    line.remove_prefix(1);
    mapping.end = number(line, 16);
    if (line.size() < 6) continue;
    mapping.read = line[1] == 'r';
    mapping.write = line[2] == 'w';
    mapping.execute = line[3] == 'x';
    mapping.shared = line[4] == 's';
    line.remove_prefix(5);
    mapping.offset = number(line, 16);
    const auto major_number = static_cast<unsigned>(number(line, 16));
    if (line.starts_with(':')) line.remove_prefix(1);
    const auto minor_number = static_cast<unsigned>(number(line, 16));
    mapping.device = makedev(major_number, minor_number);
    mapping.inode = number(line, 10);
    const size_t name = line.find_first_not_of(' ');
    if (name != std::string_view::npos) mapping.name = unescape(line.substr(name), "\n");
    mappings.push_back(std::move(mapping));
  }
  return mappings;
}

std::string living_name(const std::string& shown, uint64_t inode) {
  constexpr std::string_view kDeleted = " (deleted)";
  if (!shown.ends_with(kDeleted)) return shown;
  struct stat st {};
  if (::lstat(shown.c_str(), &st) == 0 && st.st_ino == inode) return shown;
  return shown.substr(0, shown.size() - kDeleted.size());
}

Result<std::vector<Mapping>> read_mappings(pid_t tid) {
  CALLGATE_TRY(const std::string text, read_whole_file("/proc/" + std::to_string(tid) + "/maps"));
  return parse_mappings(text);
}

Result<int> parse_descriptor_flags(std::string_view text) {
  std::string_view flags = field(text, "flags:");
  const auto value = as_number<int>(take_word(flags), 8);
  if (!value) return Error{EBADF};
  return *value;
}

Result<int> descriptor_flags(pid_t tid, int fd) {
  CALLGATE_TRY(const std::string text, read_descriptor_info(tid, fd));
  return parse_descriptor_flags(text);
}

Result<pid_t> parse_pidfd_target(std::string_view text) {
  std::string_view pid = field(text, "Pid:");
  const auto value = as_number<pid_t>(take_word(pid), 10);
  if (!value) return Error{EBADF};
  return *value;
}

Result<pid_t> pidfd_target(pid_t tid, int fd) {
  CALLGATE_TRY(const std::string text, read_descriptor_info(tid, fd));
  return parse_pidfd_target(text);
}

Result<std::vector<pid_t>> group_members(pid_t group) {
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(::opendir("/proc"), &::closedir);
  if (!proc) return last_error();
  std::vector<pid_t> members;
  while (const dirent* entry = ::readdir(proc.get())) {
    const auto pid = as_number<pid_t>(entry->d_name, 10);
    if (pid && ::getpgid(*pid) == group) members.push_back(*pid);
  }
  return members;
}

std::vector<std::string> parse_proc_mounts(std::string_view text) {
  // 24 29 0:22 / /proc rw,relatime shared:5 - proc proc rw
  std::vector<std::string> points;
  while (!text.empty()) {
    std::string_view line = take_line(text);
    for (int i = 0; i < 4; ++i) take_word(line);
    const std::string_view point = take_word(line);
    // Optional fields end with a lone "-"; a blank inside any field is escaped.
    while (!line.empty() && take_word(line) != "-") {
    }
    if (take_word(line) == "proc") points.push_back(unescape(point, " \t\n\\"));
  }
  return points;
}

}  // namespace callgate
