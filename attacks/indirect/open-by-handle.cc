// attack: open-by-handle
// class: indirect
// severity: high
// models: naive
// needs: root
// trap: A file handle names an inode without a path. Get one for $S/key by name_to_handle_at, or forge
//   it from the handle of an allowed file and the number that stat tells, and open it with
//   open_by_handle_at: no path argument anywhere.
// naive: No path, so it passes.
// kernel: open_by_handle_at needs CAP_DAC_READ_SEARCH and a descriptor on the mount (open_by_handle_at(2)).
// sealed: Both are refused.
// source: the "shocker" exploit of early containers
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: none
#include "tests/support/attack.h"

namespace attack {

namespace {

constexpr int kInoAndGeneration = 1;  // FILEID_INO32_GEN, of ext4 and others

struct Handle {
  unsigned size = sizeof numbers;
  int type = kInoAndGeneration;
  uint32_t numbers[32]{};
};

void open_it(Handle& handle) {
  const int t = ::open(work("").c_str(), O_RDONLY | O_DIRECTORY);
  take(::open_by_handle_at(t, reinterpret_cast<file_handle*>(&handle), O_RDONLY));
}

bool told(const std::string& path, Handle& handle) {
  int mount = 0;
  auto* out = reinterpret_cast<file_handle*>(&handle);
  return ::name_to_handle_at(AT_FDCWD, path.c_str(), out, &mount, 0) == 0;
}

// Where handles are of that kind; generation 0 is any.
std::string_view unless_forgeable() {
  Handle handle;
  return told(work("ok.dat"), handle) && handle.type == kInoAndGeneration && handle.size == 8
             ? ""
             : "handles of this file system are not a number and a generation";
}

}  // namespace

void strike() {
  if (way("told")) {
    Handle handle;
    const bool have = told(secret(), handle);
    if (!have && errno == EOPNOTSUPP) skip("this file system has no handles");
    if (have) open_it(handle);
  }
  if (way("forged", wanted_way() != nullptr ? unless_forgeable() : "")) {
    struct stat status {};
    must(::stat(secret().c_str(), &status) == 0, "stat");
    Handle handle;
    handle.size = 8;
    handle.numbers[0] = static_cast<uint32_t>(status.st_ino);
    open_it(handle);
  }
  held("open_by_handle_at");
}

void twin() {
  must(::open_by_handle_at(-1, nullptr, 0) == -1, "nonsense fails");
  must(reads(work("ok.dat"), "harmless\n"), "files open as ever");
  twin_ok();
}

}  // namespace attack
