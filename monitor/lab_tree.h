// A small tree of files as it was and as it is: images, differences, and removing what attacks
// leave behind.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace callgate {

// The names below one directory with their kind, mode, owner and content, without times.
using TreeImage = std::map<std::string, std::string>;
TreeImage tree_image(const std::string& root);

// "key is gone", "key changed, new appeared"; empty when nothing differs.
std::string tree_difference(const TreeImage& before, const TreeImage& after);

// As much of it as one look at each of `names` gives: while it stays the same, nothing has changed.
uint64_t tree_stamp(const std::string& root, const TreeImage& names);

// Also what cannot be entered as it stands. False when something is left.
bool remove_tree(const std::string& root);

}  // namespace callgate
