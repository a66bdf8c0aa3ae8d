// storm_arguments thread|shared|sysv: whatever a call takes from memory changes without pause while
// it is made: names, open_how, addresses, message headers and vectors, the name and the arguments
// of a program. They are changed by a thread, by a process with which the memory is shared, or by
// one that attached the same System V segment.
#include <arpa/inet.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <sys/shm.h>

#include "tests/programs/storm.h"

namespace {

using namespace storm;

constexpr int kAllowedEnd = 1;  // as in storm_exec

struct Fields {
  char path[256];
  open_how how;
  sockaddr_in tcp;
  sockaddr_in udp;
  sockaddr_in good;  // for msg_name: two addresses that stay what they are
  sockaddr_in bad;
  msghdr header;
  mmsghdr headers[2];
  iovec vector;
  char byte;
  char program[256];
  const char* arguments[3];
};

std::string good_path;
std::string bad_path;
std::string good_program;
std::string bad_program;

void put(volatile char* to, const std::string& text) {
  for (size_t i = 0; i <= text.size(); ++i) to[i] = text.c_str()[i];
}
template <typename T>
void set(T& field, T value) {
  *static_cast<volatile T*>(&field) = value;
}
void pause_for(int turns) {
  for (int i = 0; i < turns; ++i) asm volatile("");
}

// Good and bad by turns, with time for a call to see either.
void change(Fields& fields) {
  for (const bool bad : {true, false}) {
    put(fields.path, bad ? bad_path : good_path);
    set<decltype(fields.how.flags)>(fields.how.flags,
                                    bad ? uint64_t{O_WRONLY | O_TRUNC} : uint64_t{O_RDONLY});
    for (sockaddr_in* address : {&fields.tcp, &fields.udp}) {
      const bool tcp = address == &fields.tcp;
      const char* name =
          tcp ? (bad ? "ATTACK_TCP" : "ATTACK_OK_TCP") : (bad ? "ATTACK_UDP" : "ATTACK_OK_UDP");
      set(address->sin_port, htons(static_cast<uint16_t>(number(name))));
    }
    void* const name = bad ? &fields.bad : &fields.good;
    set(fields.header.msg_name, name);
    for (mmsghdr& each : fields.headers) set(each.msg_hdr.msg_name, name);
    put(fields.program, bad ? bad_program : good_program);
    set(fields.arguments[1], bad ? reinterpret_cast<const char*>(8) : "argument");
    pause_for(500);
    set(fields.vector.iov_base,
        bad ? reinterpret_cast<void*>(8) : static_cast<void*>(&fields.byte));
    pause_for(500);
  }
}

sockaddr_in loopback(const char* port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(number(port)));
  return address;
}

void prepare(Fields& fields) {
  fields.good = fields.udp = loopback("ATTACK_OK_UDP");
  fields.bad = loopback("ATTACK_UDP");
  fields.tcp = loopback("ATTACK_OK_TCP");
  fields.vector = {&fields.byte, 1};
  fields.header.msg_namelen = sizeof fields.good;
  fields.header.msg_iov = &fields.vector;
  fields.header.msg_iovlen = 1;
  fields.headers[0].msg_hdr = fields.headers[1].msg_hdr = fields.header;
  fields.arguments[0] = "program";
  change(fields);
}

bool connects(Fields& fields) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  const bool done = ::connect(fd, reinterpret_cast<sockaddr*>(&fields.tcp), sizeof fields.tcp) == 0;
  ::close(fd);
  return done;
}
bool with_udp(const std::function<bool(int)>& send) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  const bool sent = send(fd);
  ::close(fd);
  return sent;
}
bool executes(Fields& fields) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::execve(fields.program, const_cast<char**>(fields.arguments), environ);
    ::_exit(126);
  }
  const int status = child > 0 ? reap(child) : -1;
  if (status == 0) reached("execve");
  return status == kAllowedEnd << 8;
}

Fields* shared_fields(bool sysv) {
  if (!sysv) {
    void* at =
        ::mmap(nullptr, sizeof(Fields), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(at != MAP_FAILED, "mmap");
    return static_cast<Fields*>(at);
  }
  const int segment = ::shmget(IPC_PRIVATE, sizeof(Fields), IPC_CREAT | 0600);
  void* at = ::shmat(segment, nullptr, 0);
  ::shmctl(segment, IPC_RMID, nullptr);
  must(at != reinterpret_cast<void*>(-1), "shmat");
  return static_cast<Fields*>(at);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view flavour = argc > 1 ? argv[1] : "";
  good_path = work("ok.dat");
  bad_path = secret("key");
  good_program = "/usr/bin/false";
  bad_program = secret("program");
  const bool by_thread = flavour == "thread";
  Fields* fields = shared_fields(flavour == "sysv");
  prepare(*fields);
  Storm storm;
  if (!by_thread) storm.weather([fields] { change(*fields); });
  // With threads each process has a copy of its own, and one who changes it.
  const auto traveller = [&](const char* name, const std::function<bool(Fields&)>& body) {
    if (!by_thread) return storm.traveller(name, [=] { return body(*fields); });
    auto* own = new Fields;
    prepare(*own);
    storm.traveller(
        name, [=] { return body(*own); }, 1, [own] { change(*own); });
  };
  traveller("open", [](Fields& f) { return harmless(::open(f.path, O_RDONLY), "open"); });
  const std::string read_only = secret("readable/file");
  traveller("open_how", [read_only](Fields& f) {
    const long fd = ::syscall(SYS_openat2, AT_FDCWD, read_only.c_str(), &f.how, sizeof f.how);
    if (fd >= 0) ::close(static_cast<int>(fd));
    return fd >= 0;
  });
  traveller("connect", connects);
  traveller("sendto", [](Fields& f) {
    return with_udp([&](int fd) {
      return ::sendto(fd, "x", 1, 0, reinterpret_cast<sockaddr*>(&f.udp), sizeof f.udp) == 1;
    });
  });
  traveller("sendmsg", [](Fields& f) {
    return with_udp([&](int fd) { return ::sendmsg(fd, &f.header, 0) == 1; });
  });
  traveller("sendmmsg", [](Fields& f) {
    return with_udp([&](int fd) { return ::sendmmsg(fd, f.headers, 2, 0) > 0; });
  });
  traveller("execve", executes);
  return storm.last();
}
