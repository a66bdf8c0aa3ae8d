// attack: path-read-bounds
// class: names
// severity: high
// models: naive
// trap: Names at the edges: one that ends just before an unmapped page, one that spans two pages, one
//   longer than PATH_MAX whose first 4095 bytes would match an allow rule, bad and kernel pointers.
// naive: A fixed buffer cuts the name off; or one big remote read fails at the page's edge and the
//   failure lets the call go on.
// kernel: getname copies up to 4096 bytes and stops at the NUL; longer is ENAMETOOLONG, unreadable
//   is EFAULT (path_resolution(7)).
// sealed: Read page by page up to PATH_MAX, once; anything unreadable is EFAULT, never a pass.
// source: DataDog/datadog-agent#27714; canonical/lxd#7702
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: $S/key
#include "tests/support/attack.h"

namespace attack {
namespace {

// The string placed so that its NUL is the last byte before an unmapped page.
char* at_the_edge(const std::string& text) {
  size_t page = 4096;
  size_t pages = text.size() / page + 2;
  auto* memory = static_cast<char*>(::mmap(nullptr, (pages + 1) * page, PROT_READ | PROT_WRITE,
                                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  must(memory != MAP_FAILED, "mmap");
  must(::munmap(memory + pages * page, page) == 0, "munmap");
  char* place = memory + pages * page - text.size() - 1;
  std::memcpy(place, text.c_str(), text.size() + 1);
  return place;
}

// `prefix` padded with "/." to `size` bytes, then `tail`.
std::string padded(std::string prefix, size_t size, const std::string& tail) {
  while (prefix.size() + tail.size() + 2 <= size) prefix += "/.";
  if (prefix.size() + tail.size() < size) prefix += "/";
  return prefix + tail;
}

}  // namespace

void strike() {
  std::string up;
  for (int i = 0; i < 16; ++i) up += "/..";
  if (way("at an unmapped page")) take(::open(at_the_edge(secret()), O_RDONLY));
  if (way("long, at an unmapped page")) {
    take(::open(at_the_edge(padded(work(""), 4095, up + secret())), O_RDONLY));
  }
  for (size_t size : {1000, 2047, 2048, 4090, 4094}) {
    if (!way(std::to_string(size) + " bytes")) continue;
    take(::open(padded(work(""), size, up + secret()).c_str(), O_RDONLY));
  }
  held("long names");
}

void twin() {
  must(::open(at_the_edge(work("ok.dat")), O_RDONLY) >= 0, "a name that ends at an unmapped page");
  must(::open(padded(work(""), 4095, "/ok.dat").c_str(), O_RDONLY) >= 0, "4095 bytes");
  must(::open(padded(work(""), 4096, "/ok.dat").c_str(), O_RDONLY) == -1 && errno == ENAMETOOLONG,
       "4096 bytes are too long");
  must(::open(padded(work(""), 9000, "/ok.dat").c_str(), O_RDONLY) == -1 && errno == ENAMETOOLONG,
       "9000 bytes are too long");
  must(::syscall(SYS_open, 8L, O_RDONLY) == -1 && errno == EFAULT, "a bad pointer");
  must(::syscall(SYS_open, nullptr, O_RDONLY) == -1 && errno == EFAULT, "a null pointer");
  must(::syscall(SYS_open, ~uintptr_t{0} - 4096, O_RDONLY) == -1 && errno == EFAULT,
       "a kernel pointer");
  must(::syscall(SYS_mkdir, 8L, 0755) == -1 && errno == EFAULT, "mkdir of a bad pointer");
  std::string name(256, 'n');
  must(::open(work(name).c_str(), O_RDONLY) == -1 && errno == ENAMETOOLONG, "a long component");
  spill(work("\xff\xfe\n\x1b[2J\x80"), "bytes");
  must(reads(work("\xff\xfe\n\x1b[2J\x80"), "bytes"), "names are bytes");
  twin_ok();
}

}  // namespace attack
