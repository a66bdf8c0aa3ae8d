#include "monitor/plain_name.h"

#include <algorithm>
#include <array>

#include "monitor/proc_files.h"

namespace callgate {

bool has_dotdot(std::string_view path) {
  for (size_t at = path.find(".."); at != std::string_view::npos; at = path.find("..", at + 1)) {
    const bool begins = at == 0 || path[at - 1] == '/';
    const bool ends = at + 2 == path.size() || path[at + 2] == '/';
    if (begins && ends) return true;
  }
  return false;
}

std::string squeeze(std::string_view path) {
  std::string out;
  for (size_t at = 0; at < path.size();) {
    const size_t begin = path.find_first_not_of('/', at);
    if (begin == std::string_view::npos) break;
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part != ".") out.append("/").append(part);
    at = end;
  }
  const bool directory = path.ends_with('/') || path.ends_with("/.");
  if (out.empty() || directory) out += '/';
  return out;
}

std::string past_root_link(std::string path) {
  constexpr std::array<std::string_view, 6> kMerged = {"bin",   "sbin",  "lib",
                                                       "lib32", "lib64", "libx32"};
  const size_t end = path.find('/', 1);
  if (end == std::string::npos) return path;
  const std::string_view first = std::string_view(path).substr(1, end - 1);
  if (std::find(kMerged.begin(), kMerged.end(), first) == kMerged.end()) return path;
  auto target = read_link(path.substr(0, end));
  if (!target.ok() || target->empty()) return path;
  if (target->front() != '/') target->insert(0, "/");
  if (has_dotdot(*target) || target->ends_with('/')) return path;
  return *target + path.substr(end);
}

// Looking "." up needs search permission on the directory itself.
bool ends_in_dot(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  return path.ends_with("/.") || path == ".";
}

std::string plain_name(std::string_view path) {
  if (!path.starts_with('/') || has_dotdot(path) || ends_in_dot(path)) return {};
  return past_root_link(squeeze(path));
}

}  // namespace callgate
