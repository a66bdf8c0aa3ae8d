// The trees that calls are made in: how they are planted, and what is left of them.
#pragma once

#include <string>

namespace names_fuzz {

constexpr int kCallsInOneTree = 80;

// The tree number `world` of this seed, in `tree` and `program`; what is random depends on the
// seed, the tree and the purpose.
void choose_tree(const std::string& seed, int world, const char* purpose);
// Plants it, from the seed alone. False when the box is not ours to plant in.
bool plant_tree(const std::string& seed, int world);
// Everything in the box, as it stands.
void list_box();

}  // namespace names_fuzz
