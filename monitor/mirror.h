// The mirror: which tasks there are and what they share, exactly as the clone flags share it in
// the kernel; and facts about objects that the kernel does not tell later (what a socket was made
// as), keyed by the kernel's own identity of the object. Which object a descriptor names is never
// remembered: it is read from /proc when it matters. Updated from results only.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "arch/abi.h"
#include "arch/result.h"
#include "monitor/in_flight.h"
#include "monitor/naive_mirror.h"
#include "monitor/proc_files.h"
#include "monitor/socket_facts.h"

namespace callgate {

// What the argument area is to an address space.
struct AddressSpace {
  enum class Area : uint8_t { Unmapped, Mapped, Failed };
  Area area = Area::Unmapped;
  // It was mapped while others shared this memory: a fork of theirs that was under way may have
  // copied it from before.
  bool copies_doubted = false;
};
struct DescriptorTable {};  // identity only: who shares one with whom
struct FsContext {};        // working directory, root and umask: identity only

struct Process {
  pid_t pid = 0;
  pid_t parent = 0;
  std::shared_ptr<const std::string> executable;
  bool pretends_undumpable = false;  // PR_SET_DUMPABLE 0 was answered as done
  pid_t executing = 0;               // the thread whose execve is under way in the kernel
};

struct TimedWait {
  int number = 0;        // of the call
  int64_t since_ns = 0;  // CLOCK_MONOTONIC: when it was first interrupted
};

struct Task {
  enum class State : uint8_t {
    Running,  // in user space or in a call the monitor does not follow
    Stopped,  // we owe it a resume
    Parked,   // in a group stop, PTRACE_LISTEN
    Held,     // stopped on purpose while another task's call must not be raced
  };
  pid_t tid = 0;
  State state = State::Running;
  std::shared_ptr<Process> process;
  std::shared_ptr<DescriptorTable> files;
  std::shared_ptr<FsContext> fs;
  std::shared_ptr<AddressSpace> memory;
  std::unique_ptr<InFlight> in_flight;       // a call we follow to its exit stop
  Retry retry;                               // what the next stop of the same call should know
  std::unique_ptr<Credentials> credentials;  // of a root run, once asked for; null: to be read
  int held_status = 0;          // Held: the wait status that waits to be handled, 0: none
  bool interrupted = false;     // a PTRACE_INTERRUPT of ours is under way
  std::optional<TimedWait> waits;  // a wait of limited length that our stops have interrupted
  bool reads_own_mask = false;  // opened its /proc/.../status, which shows the CPU mask
  bool landlocked = false;      // in a domain, its own or the fence's, and its children with it
  bool vforking = false;        // asleep in vfork until the child lets go
  // Its own signal mask, while none of its handlers may run between two calls of a series.
  std::optional<uint64_t> signal_mask;
};

class Mirror {
 public:
  Task* find(pid_t tid);
  // The first task of the sandbox.
  Task& add_root(pid_t tid, pid_t parent);
  // A child made by `parent` with these clone flags (CLONE_VM, CLONE_FILES, CLONE_FS,
  // CLONE_THREAD).
  Task& add_child(pid_t tid, const Task& parent, uint64_t clone_flags, pid_t tgid, pid_t ppid);
  // A task whose maker cannot tell what it shares with whom: the kernel is asked (kcmp). EPERM or
  // ENOSYS where it does not answer; nothing is added then.
  Result<Task*> adopt(pid_t tid, const TaskStatus& status);
  void remove(pid_t tid);
  // The kernel made one process of many threads: `former` takes over the leader's number and all
  // else in the group is gone. Returns the one task that remains.
  Task& exec(pid_t tgid, pid_t former);
  // The task, or all threads of its process, restricted themselves with Landlock.
  void enter_domain(Task& task, bool whole_process);
  void unshare(Task& task, uint64_t clone_flags);

  [[nodiscard]] bool empty() const { return tasks_.empty(); }
  [[nodiscard]] size_t size() const { return tasks_.size(); }
  // Whether this process has a living task here.
  [[nodiscard]] bool has_process(pid_t pid) const { return processes_.contains(pid); }
  [[nodiscard]] bool has_task(pid_t tid) const { return tasks_.contains(tid); }
  [[nodiscard]] std::shared_ptr<Process> process(pid_t pid) const;
  [[nodiscard]] std::vector<pid_t> processes() const;
  [[nodiscard]] std::vector<pid_t> tasks() const;
  template <typename F>
  void each(F&& f) {
    for (auto& [tid, task] : tasks_) f(*task);
  }

  void learn_socket(uint64_t inode, SocketFacts facts);
  [[nodiscard]] const SocketFacts* socket(uint64_t inode) const;

  NaiveMirror& naive() { return naive_; }

  // Compares the task set, and for every two tasks what they share, with the kernel (kcmp); the
  // first difference in words, empty when there is none. For tests.
  [[nodiscard]] std::string verify() const;

 private:
  struct ProcessEntry {
    std::weak_ptr<Process> process;
    int tasks = 0;
  };
  void count(const Task& task, int by);
  static bool is_settled(const Task& task, const TaskStatus& status);
  static std::string compare(const Task& one, const Task& other);
  std::unordered_map<pid_t, std::unique_ptr<Task>> tasks_;
  std::unordered_map<pid_t, ProcessEntry> processes_;
  std::unordered_map<uint64_t, SocketFacts> sockets_;
  bool any_domain_ = false;  // somebody has called landlock_restrict_self
  NaiveMirror naive_;        // for the model of that name alone
};

}  // namespace callgate
