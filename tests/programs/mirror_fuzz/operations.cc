// The operations, each a row of a table: what it is called in the report, and what it does.
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "tests/programs/mirror_fuzz/state.h"

namespace mirror_fuzz {
namespace {

constexpr unsigned kUnshareTable = 2;  // close_range(2)
constexpr unsigned kCloseOnExec = 4;

int some_fd() { return 3 + below(kDescriptors - 8); }

// On the stack of each operation: tasks of one address space must not share it.
struct Message {
  char control[CMSG_SPACE(sizeof(int) * 3)];
  char byte = 'x';
  iovec vector{};
  msghdr header{};
  Message() {
    memset(control, 0, sizeof control);
    vector = {&byte, 1};
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
  }
};

sockaddr_un some_address() {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (percent(50)) {
    snprintf(name.sun_path, sizeof name.sun_path, "s%d", below(4));
  } else {
    snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "callgate-mirror-%d-%d", shared->root,
             below(4));
  }
  return name;
}

long make_unix() {
  const int type = percent(60) ? SOCK_STREAM : SOCK_DGRAM;
  return call(SYS_socket, AF_UNIX, type | SOCK_NONBLOCK, 0);
}

long send_descriptors(int) {
  Message message;
  cmsghdr* header = CMSG_FIRSTHDR(&message.header);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int) * 3);
  const int fds[3] = {0, 1, percent(70) ? 2 : some_fd()};
  memcpy(CMSG_DATA(header), fds, sizeof fds);
  return call(SYS_sendmsg, some_fd(), address(&message.header), MSG_DONTWAIT | MSG_NOSIGNAL);
}

long receive_descriptors(int) {
  Message message;
  return call(SYS_recvmsg, some_fd(), address(&message.header), MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
}

// A pair, and a descriptor that goes through it: whatever is at the ends afterwards.
long pass_descriptor(int) {
  int pair[2] = {-1, -1};
  if (call(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, address(pair)) < 0) return -1;
  Message out;
  cmsghdr* header = CMSG_FIRSTHDR(&out.header);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  out.header.msg_controllen = CMSG_SPACE(sizeof(int));
  memcpy(CMSG_DATA(header), &pair[below(2)], sizeof(int));
  call(SYS_sendmsg, pair[0], address(&out.header), MSG_DONTWAIT | MSG_NOSIGNAL);
  Message in;
  return call(SYS_recvmsg, pair[1], address(&in.header), MSG_DONTWAIT);
}

long listen_somewhere(int) {
  const long fd = make_unix();
  const sockaddr_un name = some_address();
  if (fd < 0 || call(SYS_bind, fd, address(&name), sizeof name) < 0) return -1;
  return call(SYS_listen, fd, 3);
}

long connect_somewhere(int) {
  const long fd = call(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
  const sockaddr_un name = some_address();
  return fd < 0 ? fd : call(SYS_connect, fd, address(&name), sizeof name);
}

// Listener, client and the third one that accept makes of them, over TCP.
long accept_connection(int) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof name;
  const long server = call(SYS_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  const long client = call(SYS_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  call(SYS_bind, server, address(&name), sizeof name);
  call(SYS_listen, server, 3);
  call(SYS_getsockname, server, address(&name), address(&size));
  call(SYS_connect, client, address(&name), sizeof name);
  const long accepted =
      percent(50) ? call(SYS_accept, server, 0, 0) : call(SYS_accept4, server, 0, 0, SOCK_CLOEXEC);
  if (percent(60)) call(SYS_close, server);
  if (percent(60)) call(SYS_close, client);
  return accepted;
}

long open_file(int) {
  char path[640];
  snprintf(path, sizeof path, "f%d", below(6));
  return call(SYS_open, address(path), O_RDWR | O_CREAT | (percent(50) ? O_CLOEXEC : 0), 0644);
}

long open_at(int) {
  char path[640];
  snprintf(path, sizeof path, "%s/f%d", directory, below(6));
  return call(SYS_openat, some_fd(), address(path), O_RDONLY, 0);
}

long open_directory(int) {
  char path[16];
  snprintf(path, sizeof path, "d%d", below(4));
  return call(SYS_openat, AT_FDCWD, address(path), O_RDONLY | O_DIRECTORY, 0);
}

long make_directory(int) {
  char path[640];
  snprintf(path, sizeof path, "%s/d%d", percent(70) ? directory : ".", below(4));
  return call(SYS_mkdir, address(path), 0755);
}

long change_directory(int) {
  char path[640];
  snprintf(path, sizeof path, percent(30) ? "%s" : "%s/d%d", directory, below(4));
  return call(SYS_chdir, address(path));
}

// A directory that some task may stand in gets another name.
long rename_directory(int) {
  char from[640];
  char to[640];
  snprintf(from, sizeof from, "%s/d%d", directory, below(4));
  snprintf(to, sizeof to, "%s/d%d", directory, below(4));
  return call(SYS_rename, address(from), address(to));
}

// The working directory itself, from within, and there again.
long rename_own_directory(int) {
  char from[640];
  char to[640];
  const int number = below(4);
  snprintf(from, sizeof from, "%s/d%d", directory, number);
  snprintf(to, sizeof to, "%s/d%d", directory, (number + 1) % 4);
  call(SYS_rmdir, address(to));
  if (call(SYS_chdir, address(from)) < 0) return -1;
  char own[32];
  snprintf(own, sizeof own, "../d%d", number);
  return call(SYS_rename, address(own), address(to));
}

long close_a_range(int) {
  static constexpr unsigned flags[] = {
      0, 0, kUnshareTable, kUnshareTable, kCloseOnExec, kUnshareTable | kCloseOnExec, 8};
  const int fd = some_fd();
  return call(SYS_close_range, fd, fd + below(6), flags[below(7)]);
}

long unshare_something(int) {
  static constexpr unsigned long flags[] = {
      CLONE_FILES, CLONE_FS, CLONE_FILES | CLONE_FS, 0, CLONE_SYSVSEM, CLONE_FILES | CLONE_SYSVSEM};
  return call(SYS_unshare, static_cast<long>(flags[below(6)]));
}

long end(int self) {
  const Slot& slot = shared->slots[self];
  const bool in_root = slot.tgid.load() == shared->root;
  const bool is_leader = slot.tgid.load() == slot.tid.load();
  if (!in_root || !is_leader) leave(self, !in_root && percent(40));
  return -1;
}

long execute(int self) {
  if (percent(60)) exec_self(self);
  return -1;
}

struct Kind {
  const char* name;
  int weight;
  long (*act)(int self);
};

constexpr int kUnshareI386 = 310;
constexpr int kDup2I386 = 63;
constexpr int kCloseI386 = 6;

constexpr Kind kTable[] = {
    {"dup", 4, [](int) { return call(SYS_dup, percent(50) ? below(8) : some_fd()); }},
    {"dup2", 3, [](int) { return call(SYS_dup2, some_fd(), some_fd()); }},
    {"dup2 i386", 1, [](int) { return call_i386(kDup2I386, some_fd(), some_fd()); }},
    {"dup3", 3,
     [](int) { return call(SYS_dup3, some_fd(), some_fd(), percent(50) ? O_CLOEXEC : 0); }},
    {"fcntl dupfd", 3,
     [](int) {
       return call(SYS_fcntl, some_fd(), percent(50) ? F_DUPFD : F_DUPFD_CLOEXEC, some_fd());
     }},
    {"fcntl setfd", 2, [](int) { return call(SYS_fcntl, some_fd(), F_SETFD, below(2)); }},
    {"close", 5, [](int) { return call(SYS_close, some_fd()); }},
    {"close i386", 1, [](int) { return long{call_i386(kCloseI386, some_fd())}; }},
    {"close_range", 3, close_a_range},
    {"close_range all", 2,
     [](int) {
       return call(SYS_close_range, 3, percent(50) ? ~0u : 20, percent(70) ? kUnshareTable : 0);
     }},
    {"open", 3, open_file},
    {"openat", 2, open_at},
    {"open directory", 2, open_directory},
    {"socket unix", 2, [](int) { return make_unix(); }},
    {"socket inet", 2,
     [](int) {
       const int type = percent(50) ? SOCK_STREAM : SOCK_DGRAM;
       return call(SYS_socket, percent(50) ? AF_INET : AF_INET6, type | SOCK_NONBLOCK, 0);
     }},
    {"socketpair", 2,
     [](int) {
       int pair[2];
       const int type = percent(50) ? SOCK_STREAM : SOCK_SEQPACKET;
       return call(SYS_socketpair, AF_UNIX, type | SOCK_NONBLOCK, 0, address(pair));
     }},
    {"pipe", 2,
     [](int) {
       int pair[2];
       return call(SYS_pipe2, address(pair), O_NONBLOCK);
     }},
    {"bind", 2,
     [](int) {
       const sockaddr_un name = some_address();
       return call(SYS_bind, some_fd(), address(&name), sizeof name);
     }},
    {"connect", 2,
     [](int) {
       const sockaddr_un name = some_address();
       return call(SYS_connect, some_fd(), address(&name), sizeof name);
     }},
    {"listen", 2, listen_somewhere},
    {"connect to one", 2, connect_somewhere},
    {"accept", 2, [](int) { return call(SYS_accept4, some_fd(), 0, 0, SOCK_NONBLOCK); }},
    {"accept tcp", 2, accept_connection},
    {"send rights", 2, send_descriptors},
    {"receive rights", 2, receive_descriptors},
    {"pass rights", 2, pass_descriptor},
    {"birth", 14, give_birth},
    {"unshare", 3, unshare_something},
    {"unshare i386", 1,
     [](int) { return long{call_i386(kUnshareI386, percent(50) ? CLONE_FILES : CLONE_FS)}; }},
    {"mkdir", 2, make_directory},
    {"chdir", 3, change_directory},
    {"fchdir", 2,
     [](int self) { return call(SYS_fchdir, percent(50) ? open_directory(self) : some_fd()); }},
    {"rename directory", 3, rename_directory},
    {"rename own directory", 2, rename_own_directory},
    {"umask", 1, [](int) { return call(SYS_umask, 022); }},
    {"wait", 4, [](int) { return call(SYS_wait4, -1, 0, WNOHANG | __WALL, 0); }},
    {"end", 3, end},
    {"exec", 4, execute},
    {"kill nothing", 1,
     [](int self) { return call(SYS_kill, shared->slots[self].tgid.load(), 0); }},
};
constexpr int kTableSize = static_cast<int>(sizeof kTable / sizeof *kTable);
static_assert(kTableSize <= kKinds);
constexpr int kTotal = [] {
  int sum = 0;
  for (const Kind& kind : kTable) sum += kind.weight;
  return sum;
}();

}  // namespace

void operate(int self) {
  int choice = below(kTotal);
  int index = 0;
  while (choice >= kTable[index].weight) choice -= kTable[index++].weight;
  shared->tried[index].fetch_add(1);
  // An end or an execution does not come back.
  if (kTable[index].act(self) >= 0) shared->succeeded[index].fetch_add(1);
}

void report_kinds() {
  char text[96];
  if (shared->has_i386 == 0) {
    const int n =
        snprintf(text, sizeof text, "no 32-bit entry in this kernel: none of its calls\n");
    call(SYS_write, 1, address(text), n);
  }
  for (int i = 0; i < kTableSize; ++i) {
    const int n = snprintf(text, sizeof text, "%8d of %8d  %s\n", shared->succeeded[i].load(),
                           shared->tried[i].load(), kTable[i].name);
    call(SYS_write, 1, address(text), n);
  }
}

}  // namespace mirror_fuzz
