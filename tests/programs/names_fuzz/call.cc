#include "tests/programs/names_fuzz/call.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>

#include "tests/programs/names_fuzz/narrow.h"
#include "tests/programs/names_fuzz/text.h"

namespace names_fuzz {

int (*refusal)(long nr, const Arguments& arguments) = nullptr;

namespace {
bool narrow = false;  // the last call goes by the 32-bit entry
}  // namespace

long call(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e) {
  // Chosen before it can be refused: a run by the oracle draws the same numbers.
  narrow = generator.percent(15) && fits_narrow_entry(nr, {a, b, c, d, e});
  if (refusal != nullptr) {
    const int refused = refusal(nr, {a, b, c, d, e});
    if (refused == kKilled) kill(getpid(), SIGKILL);
    if (refused != 0) {
      errno = refused;
      return -1;
    }
  }
  return narrow ? call_narrowly(nr, {a, b, c, d, e}) : syscall(nr, a, b, c, d, e);
}

uint64_t as_register(int value) {
  const auto low = static_cast<uint64_t>(static_cast<uint32_t>(value));
  return generator.percent(30) ? low | (generator.next() << 32) : static_cast<uint64_t>(value);
}

long answer(long result) {
  if (narrow) say(" by int 0x80");
  if (result == -1) {
    say(" = -" + std::to_string(errno) + " " + strerrorname_np(errno));
    return -1;
  }
  say(" = " + std::to_string(result));
  return result;
}

std::string status_text(const struct stat& st) {
  char text[128];
  snprintf(text, sizeof text, "%o nlink %d uid %u gid %u size %lld", st.st_mode,
           S_ISDIR(st.st_mode) ? 0 : static_cast<int>(st.st_nlink), st.st_uid, st.st_gid,
           S_ISDIR(st.st_mode) ? 0LL : static_cast<long long>(st.st_size));
  return text;
}

std::string name_of(int fd) {
  std::array<char, PATH_MAX + 1> buffer;
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const long n = call(SYS_readlink, at(link.c_str()), at(buffer.data()), buffer.size());
  if (n < 0) return "?" + std::to_string(errno);
  std::string name = without_pid(std::string(buffer.data(), static_cast<size_t>(n)));
  // A temporary file without a name is called by its inode number.
  const size_t number = name.rfind("/#");
  if (number != std::string::npos && name.ends_with(" (deleted)")) {
    name = name.substr(0, number) + "/#TEMPORARY";
  }
  return name;
}

void describe_descriptor(int fd) {
  struct stat st {};
  if (fstat(fd, &st) == 0) say(" " + status_text(st));
  char text[96];
  snprintf(text, sizeof text, " fl %o fd %d ", fcntl(fd, F_GETFL), fcntl(fd, F_GETFD));
  say(text + shown(name_of(fd)));
  char content[24];
  if (S_ISREG(st.st_mode)) {
    const ssize_t n = pread(fd, content, sizeof content, 0);
    if (n >= 0) say(" holds " + shown(std::string_view(content, static_cast<size_t>(n))));
  }
}

}  // namespace names_fuzz
