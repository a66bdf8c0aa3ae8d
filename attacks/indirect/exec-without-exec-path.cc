// attack: exec-without-exec-path
// class: indirect
// severity: high
// models: naive
// trap: Run $S/run and $S/program, which may be read, without a plain execve of their names: through a
//   descriptor (fexecve), /proc/self/fd, a symlink, the loader (`ld.so $S/program`), an interpreter, a
//   mapping that is executable at once or made so, a copy in memory (memfd_create).
// naive: Judges the string that execve was given; what is mapped is nobody's business.
// kernel: execveat(AT_EMPTY_PATH) takes an object; the loader maps any file it can read (execve(2),
//   ld.so(8)). A memfd is a file that lies in no directory (memfd_create(2)).
// sealed: The object is judged, by whatever road, by execve and by mmap and mprotect; the loader's and
//   interpreter's opens are reads. A memfd has no name that could be granted. That execute rules are
//   not code integrity is said in docs/threats.md.
// source: linux-application-whitelisting/fapolicyd#386; rr fexecve_memfd.c
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   path allow read $S/program
//   network deny all
// report: $S/
#include "tests/support/attack.h"

namespace attack {
namespace {

bool runs(const char* path, std::initializer_list<const char*> arguments, int fd = -1) {
  pid_t child = spawn([&] {
    char* argv[8]{};
    int n = 0;
    for (const char* a : arguments) argv[n++] = const_cast<char*>(a);
    char* envp[] = {nullptr};
    int null = ::open("/dev/null", O_WRONLY);
    ::dup2(null, 2);
    if (fd >= 0) {
      ::syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH);
    } else {
      ::execve(path, argv, envp);
    }
    finish(126);
  });
  return reap(child) == 0;
}

// The loader of programs like this one.
std::string own_loader() {
  std::FILE* maps = std::fopen("/proc/self/maps", "re");
  must(maps != nullptr, "maps");
  char line[512];
  std::string found;
  while (std::fgets(line, sizeof line, maps) != nullptr) {
    const std::string text(line, std::strcspn(line, "\n"));
    if (text.find("/ld-linux") != std::string::npos) found = text.substr(text.find('/'));
  }
  std::fclose(maps);
  return found;
}

int copied(const std::string& path) {
  const int from = ::open(path.c_str(), O_RDONLY);
  must(from >= 0, "a file that may be read");
  const std::string bytes = read_all(from);
  ::close(from);
  const int copy = ::memfd_create("copy", 0);
  must(copy >= 0 && ::write(copy, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()),
       "memfd_create");
  return copy;
}

// The file in executable memory; where `protection` is not that, it is made so.
bool mapped(const std::string& path, int protection) {
  const int fd = ::open(path.c_str(), O_RDONLY);
  must(fd >= 0, "a file that may be read");
  void* at = ::mmap(nullptr, 4096, protection, MAP_PRIVATE, fd, 0);
  ::close(fd);
  if (at == MAP_FAILED) return false;
  const bool done =
      (protection & PROT_EXEC) != 0 || ::mprotect(at, 4096, PROT_READ | PROT_EXEC) == 0;
  const int error = errno;
  ::munmap(at, 4096);
  errno = error;
  return done;
}

}  // namespace

void strike() {
  std::string script = secret("run");
  std::string program = secret("program");
  if (way("execve") && runs(script.c_str(), {"run"})) prey_taken("execve");
  int fd = ::open(program.c_str(), O_PATH);
  if (fd >= 0 && way("execveat") && runs(nullptr, {"echo"}, fd)) prey_taken("execveat");
  if (fd >= 0 && way("/proc/self/fd")) {
    std::string link = "/proc/self/fd/" + std::to_string(fd);
    if (runs(link.c_str(), {"echo"})) prey_taken("/proc/self/fd");
  }
  must(::symlink(program.c_str(), work("p").c_str()) == 0, "symlink");
  if (way("a symlink") && runs(work("p").c_str(), {"p"})) prey_taken("through a symlink");
  const std::string loader = own_loader();
  if (way("the loader", loader.empty() ? "a static program has no loader" : "") &&
      runs(loader.c_str(), {"ld.so", program.c_str()})) {
    prey_taken("the loader");
  }
  if (way("an interpreter") && runs("/bin/sh", {"sh", script.c_str()})) prey_taken("interpreted");
  if (way("an interpreter's input") && runs("/bin/sh", {"sh", "-c", ". \"$0\"", script.c_str()})) {
    prey_taken("interpreted");
  }
  for (const bool by_name : {false, true}) {
    if (!way(by_name ? "memfd by its name" : "memfd")) continue;
    const int copy = copied(program);
    const std::string name = "/proc/self/fd/" + std::to_string(copy);
    if (by_name ? runs(name.c_str(), {"echo"}) : runs(nullptr, {"echo"}, copy)) {
      prey_taken("a copy in memory");
    }
  }
  if (way("mmap") && mapped(program, PROT_READ | PROT_EXEC)) prey_taken("mapped executable");
  if (way("mprotect") && mapped(program, PROT_READ)) prey_taken("made executable");
  held("execute");
}

void twin() {
  must(runs("/usr/bin/true", {"true"}), "execve");
  int fd = ::open("/usr/bin/true", O_RDONLY | O_CLOEXEC);
  must(fd >= 0 && runs(nullptr, {"true"}, fd), "fexecve");
  must(runs("/bin/sh", {"sh", "-c", "exit 0"}), "through /bin, a symlink");
  must(!runs("/usr/bin/false", {"false"}), "statuses are true");
  must(mapped("/usr/bin/true", PROT_READ | PROT_EXEC), "mmap of what may be executed");
  must(mapped("/usr/bin/true", PROT_READ), "mprotect");
  void* at = ::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, copied(secret("program")), 0);
  must(at != MAP_FAILED && std::memcmp(at, "\177ELF", 4) == 0, "a memfd is memory");
  twin_ok();
}

}  // namespace attack
