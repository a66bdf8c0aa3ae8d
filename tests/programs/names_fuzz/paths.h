// Random names, the descriptors to look them up from, and whether a call on one stays in the box.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace names_fuzz {

constexpr int kNoSuchDescriptor = 900;

extern std::string box;      // nothing outside it is changed
extern std::string tree;     // the tree of the moment
extern std::string program;  // a program that may be linked and executed: this very one
extern std::vector<int> kept;

const std::vector<std::string>& names();
std::string some_name();
std::string some_path();
int some_descriptor();
void keep(int fd);

// Whether an object's name is one that calls may change: in the box, or in /proc, where these calls
// change nothing.
bool inside(const std::string& name);
// Whether all that a call on this name could touch is inside.
bool contained(int dirfd, const std::string& path);

// A name as an argument: its text may also be NULL, a bad address, or have no end.
struct Name {
  std::string text;
  uint64_t address = 0;
  bool readable = true;
};
void map_names();
Name name_argument(int index, std::string text);

struct Target {
  int dirfd = 0;
  Name name;
  bool safe = false;
};
Target target(int index, bool with_descriptor);

}  // namespace names_fuzz
