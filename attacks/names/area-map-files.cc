// attack: area-map-files
// class: names
// severity: critical
// bare: held
// trap: A monitor that keeps the judged arguments in shared memory, mapped read-only into the
//   program, has to ask who else can reach that memory's file: /proc/self/map_files/<range> opens
//   it again, for writing, to whoever has CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE.
// naive: Trusts the mapping's permissions; the mapping is not the only way to the object.
// kernel: Read-only is a property of one attachment. The segment's file has its own mode, which
//   root passes (mm/shmem.c, fs/proc/base.c).
// sealed: The object is refused by its identity, whatever the policy grants, and a root run sees
//   every open as long as it has anything to enforce.
// source: found while writing down what the argument area rests on
// needs: root
// policy:
//   path allow all /**
//   network deny all
// report: argument area
#include "tests/support/shared_segment.h"

namespace attack {

void strike() {
  // Where names are all alike, only such a call has anything to be put there.
  sockaddr_un nobody = un(work("nobody"));
  const int s = ::socket(AF_UNIX, SOCK_DGRAM, 0);
  ::connect(s, as_sockaddr(nobody), sizeof nobody);
  const auto area = SharedSegment::find();
  if (!area.exists()) held("no shared arguments here");
  char name[64];
  std::snprintf(name, sizeof name, "/proc/self/map_files/%llx-%llx",
                static_cast<unsigned long long>(area.start),
                static_cast<unsigned long long>(area.end));
  const std::string path = name;
  if (::open(path.c_str(), O_RDWR) >= 0) prey_taken("opened for writing");
  const int handle = ::open(path.c_str(), O_PATH);
  if (handle >= 0) {
    const std::string again = "/proc/self/fd/" + std::to_string(handle);
    if (::open(again.c_str(), O_RDWR) >= 0) prey_taken("opened again for writing");
  }
  if (::truncate(path.c_str(), 0) == 0) prey_taken("truncated");
  if (::chmod(path.c_str(), 0666) == 0) prey_taken("made writable");
  held("the area's file");
}

void twin() {
  const int fd = ::open(work("ok.dat").c_str(), O_RDONLY);
  void* mapped = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0);
  must(fd >= 0 && mapped != MAP_FAILED, "mmap");
  char path[96];
  std::snprintf(path, sizeof path, "/proc/self/map_files/%lx-%lx",
                reinterpret_cast<unsigned long>(mapped),
                reinterpret_cast<unsigned long>(mapped) + 4096);
  must(::open(path, O_RDONLY) >= 0, "an own file by way of its mapping");
  twin_ok();
}

}  // namespace attack
