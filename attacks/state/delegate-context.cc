// attack: delegate-context
// class: state
// severity: high
// needs: root
// bare: held
// trap: A monitor that opens on the program's behalf does so with its own credentials, umask, limits
//   and Landlock domain. Drop to another user inside, then ask for a root-only file that the policy
//   allows; or leave abstract sockets to others by Landlock, then connect to one that the policy allows.
// naive: Opens it as root and hands it over: a confused deputy.
// kernel: Permission checks use the credentials of the task that makes the call (credentials(7)), and its
//   domain (landlock(7), LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET, 6.12).
// sealed: The program makes its own calls; they are redirected, never impersonated. A task whose
//   credentials differ is served by a keeper that has the same.
// source: Ostia (NDSS 2004); sandlock#112, #154
// policy:
//   path allow read,execute /usr/**
//   path allow $T/ $S/
//   network deny all
//   network allow unix connect,create @$TOKEN
// report: none
#include "tests/support/attack.h"

namespace attack {
namespace {

// Whether this process has left abstract sockets outside to others.
bool scope_itself() {
  struct {
    uint64_t files = 0;
    uint64_t network = 0;
    uint64_t scoped = 1;  // LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
  } rules;
  const long fd = ::syscall(444 /* landlock_create_ruleset */, &rules, sizeof rules, 0);
  return fd >= 0 && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::syscall(446 /* landlock_restrict_self */, fd, 0) == 0;
}

// Connects to the driver's abstract socket: 0 or errno.
int connect_abstract() {
  const std::string name = setting("ATTACK_ABSTRACT");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  const int s = ::socket(AF_UNIX, SOCK_STREAM, 0);
  return ::connect(s, as_sockaddr(address), length) == 0 ? 0 : errno;
}

}  // namespace

void strike() {
  // Its contact would be heard.
  const pid_t scoped = spawn([] {
    if (scope_itself() && connect_abstract() == 0) prey_taken("an abstract socket");
    finish(kHeld);
  });
  if (reap(scoped) == 0) prey_taken("from a domain of one's own");
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
