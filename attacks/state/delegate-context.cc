// attack: delegate-context
// class: state
// severity: high
// needs: root
// bare: held
// trap: A monitor that opens on the program's behalf does so with its own credentials, umask and
//   limits. Drop to another user inside, then ask for a root-only file that the policy allows.
// naive: Opens it as root and hands it over: a confused deputy.
// kernel: Permission checks use the credentials of the task that makes the call (credentials(7)).
// sealed: The program makes its own calls; they are redirected, never impersonated. A task whose
//   credentials differ is served by a keeper that has the same.
// source: Ostia (NDSS 2004); sandlock#112, #154
// policy:
//   path allow read,execute /usr/**
//   path allow $T/ $S/
//   network deny all
// report: none
#include "tests/support/attack.h"

namespace attack {

void strike() {
  spill(work("private"), "root only");
  must(::chmod(work("private").c_str(), 0600) == 0, "chmod");
  must(::setgid(65534) == 0 && ::setuid(65534) == 0, "setuid");
  take(work("private"));
  take(secret());
  if (::mkdir(work("by-nobody").c_str(), 0777) == 0) prey_taken("wrote a root-owned directory");
  if (::unlink(work("private").c_str()) == 0) prey_taken("deleted from a root-owned directory");
  if (::chmod(work("private").c_str(), 0777) == 0) prey_taken("changed a mode of root's");
  held("as another user");
}

void twin() {
  ::umask(077);
  int fd = ::open(work("mine").c_str(), O_WRONLY | O_CREAT, 0666);
  struct stat status {};
  must(fd >= 0 && ::fstat(fd, &status) == 0 && (status.st_mode & 0777) == 0600, "umask of open");
  must(::mkdir(work("dir").c_str(), 0777) == 0 && ::stat(work("dir").c_str(), &status) == 0 &&
           (status.st_mode & 0777) == 0700,
       "umask of mkdir");
  must(::chmod(work("").c_str(), 0777) == 0, "chmod");
  must(::setgid(65534) == 0 && ::setuid(65534) == 0, "setuid");
  must(::mkdir(work("by-nobody").c_str(), 0777) == 0, "mkdir as nobody");
  must(::stat(work("by-nobody").c_str(), &status) == 0 && status.st_uid == 65534 &&
           status.st_gid == 65534,
       "owner of the directory");
  spill(work("by-nobody/file"), "x");
  must(::stat(work("by-nobody/file").c_str(), &status) == 0 && status.st_uid == 65534, "owner");
  twin_ok();
}

}  // namespace attack
