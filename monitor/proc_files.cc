#include "monitor/proc_files.h"

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <climits>
#include <cstdlib>
#include <cstring>

namespace callgate {
namespace {

// The rest of the line that begins with `key`, without leading blanks; empty when there is none.
std::string_view field(std::string_view text, std::string_view key) {
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    if (line.starts_with(key)) {
      const size_t begin = line.find_first_not_of(" \t", key.size());
      return begin == std::string_view::npos ? std::string_view{} : line.substr(begin);
    }
    at = end + 1;
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

// "Uid: real effective saved fs": the fourth.
uint32_t fourth(std::string_view line) {
  for (int i = 0; i < 3; ++i) number(line, 10);
  return static_cast<uint32_t>(number(line, 10));
}

// The kernel writes a newline in a mapped file's name as \012.
std::string unescape(std::string_view name) {
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    if (name.substr(i).starts_with("\\012")) {
      out += '\n';
      i += 3;
    } else {
      out += name[i];
    }
  }
  return out;
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

Result<TaskStatus> read_task_status(pid_t tid) {
  CALLGATE_TRY(const std::string text, read_whole_file("/proc/" + std::to_string(tid) + "/status"));
  TaskStatus status;
  const std::string_view state = field(text, "State:");
  if (!state.empty()) status.state = state[0];
  status.tgid = static_cast<pid_t>(number_of(text, "Tgid:", 10));
  status.parent = static_cast<pid_t>(number_of(text, "PPid:", 10));
  status.tracer = static_cast<pid_t>(number_of(text, "TracerPid:", 10));
  status.pending = number_of(text, "SigPnd:", 16) | number_of(text, "ShdPnd:", 16);
  status.blocked = number_of(text, "SigBlk:", 16);
  status.ignored = number_of(text, "SigIgn:", 16);
  status.credentials.fsuid = fourth(field(text, "Uid:"));
  status.credentials.fsgid = fourth(field(text, "Gid:"));
  std::string_view groups = field(text, "Groups:");
  while (groups.find_first_of("0123456789") != std::string_view::npos) {
    status.credentials.groups.push_back(static_cast<gid_t>(number(groups, 10)));
  }
  status.credentials.capabilities = number_of(text, "CapEff:", 16);
  if (status.tgid == 0) return Error{ESRCH};
  return status;
}

std::vector<Mapping> parse_mappings(std::string_view text) {
  // 70000000-74000000 r--s 00000000 00:01 3    /SYSV00000000 (deleted)
  std::vector<Mapping> mappings;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
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
    if (name != std::string_view::npos) mapping.name = unescape(line.substr(name));
    mappings.push_back(std::move(mapping));
  }
  return mappings;
}

Result<std::vector<Mapping>> read_mappings(pid_t tid) {
  CALLGATE_TRY(const std::string text, read_whole_file("/proc/" + std::to_string(tid) + "/maps"));
  return parse_mappings(text);
}

Result<int> descriptor_flags(pid_t tid, int fd) {
  auto text =
      read_whole_file("/proc/" + std::to_string(tid) + "/fdinfo/" + std::to_string(fd));
  if (!text.ok()) return text.error().code == ENOENT ? Error{EBADF} : text.error();
  return static_cast<int>(number_of(*text, "flags:", 8));
}

Result<pid_t> pidfd_target(pid_t tid, int fd) {
  auto text =
      read_whole_file("/proc/" + std::to_string(tid) + "/fdinfo/" + std::to_string(fd));
  if (!text.ok()) return text.error().code == ENOENT ? Error{EBADF} : text.error();
  const std::string_view pid = field(*text, "Pid:");
  if (pid.empty()) return Error{EBADF};
  return static_cast<pid_t>(std::strtol(std::string(pid).c_str(), nullptr, 10));
}

}  // namespace callgate
