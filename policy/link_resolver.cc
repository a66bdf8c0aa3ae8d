#include "policy/link_resolver.h"

#include <algorithm>
#include <array>
#include <utility>

namespace callgate {
namespace {

// Names that mean something else to each process; the monitor gives the caller's own entries
// these very names, so they are matched as written.
constexpr std::array<std::string_view, 4> kPerProcess = {"/dev/stdin", "/dev/stdout", "/dev/stderr",
                                                         "/dev/fd"};

std::string join(const std::vector<std::string>& parts, size_t count) {
  std::string path;
  for (size_t i = 0; i < count; ++i) path += '/' + parts[i];
  return path.empty() ? "/" : path;
}

bool per_process(const std::vector<std::string>& parts) {
  if (parts.empty()) return false;
  if (parts[0] == "proc") return true;
  const std::string two = join(parts, std::min<size_t>(parts.size(), 2));
  return std::find(kPerProcess.begin(), kPerProcess.end(), two) != kPerProcess.end();
}

Pattern with_prefix(const Pattern& pattern, std::string_view prefix, size_t replaced) {
  Pattern out;
  out.itself = pattern.itself;
  out.below = pattern.below;
  NameComponents names(prefix);
  std::string_view name;
  while (names.next(&name)) {
    out.components.push_back({Component::Kind::Literal, std::string(name), {}});
  }
  out.components.insert(out.components.end(),
                        pattern.components.begin() + static_cast<ptrdiff_t>(replaced),
                        pattern.components.end());
  return out;
}

}  // namespace

const Result<std::string>& LinkResolver::canonical(const std::string& path) {
  auto it = known_.find(path);
  if (it == known_.end()) it = known_.emplace(path, world_.canonical(path)).first;
  return it->second;
}

std::string LinkResolver::longest_existing(const std::vector<std::string>& parts, size_t* count) {
  // From the top: below a directory that is not there the kernel need not be asked.
  const Result<std::string>* deepest = nullptr;
  std::string path;
  for (size_t i = 0; i < *count; ++i) {
    path += '/' + parts[i];
    const Result<std::string>& found = canonical(path);
    if (!found.ok()) {
      *count = i;
      break;
    }
    deepest = &found;  // elements of the map stay where they are
  }
  return deepest == nullptr ? "/" : **deepest;
}

LinkResolver::Resolved LinkResolver::resolve(const Pattern& pattern) {
  Resolved resolved;
  resolved.pattern = pattern;
  std::vector<std::string> parts;
  for (const Component& component : pattern.components) {
    if (component.kind != Component::Kind::Literal) break;
    parts.push_back(component.text);
  }
  if (parts.size() > 1 && parts[0] == "proc" && (parts[1] == "mounts" || parts[1] == "net")) {
    // These two are links into /proc/self, the same for every process.
    resolved.pattern = with_prefix(pattern, "/proc/self/" + parts[1], 2);
    resolved.through_link = true;
    return resolved;
  }
  if (parts.empty() || per_process(parts)) return resolved;

  const bool whole = parts.size() == pattern.components.size();
  size_t count = parts.size();
  const std::string found = longest_existing(parts, &count);
  resolved.missing = pattern.literal() && count < parts.size();
  if (found == join(parts, count)) return resolved;
  resolved.through_link = true;
  resolved.pattern = with_prefix(pattern, found, count);
  if (whole && count == parts.size()) {
    size_t above = count - 1;
    const std::string parent = longest_existing(parts, &above);
    const std::string own_name = (parent == "/" ? "" : parent) + '/' + parts.back();
    if (above == count - 1 && own_name != found) {
      resolved.names_link = true;
      resolved.link = with_prefix(pattern, own_name, count);
      resolved.link.itself = true;
      resolved.link.below = false;
    }
  }
  return resolved;
}

}  // namespace callgate
