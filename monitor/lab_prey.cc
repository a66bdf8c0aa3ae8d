#include "monitor/lab_prey.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "monitor/escape.h"
#include "monitor/proc_files.h"

namespace callgate {
namespace {

namespace fs = std::filesystem;

enum class At : uint8_t { Inet, Path, Abstract };
enum class Reply : uint8_t { Token, Hello, SecretDirectory };

// One row for each listener. `contact`: what to call a visit nobody may make; nullptr: anybody may.
struct ListenerRow {
  At at;
  int type;
  const char* name;  // Inet: the variable with the port; Path: the file; Abstract: after the token
  const char* contact;
  Reply reply;
};
constexpr std::array<ListenerRow, 10> kListeners = {{
    {At::Inet, SOCK_STREAM, "TCP", "tcp", Reply::Token},
    {At::Inet, SOCK_DGRAM, "UDP", "udp", Reply::Token},
    {At::Inet, SOCK_STREAM, "OK_TCP", nullptr, Reply::Hello},
    {At::Inet, SOCK_DGRAM, "OK_UDP", nullptr, Reply::Hello},
    {At::Path, SOCK_STREAM, "s/broker.sock", "unix broker", Reply::Token},
    {At::Path, SOCK_DGRAM, "s/dgram.sock", "unix datagram", Reply::Token},
    {At::Abstract, SOCK_STREAM, "", "abstract unix", Reply::Token},
    {At::Abstract, SOCK_DGRAM, "-dgram", "abstract unix datagram", Reply::Token},
    {At::Path, SOCK_STREAM, "t/giver.sock", nullptr, Reply::SecretDirectory},
    {At::Path, SOCK_STREAM, "t/ok.sock", nullptr, Reply::Hello},
}};
constexpr int kBacklog = 64;
constexpr size_t kLongestRoot = 64;  // "/s/broker.sock" below it must fit into a sun_path

Result<std::string> fresh_token() {
  std::array<unsigned char, 16> bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return last_error();
  }
  return "canary-" + hex({reinterpret_cast<const char*>(bytes.data()), bytes.size()});  // NOLINT
}

Result<std::string> fresh_directory() {
  const char* wanted = secure_getenv("TMPDIR");
  for (const std::string& parent :
       {std::string(wanted != nullptr ? wanted : ""), std::string("/tmp")}) {
    std::unique_ptr<char, decltype(&free)> real(realpath(parent.c_str(), nullptr), &free);
    if (parent.empty() || !real || std::strlen(real.get()) + 20 > kLongestRoot) continue;
    std::string name = std::string(real.get()) + "/callgate-lab-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) continue;
    if (chmod(name.c_str(), 0755) != 0) return last_error();
    return name;
  }
  return Error{errno != 0 ? errno : ENOENT};
}

bool write_file(const std::string& path, const std::string& text, mode_t mode) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  return !file.fail() && chmod(path.c_str(), mode) == 0;
}

Status send_directory(int peer, const std::string& directory) {
  const UniqueFd fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return last_error();
  char byte = 'x';
  iovec part{&byte, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  const int number = fd.get();
  std::memcpy(CMSG_DATA(header), &number, sizeof number);
  if (sendmsg(peer, &message, MSG_NOSIGNAL) < 0) return last_error();
  return Unit{};
}

Result<UniqueFd> listen_unix(int type, const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name.size() >= sizeof address.sun_path) return Error{ENAMETOOLONG};
  std::memcpy(address.sun_path, name.data(), name.size());
  // An abstract name ends where the length says; a file's name ends in a NUL.
  const bool abstract = name.front() == '\0';
  const auto length =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + (abstract ? 0 : 1));
  UniqueFd fd(socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return last_error();
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) {  // NOLINT
    return last_error();
  }
  if (!abstract && chmod(name.c_str(), 0777) != 0) return last_error();
  if (type == SOCK_STREAM && listen(fd.get(), kBacklog) != 0) return last_error();
  return fd;
}

}  // namespace

Result<std::unique_ptr<LabPrey>> LabPrey::lay_out(const LabLesson& lesson, std::string* what) {
  std::unique_ptr<LabPrey> prey(new LabPrey);
  *what = "a fresh directory in $TMPDIR or /tmp";
  CALLGATE_TRY(prey->root_, fresh_directory());
  *what = "a random token";
  CALLGATE_TRY(prey->token_, fresh_token());
  *what = "the secret tree";
  CALLGATE_TRY([[maybe_unused]] Unit trees, prey->make_trees());
  void* shared = mmap(nullptr, sizeof(std::atomic<uint32_t>), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return last_error();
  prey->contact_count_ = new (shared) std::atomic<uint32_t>(0);
  *what = "listeners on loopback";
  CALLGATE_TRY([[maybe_unused]] Unit listeners, prey->make_listeners());
  *what = "the process that is the victim";
  if (lesson.launch_word("victim")) {
    CALLGATE_TRY([[maybe_unused]] Unit victim, prey->start_victim());
  }
  prey->before_ = tree_image(prey->secret());
  return prey;
}

LabPrey::~LabPrey() {
  clear();
  if (contact_count_ != nullptr) munmap(contact_count_, sizeof *contact_count_);
}

bool LabPrey::clear() {
  if (victim_ > 0 && !victim_died_) {
    ::kill(victim_, SIGKILL);
    waitpid(victim_, nullptr, 0);
  }
  victim_ = 0;
  const bool removed = root_.empty() || remove_tree(root_);
  root_.clear();
  return removed;
}

Status LabPrey::make_trees() {
  std::error_code error;
  const std::string s = secret();
  // What a chroot to $S/root would see as $T.
  const std::string inner = s + "/root" + work();
  fs::create_directory(work(), error);
  fs::create_directories(s + "/sub", error);
  if (!error) fs::create_directories(inner, error);
  if (!error) fs::copy_file("/bin/echo", s + "/program", error);
  if (error) return Error{error.value()};
  if (!write_file(work() + "/ok.dat", "harmless\n", 0644) ||
      !write_file(s + "/key", token_ + "\n", 0600) ||
      !write_file(s + "/run", "#!/bin/sh\necho " + token_ + "\n", 0755) ||
      !write_file(s + "/line", "#!/usr/bin/echo " + token_ + "\n", 0755) ||
      !write_file(inner + "/ok.dat", token_ + "\n", 0644)) {
    return last_error();
  }
  words_["T"] = work();
  words_["S"] = s;
  words_["TOKEN"] = token_;
  return Unit{};
}

// Port 0 takes a free one and says which.
Result<UniqueFd> LabPrey::listen_inet(int family, int type, uint16_t* port) {
  sockaddr_storage storage{};
  auto* address = reinterpret_cast<sockaddr*>(&storage);  // NOLINT: as sockets want it
  socklen_t length = sizeof storage;
  storage.ss_family = static_cast<sa_family_t>(family);
  if (family == AF_INET) {
    auto* four = reinterpret_cast<sockaddr_in*>(&storage);  // NOLINT
    four->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    four->sin_port = htons(*port);
    length = sizeof *four;
  } else {
    auto* six = reinterpret_cast<sockaddr_in6*>(&storage);  // NOLINT
    six->sin6_addr = in6addr_loopback;
    six->sin6_port = htons(*port);
    length = sizeof *six;
  }
  UniqueFd fd(socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return last_error();
  if (bind(fd.get(), address, length) != 0) return last_error();
  if (type == SOCK_STREAM) {
    const int pending = 16;  // data in the first packet is a contact like any other
    static_cast<void>(setsockopt(fd.get(), IPPROTO_TCP, TCP_FASTOPEN, &pending, sizeof pending));
    if (listen(fd.get(), kBacklog) != 0) return last_error();
  }
  if (getsockname(fd.get(), address, &length) != 0) return last_error();
  *port = ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);  // NOLINT: one offset
  return fd;
}

Status LabPrey::make_listeners() {
  for (size_t row = 0; row < kListeners.size(); ++row) {
    const ListenerRow& wanted = kListeners[row];
    if (wanted.at != At::Inet) {
      const std::string name = wanted.at == At::Path ? root_ + "/" + wanted.name
                                                     : std::string(1, '\0') + token_ + wanted.name;
      CALLGATE_TRY(UniqueFd fd, listen_unix(wanted.type, name));
      listeners_.push_back({std::move(fd), row});
      continue;
    }
    // The same port on 127.0.0.1 and, where there is IPv6, on ::1.
    for (int attempt = 0;; ++attempt) {
      uint16_t port = 0;
      CALLGATE_TRY(UniqueFd four, listen_inet(AF_INET, wanted.type, &port));
      auto six = listen_inet(AF_INET6, wanted.type, &port);
      if (!six.ok() && six.error().code == EADDRINUSE && attempt < 100) continue;
      listeners_.push_back({std::move(four), row});
      if (six.ok()) listeners_.push_back({*std::move(six), row});
      words_[wanted.name] = std::to_string(port);
      break;
    }
  }
  uint16_t port = 0;  // one that was free a moment ago, for the attacks that bind
  CALLGATE_TRY([[maybe_unused]] const UniqueFd probe, listen_inet(AF_INET, SOCK_STREAM, &port));
  words_["PORT"] = std::to_string(port);
  return Unit{};
}

Status LabPrey::start_victim() {
  const pid_t parent = getpid();
  victim_ = fork();
  if (victim_ < 0) return last_error();
  if (victim_ > 0) return Unit{};
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  syscall(SYS_close_range, 0U, ~0U, 0U);
  const std::string text = token_ + "\n";
  std::array<int, 2> ends{};  // 0 and 1: a pipe with the token in it, which nobody reads
  if (pipe(ends.data()) != 0 || ::write(ends[1], text.data(), text.size()) < 0) _exit(1);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) signal(number, SIG_DFL);
  for (;;) pause();
}

Result<std::string> LabPrey::place_own_files(const std::string& policy) {
  own_files_ = {
      {work() + "/attack.policy", policy + "include " + work() + "/part.policy\n"},
      {work() + "/part.policy", "network deny all\n"},
      {log(), "{\"earlier\":\"record\"}\n"},
  };
  for (const auto& [name, text] : own_files_) {
    if (!write_file(name, text, 0644)) return last_error();
  }
  const std::string link = work() + "/link.policy";
  if (symlink("attack.policy", link.c_str()) != 0) return last_error();
  return link;
}

std::optional<std::string> LabPrey::own_file_changed() const {
  for (const auto& [name, before] : own_files_) {
    std::error_code ignored;
    const auto text =
        fs::is_symlink(name, ignored) ? Result<std::string>(Error{ELOOP}) : read_whole_file(name);
    const bool whole = text.ok() && (name == log() ? text->starts_with(before) : *text == before);
    if (!whole) return "callgate's own " + fs::path(name).filename().string() + " was changed";
  }
  return std::nullopt;
}

std::string LabPrey::expand(std::string_view text) const {
  std::string out;
  while (!text.empty()) {
    const size_t dollar = std::min(text.find('$'), text.size());
    out += text.substr(0, dollar);
    text.remove_prefix(dollar);
    if (text.empty()) break;
    size_t end = 1;
    while (end < text.size() && ((text[end] >= 'A' && text[end] <= 'Z') || text[end] == '_')) ++end;
    const auto found = words_.find(text.substr(1, end - 1));
    out += found == words_.end() ? std::string(text.substr(0, end)) : found->second;
    text.remove_prefix(end);
  }
  return out;
}

std::vector<std::string> LabPrey::environment(std::chrono::milliseconds time) const {
  std::vector<std::string> out = {
      "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
      "LC_ALL=C.UTF-8",
      "HOME=/nonexistent",
      "TERM=xterm",
      "USER=tester",
      "TMPDIR=" + work(),
      "ATTACK_MS=" + std::to_string(time.count()),
      "ATTACK_ABSTRACT=" + token_,
      "ATTACK_VICTIM=" + std::to_string(victim_),
  };
  for (const auto& [name, value] : words_) {
    if (name != "TOKEN") out.push_back("ATTACK_" + name + "=" + value);
  }
  return out;
}

std::vector<pollfd> LabPrey::listeners() const {
  std::vector<pollfd> out;
  for (const Listener& listener : listeners_) out.push_back({listener.fd.get(), POLLIN, 0});
  return out;
}

void LabPrey::answer(size_t listener) {
  const Listener& at = listeners_.at(listener);
  const ListenerRow& row = kListeners[at.row];
  if (row.contact != nullptr) {
    // Counted before it is taken out of the queue, so that reached() never misses it.
    contact_count_->fetch_add(1);
    if (contacts_.size() < 64) contacts_.emplace_back(row.contact);
  }
  if (row.type == SOCK_DGRAM) {
    std::array<char, 65536> bytes;  // NOLINT: filled by recv, never read
    static_cast<void>(recv(at.fd.get(), bytes.data(), bytes.size(), MSG_DONTWAIT));
    return;
  }
  const UniqueFd peer(accept4(at.fd.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!peer.valid()) return;
  const std::string text = row.reply == Reply::Token ? token_ + "\n" : "hello\n";
  if (row.reply == Reply::SecretDirectory) {
    static_cast<void>(send_directory(peer.get(), secret()).ok());
  } else {
    static_cast<void>(send(peer.get(), text.data(), text.size(), MSG_NOSIGNAL));
  }
}

bool LabPrey::reached() const {
  std::vector<pollfd> waiting;
  for (const Listener& listener : listeners_) {
    if (kListeners[listener.row].contact != nullptr) {
      waiting.push_back({listener.fd.get(), POLLIN, 0});
    }
  }
  return poll(waiting.data(), waiting.size(), 0) > 0 || contact_count_->load() > 0;
}

std::optional<std::string> LabPrey::lost(std::string_view printed) const {
  if (printed.find("PREY-TAKEN") != std::string_view::npos) {
    return printed.find(token_) != std::string_view::npos ? "the secret's bytes were printed"
                                                          : "the attack proved its success";
  }
  if (!contacts_.empty()) return "a forbidden listener was reached: " + contacts_.front();
  const std::string changed = tree_difference(before_, tree_image(secret()));
  if (!changed.empty()) return "the secret tree changed: " + changed;
  if (auto own = own_file_changed()) return own;
  if (victim_died_) return std::string("the victim, a process outside, was killed");
  return std::nullopt;
}

}  // namespace callgate
