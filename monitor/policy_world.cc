#include "monitor/policy_world.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>

#include "arch/unique_fd.h"
#include "monitor/heap.h"

namespace callgate {
namespace {

constexpr size_t kLargestPolicy = size_t{16} << 20;
// What a policy's bytes become in memory, about: an index of many small nodes.
constexpr size_t kHeapForByte = 40;
constexpr std::string_view kSuffix = ".policy";

bool is_directory(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

std::string environment_variable(const char* name) {
  const char* value = secure_getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

std::string password_entry(char* passwd::*field) {
  const passwd* entry = getpwuid(geteuid());
  return entry == nullptr || entry->*field == nullptr ? std::string() : entry->*field;
}

std::string working_directory() {
  std::unique_ptr<char, decltype(&free)> real(getcwd(nullptr, 0), &free);
  return real ? std::string(real.get()) : std::string();
}

int error_of_resolver(int code) {
  switch (code) {
    case EAI_SYSTEM:
      return errno;
    case EAI_AGAIN:
      return EAGAIN;
    case EAI_MEMORY:
      return ENOMEM;
    case EAI_NONAME:
    case EAI_NODATA:
      return ENOENT;
    default:
      return EHOSTUNREACH;
  }
}

}  // namespace

Result<std::string> RealWorld::read_file(const std::string& path) {
  if (path.find('\0') != std::string::npos) return Error{EINVAL};
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd.valid()) return last_error();
  struct stat info {};
  if (fstat(fd.get(), &info) != 0) return last_error();
  if (S_ISDIR(info.st_mode)) return Error{EISDIR};
  std::string bytes;
  if (const auto size = static_cast<size_t>(info.st_size); size <= kLargestPolicy) {
    grow_heap(kHeapForByte * size);
    bytes.reserve(size);
  }
  std::array<char, 65536> buffer;  // NOLINT: read fills it; to clear it would touch 16 pages
  for (;;) {
    const ssize_t count = read(fd.get(), buffer.data(), buffer.size());
    if (count == 0) return bytes;
    if (count < 0) {
      if (errno == EINTR) continue;
      return last_error();
    }
    bytes.append(buffer.data(), static_cast<size_t>(count));
    if (bytes.size() > kLargestPolicy) return Error{EFBIG};
  }
}

std::string profile_directory() {
  std::string chosen = environment_variable("CALLGATE_PROFILES");
  if (!chosen.empty()) return chosen;
  const auto self = RealWorld().canonical("/proc/self/exe");
  const std::string program = self.ok() ? *self : std::string();
  if (program.starts_with(CALLGATE_BUILD_DIR "/")) return CALLGATE_SOURCE_PROFILE_DIR;
  // Beside the directory that holds bin/, so that an installed tree can move.
  const std::filesystem::path prefix = std::filesystem::path(program).parent_path().parent_path();
  chosen = prefix / CALLGATE_DATA_SUBDIR / "callgate/profiles";
  return !program.empty() && is_directory(chosen) ? chosen : CALLGATE_PROFILE_DIR;
}

std::string profile_file(const std::string& name) {
  return profile_directory() + "/" + name + std::string(kSuffix);
}

Result<std::string> RealWorld::read_profile(const std::string& name) {
  // A profile is a word, never a way out of the directory.
  if (name.empty() || name.front() == '.' || name.find('/') != std::string::npos) {
    return Error{ENOENT};
  }
  return read_file(profile_file(name));
}

std::vector<std::string> RealWorld::profile_names() {
  std::vector<std::string> names;
  const std::string directory = profile_directory();
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(opendir(directory.c_str()), &closedir);
  if (!stream) return names;
  while (const dirent* entry = readdir(stream.get())) {
    std::string_view name = &entry->d_name[0];
    if (name.size() <= kSuffix.size() || !name.ends_with(kSuffix)) continue;
    name.remove_suffix(kSuffix.size());
    names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool RealWorld::is_directory(const std::string& path) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

bool RealWorld::ignores_case(const std::string& directory) {
  // vfat, exfat, ntfs, ntfs3, hfs, hfs+, cifs, smb: which of their mounts do is not told.
  constexpr std::array<long, 8> kLoose = {0x4d44, 0x2011bab0, 0x5346544e, 0x7366746e,
                                          0x4244, 0x482b,     0xff534d42, 0xfe534d42};
  constexpr long kCasefold = 0x40000000;  // FS_CASEFOLD_FL: ext4, f2fs, tmpfs, by directory
  const UniqueFd fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct statfs fs {};
  const int known = fd.valid() ? fstatfs(fd.get(), &fs) : statfs(directory.c_str(), &fs);
  if (known != 0) return false;
  const auto type = static_cast<long>(static_cast<uint32_t>(fs.f_type));
  if (std::find(kLoose.begin(), kLoose.end(), type) != kLoose.end()) return true;
  long flags = 0;
  return fd.valid() && ioctl(fd.get(), FS_IOC_GETFLAGS, &flags) == 0 && (flags & kCasefold) != 0;
}

Result<std::string> RealWorld::canonical(const std::string& path) {
  if (path.find('\0') != std::string::npos) return Error{EINVAL};
  const UniqueFd fd(open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!fd.valid()) return last_error();
  std::array<char, PATH_MAX + 1> name{};
  const std::string link = "/proc/self/fd/" + std::to_string(fd.get());
  const ssize_t length = readlink(link.c_str(), name.data(), name.size());
  if (length < 0) return last_error();
  if (static_cast<size_t>(length) == name.size()) return Error{ENAMETOOLONG};
  // Unlinked since it was opened: the name now reads "/x (deleted)", which may be another file's.
  struct stat info {};
  if (fstat(fd.get(), &info) != 0) return last_error();
  if (info.st_nlink == 0) return Error{ENOENT};
  std::string result(name.data(), static_cast<size_t>(length));
  // "pipe:[1]", "(unreachable)/x": an object without a name in our tree.
  if (result.empty() || result.front() != '/') return Error{ENOENT};
  return result;
}

Result<std::vector<Endpoint>> RealWorld::resolve_host(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;  // else every address comes three times
  addrinfo* list = nullptr;
  if (const int code = getaddrinfo(host.c_str(), nullptr, &hints, &list); code != 0) {
    return Error{error_of_resolver(code)};
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, &freeaddrinfo);
  std::vector<Endpoint> endpoints;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    if (entry->ai_family == AF_INET && entry->ai_addrlen >= sizeof(sockaddr_in)) {
      sockaddr_in address{};
      std::memcpy(&address, entry->ai_addr, sizeof address);
      std::array<uint8_t, 4> bytes{};
      std::memcpy(bytes.data(), &address.sin_addr, bytes.size());
      endpoints.push_back(Endpoint::v4(bytes, 0));
    } else if (entry->ai_family == AF_INET6 && entry->ai_addrlen >= sizeof(sockaddr_in6)) {
      sockaddr_in6 address{};
      std::memcpy(&address, entry->ai_addr, sizeof address);
      std::array<uint8_t, 16> bytes{};
      std::memcpy(bytes.data(), &address.sin6_addr, bytes.size());
      endpoints.push_back(Endpoint::v6(bytes, 0, address.sin6_scope_id));
    }
  }
  if (endpoints.empty()) return Error{ENOENT};
  return endpoints;
}

Result<std::string> find_program(const std::string& word) {
  if (word.empty()) return Error{ENOENT};
  if (word.find('/') != std::string::npos) return word;
  std::string path = environment_variable("PATH");
  if (path.empty()) path = "/bin:/usr/bin";
  int error = ENOENT;
  for (size_t start = 0; start <= path.size();) {
    const size_t end = std::min(path.find(':', start), path.size());
    std::string candidate = path.substr(start, end - start);
    candidate = candidate.empty() ? word : candidate + "/" + word;
    struct stat info {};
    if (stat(candidate.c_str(), &info) == 0 && S_ISREG(info.st_mode)) {
      if (access(candidate.c_str(), X_OK) == 0) return candidate;
      error = EACCES;
    }
    start = end + 1;
  }
  return Error{error};
}

std::string RealWorld::variable(const std::string& name) {
  if (name == "HOME") {
    std::string home = environment_variable("HOME");
    return !home.empty() && home.front() == '/' ? home : password_entry(&passwd::pw_dir);
  }
  // $USER is whatever a parent left there; the account is a fact.
  if (name == "USER") {
    std::string user = password_entry(&passwd::pw_name);
    return user.empty() ? environment_variable("USER") : user;
  }
  if (name == "UID") return std::to_string(geteuid());
  if (name == "CWD") return working_directory();
  if (name == "TMP") {
    std::string directory = environment_variable("TMPDIR");
    return !directory.empty() && directory.front() == '/' ? directory : std::string("/tmp");
  }
  if (name == "PROGRAM") {
    if (program_.empty()) return {};
    const auto found = find_program(program_);
    if (!found.ok()) return {};
    const auto real = canonical(*found);
    return real.ok() ? *real : std::string();
  }
  return {};
}

}  // namespace callgate
