#include <fcntl.h>
#include <unistd.h>

#include <exception>
#include <string>
#include <vector>

#include "monitor/cli/command.h"
#include "monitor/cli/say.h"

namespace {

// A caller may start us without 0, 1 or 2; the next file opened would then take that number, and a
// report meant for stderr would end up in it. The place holders are CLOEXEC, so the program finds
// these descriptors closed, as it would have without us; and they are open the wrong way round, so
// that we too find nothing to read, and nobody to write to.
void hold_standard_descriptors() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0) continue;
    const int holder = open("/dev/null", (fd == 0 ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
    if (holder >= 0 && holder != fd) close(holder);
  }
}

}  // namespace

int main(int argc, char** argv) {
  hold_standard_descriptors();
  try {
    const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
    return callgate::cli::command_main(words);
  } catch (const std::exception& error) {
    callgate::cli::say(std::string("internal error: ") + error.what());
    return callgate::cli::kOwnFailure;
  }
}
