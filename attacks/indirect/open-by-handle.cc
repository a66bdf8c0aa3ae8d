// attack: open-by-handle
// class: indirect
// severity: high
// models: naive
// needs: root
// trap: A file handle names an inode without a path. Get one for $S/key by name_to_handle_at, open it
//   with open_by_handle_at: no path argument anywhere.
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

void strike() {
  alignas(file_handle) char space[sizeof(file_handle) + 128]{};
  auto* handle = reinterpret_cast<file_handle*>(space);
  handle->handle_bytes = 128;
  int mount = 0;
  if (::name_to_handle_at(AT_FDCWD, secret().c_str(), handle, &mount, 0) != 0) {
    if (errno == EOPNOTSUPP) {
      skip("this file system has no handles");
    }
    held("name_to_handle_at");
  }
  int t = ::open(work("").c_str(), O_RDONLY | O_DIRECTORY);
  int fd = ::open_by_handle_at(t, handle, O_RDONLY);
  if (fd < 0) held("open_by_handle_at");
  take(fd);
  held("read");
}

void twin() {
  must(::open_by_handle_at(-1, nullptr, 0) == -1, "nonsense fails");
  must(reads(work("ok.dat"), "harmless\n"), "files open as ever");
  twin_ok();
}

}  // namespace attack
