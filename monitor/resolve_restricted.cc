// Walks under the program's own openat2 restrictions: the kernel judges them, on walks of ours.
#include <sys/stat.h>

#include <array>
#include <climits>

#include "monitor/open_path.h"
#include "monitor/resolve.h"

namespace callgate {
namespace {

struct Split {
  std::string directory;  // "." or with a slash behind it
  std::string leaf;
};

Split split_leaf(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return {".", path};
  return {path.substr(0, slash + 1), path.substr(slash + 1)};
}

bool is_dots(const std::string& leaf) { return leaf == "." || leaf == ".."; }

// What a dangling link in the last place would have the kernel create, as a name from the same
// start; empty when it is no link.
Result<std::string> past_link(const Split& split, int parent, uint64_t resolve) {
  const UniqueFd link = open_path(parent, split.leaf, O_NOFOLLOW, 0);
  struct stat st {};
  if (!link.valid() || ::fstat(link.get(), &st) != 0 || !S_ISLNK(st.st_mode)) return std::string();
  std::array<char, PATH_MAX> target{};
  const ssize_t n = ::readlinkat(link.get(), "", target.data(), target.size());
  if (n < 0) return last_error();
  std::string text(target.data(), static_cast<size_t>(n));
  if (text.empty()) return Error{ENOENT};
  if (text.front() != '/') return split.directory + "/" + text;
  struct stat root {};
  if (::fstat(parent, &st) != 0 || ::stat("/", &root) != 0) return last_error();
  const bool leaves = (resolve & RESOLVE_NO_XDEV) != 0 && st.st_dev != root.st_dev;
  return leaves || (resolve & RESOLVE_BENEATH) != 0 ? Result<std::string>(Error{EXDEV})
                                                    : Result<std::string>(text);
}

}  // namespace

Result<Place> Resolver::restricted(const Viewer& viewer, int start, std::string path,
                                   const ResolveOptions& options) const {
  const uint64_t resolve = options.resolve_flags;
  // The one link that would lead to ourselves.
  constexpr std::string_view kSelf = "/proc/self";
  if (path == kSelf || path.starts_with("/proc/self/")) {
    if ((resolve & RESOLVE_NO_SYMLINKS) != 0) return Error{ELOOP};
    path = "/proc/" + std::to_string(viewer.pid) + path.substr(kSelf.size());
  }
  constexpr int kLinkLimit = 40;  // path_resolution(7)
  for (int links = 0; links <= kLinkLimit; ++links) {
    Place place;
    place.object = open_path(start, path, options.follow ? 0 : O_NOFOLLOW, resolve);
    if (!place.exists() && errno != ENOENT) return last_error();
    // Reached by other rules than a plain name's: only what is pinned is the same.
    place.magic = place.exists();
    const size_t end = path.find_last_not_of('/');
    const Split split = split_leaf(path.substr(0, end == std::string::npos ? 0 : end + 1));
    const bool slash = end + 1 < path.size();
    if (place.exists() && (split.leaf.empty() || is_dots(split.leaf))) {
      return finish_leaf(viewer, std::move(place));
    }
    UniqueFd parent = open_path(start, split.directory, O_DIRECTORY, resolve);
    if (!parent.valid()) return last_error();
    if (slash && options.creates) return Error{EISDIR};
    if (place.exists()) {
      // What was followed may have its parent elsewhere.
      if (!options.follow && !slash) {
        place.parent = std::move(parent);
        place.leaf = split.leaf;
      }
      return finish_leaf(viewer, std::move(place));
    }
    if (slash || is_dots(split.leaf)) return Error{ENOENT};
    CALLGATE_TRY(std::string next, past_link(split, parent.get(), resolve));
    if (next.empty()) {
      place.parent = std::move(parent);
      place.leaf = split.leaf;
      return finish_leaf(viewer, std::move(place));
    }
    path = std::move(next);
  }
  return Error{ELOOP};
}

}  // namespace callgate
