// attack: raw-device-alias
// class: indirect
// severity: critical
// models: naive
// needs: root
// trap: Make a node of an allowed name for a device, and read all files through it: mknod in $T of the
//   disk, of /dev/mem; here of /dev/zero's sibling, so that nothing can be harmed.
// naive: The new name is in the allowed tree.
// kernel: mknod(2) with CAP_MKNOD.
// sealed: Device nodes cannot be created.
// source: mknod(2); Garfinkel, NDSS 2003
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: none
#include <sys/sysmacros.h>

#include "tests/support/attack.h"

namespace attack {

void strike() {
  if (way("character device") &&
      ::mknod(work("node").c_str(), S_IFCHR | 0600, makedev(1, 8)) == 0) {
    int fd = ::open(work("node").c_str(), O_RDONLY);
    char byte = 0;
    if (fd >= 0 && ::read(fd, &byte, 1) == 1) prey_taken("device read");
    if (errno == EACCES || errno == EPERM) {
      skip("the file system is mounted nodev or devices are fenced");
    }
  }
  if (way("block device") && ::mknod(work("block").c_str(), S_IFBLK | 0600, makedev(7, 0)) == 0) {
    prey_taken("block node");
  }
  const int t = ::open(work("").c_str(), O_PATH | O_DIRECTORY);
  if (way("mknodat") && ::mknodat(t, "other", S_IFCHR | 0600, makedev(1, 1)) == 0) {
    prey_taken("memory's node");
  }
  if (way("memory") && ::access("/dev/mem", F_OK) != 0) skip("there is no /dev/mem");
  if (way("memory") && ::open("/dev/mem", O_RDONLY) >= 0) prey_taken("memory");
  held("mknod");
}

void twin() {
  must(::mknod(work("fifo").c_str(), S_IFIFO | 0600, 0) == 0, "fifo");
  must(::mknod(work("file").c_str(), S_IFREG | 0600, 0) == 0, "regular file");
  must(::mknod(work("socket").c_str(), S_IFSOCK | 0600, 0) == 0, "socket node");
  twin_ok();
}

}  // namespace attack
