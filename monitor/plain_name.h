// Names that need no walk: absolute ones without "..". Whether a symlink is in them the kernel
// says, when they are used with RESOLVE_NO_SYMLINKS; if none is, the name is the canonical one.
#pragma once

#include <string>
#include <string_view>

namespace callgate {

bool has_dotdot(std::string_view path);
bool ends_in_dot(std::string_view path);  // "x/.", "x/./" or "."
// "/a//b/./c/" -> "/a/b/c/": equal for the kernel, and what a pattern is matched against.
std::string squeeze(std::string_view path);
// "/lib/x" -> "/usr/lib/x" on a merged /usr: the one symlink that most names pass. It is read each
// time, and what it led to is what is judged and used, so nothing is taken on trust.
std::string past_root_link(std::string path);

// All of these for an absolute name; empty where a walk is needed.
std::string plain_name(std::string_view path);

}  // namespace callgate
