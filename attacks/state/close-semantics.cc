// attack: close-semantics
// class: state
// severity: medium
// models: naive
// trap: Numbers become free in more ways than close(2): close_range of a span, close_range of all that
//   is above, close_range in a table that the same call has just unshared. The next socket gets the
//   freed number. (A close that fails with EINTR or EIO frees it, too; that needs a file system that
//   fails.)
// naive: Watches close(2) only, and keeps the dead TCP socket's entry for the UDP one that follows
//   through a duplicate.
// kernel: close_range(2) closes a span of numbers in one call; new descriptors take the lowest free
//   number, or the one F_DUPFD asks for.
// sealed: As dup2-type-confusion: the number is looked up in the kernel when it is used.
// source: close_range(2), close(2); gVisor tests close_range.cc
// policy:
//   network allow tcp bind *:$PORT
//   network allow udp create
// report: udp bind
#include "tests/support/attack.h"

namespace attack {
namespace {

constexpr const char* kWays[] = {"a span", "all above", "in a table of its own"};

int reuse_number(unsigned way, int kind, int other) {
  const int x = socket_of(kind);
  const int y = socket_of(other);
  const unsigned last = way == 0 ? static_cast<unsigned>(y) : ~0U;
  const unsigned flags = way == 2 ? 2U /* CLOSE_RANGE_UNSHARE */ : 0U;
  must(::syscall(SYS_close_range, y, last, flags) == 0, "close_range");
  must(::fcntl(x, F_DUPFD, y) == y, "F_DUPFD");
  ::close(x);
  const int error = bind_error(y);
  ::close(y);
  return error;
}

}  // namespace

void strike() {
  for (unsigned i = 0; i < std::size(kWays); ++i) {
    if (!way(kWays[i])) continue;
    errno = reuse_number(i, SOCK_DGRAM, SOCK_STREAM);
    if (errno == 0) prey_taken("UDP bound");
  }
  held("bind");
}

void twin() {
  for (unsigned i = 0; i < std::size(kWays); ++i) {
    errno = reuse_number(i, SOCK_STREAM, SOCK_DGRAM);
    must(errno == 0, "bind");
  }
  twin_ok();
}

}  // namespace attack
