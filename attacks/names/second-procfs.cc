// attack: second-procfs
// class: names
// severity: critical
// models: naive
// launch: pid-namespace mount-namespace
// prepare: mkdir $T/proc && mount -t proc proc $T/proc
// trap: A second /proc stands in the granted tree. By its magic links, $T/proc/self/root, fd and cwd,
//   and by those of other processes, it leads to $S/key, and its entries of the monitor to the monitor.
// naive: Knows one spelling, "/proc"; whatever lies below $T is granted.
// kernel: procfs may be mounted anywhere and any number of times, and its links jump as they do in
//   /proc (proc(5)).
// sealed: procfs is known by its file system, not by its name: a link of it is no link to follow by its
//   text. And of a process no second entry is its own: what lies in another procfs than /proc is out
//   of reach, whatever the policy grants.
// source: openat2(2), RESOLVE_NO_MAGICLINKS; CVE-2024-21626
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: another process's /proc entries are out of reach
#include "tests/support/attack.h"

namespace attack {
namespace {

// "TracerPid:\t12": 0 where there is no monitor.
pid_t tracer() {
  const int fd = ::open("/proc/self/status", O_RDONLY);
  const std::string text = fd >= 0 ? read_all(fd) : "";
  ::close(fd);
  const size_t at = text.find("TracerPid:\t");
  return at == std::string::npos ? 0 : std::atoi(text.c_str() + at + 11);
}

}  // namespace

void strike() {
  const std::string proc = work("proc");
  const std::string self = proc + "/" + std::to_string(::getpid());
  if (way("self/root")) take(proc + "/self/root" + secret());
  if (way("pid/root")) take(self + "/root" + secret());
  if (way("thread-self/root")) take(proc + "/thread-self/root" + secret());
  if (way("1/root")) take(proc + "/1/root" + secret());
  if (way("a link")) {
    must(::symlink((proc + "/self/root").c_str(), work("r").c_str()) == 0, "symlink");
    take(work("r") + secret());
  }
  if (way("cwd") && ::chdir(secret("").c_str()) == 0) take(proc + "/self/cwd/key");
  const int key = ::open(secret().c_str(), O_PATH);
  const std::string fd = "/self/fd/" + std::to_string(key);
  if (key >= 0 && way("fd")) take(proc + fd);
  if (key >= 0 && way("both")) take(proc + "/self/root/proc" + fd);
  if (const pid_t monitor = tracer(); monitor != 0) {
    const std::string entry = proc + "/" + std::to_string(monitor);
    for (const char* leaf : {"/mem", "/environ", "/maps", "/root/etc/passwd", "/fd"}) {
      if (::open((entry + leaf).c_str(), O_RDONLY) >= 0) prey_taken("the monitor's entry");
    }
  }
  held("jump by another procfs");
}

// The one that is known as /proc is as ever, and so is what lies beside the other.
void twin() {
  must(reads("/proc/self/root" + work("ok.dat"), kHarmless), "root");
  must(::chdir(work("").c_str()) == 0 && reads("/proc/self/cwd/ok.dat", kHarmless), "cwd");
  must(reads(work("proc/../ok.dat"), kHarmless), "beside it");
  struct stat status_of_root {};
  must(::stat(work("proc").c_str(), &status_of_root) == 0 && S_ISDIR(status_of_root.st_mode),
       "it is a directory");
  const int status = ::open("/proc/self/status", O_RDONLY);
  must(status >= 0 && read_all(status).find("\nPid:\t" + std::to_string(::getpid()) + "\n") !=
                          std::string::npos,
       "status is one's own");
  twin_ok();
}

}  // namespace attack
