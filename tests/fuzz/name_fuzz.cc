// A name that is tidied up is the same name: its components are those that the kernel sees, and
// where anything exists under the one, the other leads to the very same object, or fails with the
// same errno. What holds ".." is never tidied up, because only a walk can tell where that leads.
//
// The input: the name.
#include <fcntl.h>
#include <sys/stat.h>

#include "arch/unique_fd.h"
#include "monitor/plain_name.h"
#include "tests/fuzz/fuzz_input.h"

namespace callgate::fuzz {
namespace {

std::vector<std::string> components_of(std::string_view name) {
  std::vector<std::string> parts = split(name, '/');
  std::erase_if(parts, [](const std::string& part) { return part.empty() || part == "."; });
  return parts;
}

// Opens nothing: an O_PATH descriptor is a name that was found.
struct Found {
  int error = 0;
  dev_t device = 0;
  ino_t inode = 0;
  friend bool operator==(const Found&, const Found&) = default;
};
Found look_up(const std::string& name) {
  const UniqueFd fd(::open(name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) return {errno, 0, 0};
  struct stat st {};
  ::fstat(fd.get(), &st);
  return {0, st.st_dev, st.st_ino};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string name(Input(data, size).text());
  if (name.find('\0') != std::string::npos || name.size() > 1000) return 0;
  const std::vector<std::string> parts = components_of(name);
  const bool climbs = std::find(parts.begin(), parts.end(), "..") != parts.end();
  holds(has_dotdot(name) == climbs, "a name climbs by a whole component");
  const size_t end = name.find_last_not_of('/');
  const std::string last = split(name.substr(0, end + 1), '/').back();
  holds(ends_in_dot(name) == (last == "."), "a dot at the end is a component");

  const std::string tidy = squeeze(name);
  holds(tidy.starts_with('/') && tidy.find("//") == std::string::npos, "a tidy name is absolute");
  holds(components_of(tidy) == parts, "and has the same components");
  holds(squeeze(tidy) == tidy, "and cannot be tidier");

  const std::string plain = plain_name(name);
  const bool walks = !name.starts_with('/') || climbs || ends_in_dot(name);
  holds(plain.empty() == walks, "a walk is for what is not plain");
  // In /proc things move while we look.
  if (tidy.starts_with("/proc/") || tidy.starts_with("/dev/fd/") || walks) return 0;
  const Found found = look_up(name);
  holds(look_up(tidy) == found, "it leads to the same");
  holds(look_up(plain) == found, "past a link of the root directory too");
  return 0;
}

}  // namespace callgate::fuzz
