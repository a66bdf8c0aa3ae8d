#include "monitor/stand_in.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <climits>
#include <cstring>

namespace callgate {
namespace {

constexpr uint64_t kNobodys = ~uint64_t{0xffff};  // the kernel's own half
const std::string kNowhere = "/proc/0/x";         // no process has this number

void translate(Track& track, int kernel_says, int means) {
  if (kernel_says == means) return;
  for (ErrorInStead& entry : track.flight.errors) {
    if (entry.kernel_says != 0) continue;
    entry = {kernel_says, means};
    return;
  }
}

Status put_name(Track& track, const Stop& stop, int path_index, const std::string& name) {
  CALLGATE_TRY(const TraceeAddr at, track.flight.slot.put_string(name));
  track.changed->set_argument(stop.abi, path_index, static_cast<uint64_t>(at));
  return Unit{};
}

}  // namespace

Status put_failing_name(Track& track, const Stop& stop, const Named& named) {
  if (named.failed == Named::Failed::Read) {
    if (named.error == EFAULT && pointer_size(stop.abi) == 8) {
      track.changed->set_argument(stop.abi, named.path_index, kNobodys);
      return Unit{};
    }
    // In 32 bits every address may be the program's, and EFAULT must not become another look at its
    // memory.
    translate(track, ENAMETOOLONG, named.error);
    return put_name(track, stop, named.path_index, std::string(PATH_MAX, 'x'));
  }
  if (named.text.empty() && named.error == ENOENT) {  // refused before the walk
    return put_name(track, stop, named.path_index, "");
  }
  translate(track, ENOENT, named.error);
  return put_name(track, stop, named.path_index, kNowhere);
}

Status put_failing_leaf(Track& track, const Stop& stop, int path_index, std::string directory,
                        int error) {
  translate(track, ENAMETOOLONG, error);
  translate(track, ENOENT, error);  // procfs knows its own names, of any length
  return put_name(track, stop, path_index, directory.append("/").append(NAME_MAX + 1, 'x'));
}

std::vector<std::byte> failing_address() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, kNowhere.data(), kNowhere.size());
  std::vector<std::byte> bytes(offsetof(sockaddr_un, sun_path) + kNowhere.size() + 1);
  std::memcpy(bytes.data(), &address, bytes.size());
  return bytes;
}

void put_failing_descriptor(Track& track, const Stop& stop, Role role) {
  track.changed->set_argument(stop.abi, stop.row->argument(role), ~uint64_t{0});
}

}  // namespace callgate
