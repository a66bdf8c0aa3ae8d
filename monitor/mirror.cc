#include "monitor/mirror.h"

#include <linux/kcmp.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "monitor/proc_files.h"

namespace callgate {
namespace {

// Socket inode numbers are 32 bits wide and come round again; long before that, forget.
constexpr size_t kMostSockets = 65536;

std::shared_ptr<const std::string> image_of(pid_t tid) {
  auto exe = read_link("/proc/" + std::to_string(tid) + "/exe");
  return std::make_shared<const std::string>(exe.ok() ? *exe : "");
}

}  // namespace

Task* Mirror::find(pid_t tid) {
  auto found = tasks_.find(tid);
  return found == tasks_.end() ? nullptr : found->second.get();
}

std::shared_ptr<Process> Mirror::process(pid_t pid) const {
  auto found = processes_.find(pid);
  return found == processes_.end() ? nullptr : found->second.process.lock();
}

std::vector<pid_t> Mirror::tasks() const {
  std::vector<pid_t> tids;
  tids.reserve(tasks_.size());
  for (const auto& [tid, task] : tasks_) tids.push_back(tid);
  return tids;
}

std::vector<pid_t> Mirror::processes() const {
  std::vector<pid_t> pids;
  pids.reserve(processes_.size());
  for (const auto& [pid, entry] : processes_) pids.push_back(pid);
  return pids;
}

void Mirror::count(const Task& task, int by) {
  auto& entry = processes_[task.process->pid];
  entry.process = task.process;
  entry.tasks += by;
  if (entry.tasks <= 0) processes_.erase(task.process->pid);
}

Task& Mirror::add_root(pid_t tid, pid_t parent) {
  auto task = std::make_unique<Task>();
  task->tid = tid;
  task->process = std::make_shared<Process>();
  task->process->pid = tid;
  task->process->parent = parent;
  task->process->executable = image_of(tid);
  task->files = std::make_shared<DescriptorTable>();
  task->fs = std::make_shared<FsContext>();
  task->memory = std::make_shared<AddressSpace>();
  count(*task, 1);
  return *(tasks_[tid] = std::move(task));
}

Task& Mirror::add_child(pid_t tid, const Task& parent, uint64_t clone_flags, pid_t tgid,
                        pid_t ppid) {
  auto task = std::make_unique<Task>();
  task->tid = tid;
  if ((clone_flags & CLONE_THREAD) != 0) {
    task->process = parent.process;
  } else {
    task->process = std::make_shared<Process>();
    task->process->pid = tgid;
    task->process->parent = ppid;
    task->process->executable = parent.process->executable;
  }
  task->files =
      (clone_flags & CLONE_FILES) != 0 ? parent.files : std::make_shared<DescriptorTable>();
  task->fs = (clone_flags & CLONE_FS) != 0 ? parent.fs : std::make_shared<FsContext>();
  // A copied address space has the area where the original has it.
  task->memory = (clone_flags & CLONE_VM) != 0 ? parent.memory
                                               : std::make_shared<AddressSpace>(*parent.memory);
  if (task->memory->copies_doubted && task->memory != parent.memory) {
    *task->memory = AddressSpace{};  // looked at when it is first needed
  }
  task->landlocked = parent.landlocked;
  count(*task, 1);
  return *(tasks_[tid] = std::move(task));
}

Result<Task*> Mirror::adopt(pid_t tid, const TaskStatus& status) {
  auto task = std::make_unique<Task>();
  task->tid = tid;
  for (const auto& [known, other] : tasks_) {
    const auto share = [&, other = other.get()](int type, auto& mine, const auto& theirs) {
      if (mine) return true;
      const long order = syscall(SYS_kcmp, other->tid, tid, type, 0, 0);
      if (order == 0) mine = theirs;
      return order >= 0 || errno == ESRCH;  // a task that is ending shares nothing any more
    };
    if (!share(KCMP_FILES, task->files, other->files) || !share(KCMP_FS, task->fs, other->fs) ||
        !share(KCMP_VM, task->memory, other->memory)) {
      return last_error();
    }
  }
  if (!task->files) task->files = std::make_shared<DescriptorTable>();
  if (!task->fs) task->fs = std::make_shared<FsContext>();
  if (!task->memory) task->memory = std::make_shared<AddressSpace>();
  task->process = process(status.tgid);
  if (!task->process) {
    task->process = std::make_shared<Process>();
    task->process->pid = status.tgid;
    task->process->parent = status.parent;
    task->process->executable = image_of(tid);
  }
  task->landlocked = any_domain_;  // nobody can tell; it costs no more than time
  count(*task, 1);
  return (tasks_[tid] = std::move(task)).get();
}

void Mirror::remove(pid_t tid) {
  auto found = tasks_.find(tid);
  if (found == tasks_.end()) return;
  count(*found->second, -1);
  tasks_.erase(found);
}

Task& Mirror::exec(pid_t tgid, pid_t former) {
  if (former != tgid) {
    if (auto taking_over = tasks_.find(former); taking_over != tasks_.end()) {
      auto task = std::move(taking_over->second);
      tasks_.erase(taking_over);
      if (auto leader = tasks_.find(tgid); leader != tasks_.end()) count(*leader->second, -1);
      task->tid = tgid;
      tasks_[tgid] = std::move(task);
    }
  }
  Task& task = *tasks_.at(tgid);
  // exec gives a table and an address space of its own; the fs context may stay shared.
  task.files = std::make_shared<DescriptorTable>();
  task.memory = std::make_shared<AddressSpace>();
  return task;
}

void Mirror::enter_domain(Task& task, bool whole_process) {
  any_domain_ = true;
  for (const auto& [tid, other] : tasks_) {
    if (other.get() == &task || (whole_process && other->process == task.process)) {
      other->landlocked = true;
    }
  }
}

void Mirror::unshare(Task& task, uint64_t clone_flags) {
  if ((clone_flags & CLONE_FILES) != 0) task.files = std::make_shared<DescriptorTable>();
  if ((clone_flags & CLONE_FS) != 0) task.fs = std::make_shared<FsContext>();
}

void Mirror::learn_socket(uint64_t inode, SocketFacts facts) {
  if (sockets_.size() >= kMostSockets) sockets_.clear();
  sockets_[inode] = facts;
}

const SocketFacts* Mirror::socket(uint64_t inode) const {
  auto found = sockets_.find(inode);
  return found == sockets_.end() ? nullptr : &found->second;
}

// Whether the kernel's word on a task can be compared with the mirror's just now, as between the
// kernel's change and its event the two may differ.
bool Mirror::is_settled(const Task& task, const TaskStatus& status) {
  // A running task is compared at its next stop, unless it sleeps.
  if (task.state == Task::State::Running && status.state != 'S') return false;
  // Held at the exit of an unshare: done in the kernel, and learned when it is let go.
  if (task.state == Task::State::Held && task.held_status != 0) return false;
  // One that has more to tell (an execve by another thread) is compared when it has been heard.
  siginfo_t told{};
  constexpr int kLook = WEXITED | WSTOPPED | WNOWAIT | WNOHANG | __WALL;
  if (waitid(P_PID, static_cast<id_t>(task.tid), &told, kLook) == 0 && told.si_pid != 0) {
    return false;
  }
  // One that was killed meanwhile shares nothing any more.
  return status.state == 'S' || status.state == 't' || status.state == 'T';
}

std::string Mirror::verify() const {
  std::vector<const Task*> settled;
  for (const auto& [tid, task] : tasks_) {
    auto status = read_task_status(tid);
    if (!status.ok()) continue;  // dying: its end is on the way to us
    if (status->tracer != getpid()) return "task " + std::to_string(tid) + " is not traced by us";
    if (status->tgid != task->process->pid) {
      return "task " + std::to_string(tid) + " belongs to process " + std::to_string(status->tgid) +
             ", mirrored as " + std::to_string(task->process->pid);
    }
    if (is_settled(*task, *status)) settled.push_back(task.get());
  }
  for (size_t i = 0; i < settled.size(); ++i) {
    for (size_t j = i + 1; j < settled.size(); ++j) {
      std::string difference = compare(*settled[i], *settled[j]);
      if (!difference.empty()) return difference;
    }
  }
  return {};
}

std::string Mirror::compare(const Task& one, const Task& other) {
  const auto differs = [&](int type, bool mirrored, const char* what) {
    const long kernel = syscall(SYS_kcmp, one.tid, other.tid, type, 0, 0);
    if (kernel < 0 || (kernel == 0) == mirrored) return std::string();
    return std::string(what) + " of " + std::to_string(one.tid) + " and " +
           std::to_string(other.tid) + (mirrored ? " mirrored as shared" : " shared unseen");
  };
  for (std::string text : {differs(KCMP_FILES, one.files == other.files, "descriptors"),
                           differs(KCMP_FS, one.fs == other.fs, "directories"),
                           differs(KCMP_VM, one.memory == other.memory, "memory")}) {
    if (!text.empty()) return text;
  }
  return {};
}

}  // namespace callgate
