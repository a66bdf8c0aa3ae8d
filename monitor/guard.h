// The guard: considers one stopped call (decode, resolve, decide) and says how it goes on. It owns
// no task and resumes none; the tracer does what the answer says.
#pragma once

#include <sys/types.h>

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <unordered_set>

#include "arch/syscall_table.h"
#include "monitor/answer.h"
#include "monitor/argument_area.h"
#include "monitor/call_site.h"
#include "monitor/event.h"
#include "monitor/filter.h"
#include "monitor/keeper.h"
#include "monitor/mirror.h"
#include "monitor/named.h"
#include "monitor/resolve.h"
#include "monitor/session.h"
#include "monitor/tracee_memory.h"
#include "policy/policy.h"

namespace callgate {

struct OpenRequest;

// A call as it stands at its seccomp stop.
struct Stop {
  Abi abi = Abi::X86_64;
  const SyscallRow* row = nullptr;
  std::array<uint64_t, 6> arguments{};
  uint64_t instruction_pointer = 0;
  std::optional<Registers> registers;  // as the task stands there
  uint16_t note = 0;                   // FilterNote::data()
  bool alone = false;                  // those who could race this call are held
  bool translated = false;  // i386 socketcall: `row` and `arguments` are the direct call's

  [[nodiscard]] uint64_t argument(Role role) const;  // 0 when the row has no such role
  [[nodiscard]] int int_argument(Role role) const { return static_cast<int>(argument(role)); }
};

// Processes of callgate's own that no tracee may touch.
struct OwnProcesses {
  pid_t front = 0;
  pid_t monitor = 0;
};

// After an exit stop: resume, or run the same call once more as Task::retry says.
enum class Finished : uint8_t { Done, RunAgain };

class Guard {
 public:
  Guard(const SessionOptions& options, const Policy& policy, ArgumentArea& area, Mirror& mirror,
        EventSink& sink, OwnProcesses own);

  Answer consider(Task& task, const Stop& stop);
  // `result` is what the kernel answered, and may be replaced. The flight's event is recorded.
  Finished finish(Task& task, InFlight& flight, int64_t& result);
  // At PTRACE_EVENT_EXEC: false when the image that now stands there is not allowed (kill it).
  bool allows_image(Task& task, const InFlight* flight);

  Keepers& keepers() { return keepers_; }
  [[nodiscard]] bool is_own(pid_t pid) const;

 private:
  // guard.cc
  Answer judge_call(Task& task, const Stop& stop);
  Answer dispatch(Task& task, const Stop& stop);
  Event start_event(const Task& task, const Stop& stop, Event::Kind kind, std::string operation);
  Answer decided(Task& task, const Stop& stop, Event event, const Decision& decision,
                 Answer allowed);
  Answer refuse_for(Task& task, const Stop& stop, Event event, int error, std::string reason);
  // The refusal that hides whether there is anything by this name; nullopt: it may be known.
  std::optional<Decision> hides(std::string_view name) const;
  Answer failed_lookup(Task& task, Event event, int error);
  // Our own means have run out (descriptors, memory, slots): the call is refused, and said so.
  Answer exhausted(Task& task, const Stop& stop, int error);
  Answer observed(const Stop& stop, Event event, bool log);
  void record(Event event, int64_t result);
  bool enforcing() const { return options_.enforce; }
  Result<Credentials> credentials_of(Task& task) const;
  Result<std::string> read_path(Task& task, uint64_t address) const;
  // A redirect in registers alone, and one that also has a slot in the argument area.
  Result<Track> begin_redirect_registers(const Task& task, const Stop& stop);
  Result<Track> begin_redirect(const Task& task, const Stop& stop);
  static Viewer viewer(const Task& task, const Credentials* credentials = nullptr) {
    return {task.tid, task.process->pid, credentials};
  }

  // guard_note.cc
  Answer refused_syscall(Task& task, const Stop& stop, const FilterNote& note);
  Answer tell_syscall(Task& task, const Stop& stop, const FilterNote& note);

  // guard_path.cc
  Answer path_call(Task& task, const Stop& stop);
  Answer descriptor_call(Task& task, const Stop& stop);
  Named named(Task& task, const Stop& stop, Role directory, Role path, bool follow);
  // The call fails, as its name does, in the kernel's own order of errors.
  Answer failed_name(Task& task, const Stop& stop, Event event, Named& named);
  Answer own_descriptor(Task& task, const Stop& stop, const Named& named, Event event);
  // The event, where it is to be recorded once the result is there.
  std::optional<Event> kept(Event event, bool log) const;
  // guard_domain.cc
  // A name by which the task reaches what is pinned.
  Result<std::string> way_to(Task& task, int fd);
  // guard_pair.cc
  Answer pair_call(Task& task, const Stop& stop);
  Decision judge_pair(const Stop& stop, const Place& from, const Place& to, Event& event) const;
  Answer redirect_pair(Task& task, const Stop& stop, Named& from, Named& to, Event event, bool log);
  Decision judge(PathOps ops, const Place& place) const;
  Decision judge_name(PathOps ops, std::string_view name) const;
  // Why it was refused where no statement says it; empty otherwise.
  bool is_area(const Place& place) const;
  bool is_own_file(std::string_view name) const;
  bool holds_own_file(const Place& place) const;
  static Decision own_refusal(PathOps ops);
  std::string own_reason(const Decision& decision, const Place& place) const;
  std::string granting_alike(const Place& from, const Place& to, PathOp wider) const;
  std::optional<Decision> judge_move(const Place& from, const Place& to, Event& event) const;
  bool same_for_all(const Place& from, const Place& to, bool renames) const;
  Result<std::string> pin(Task& task, InFlight& flight, UniqueFd& fd);
  Result<std::string> pin(Task& task, InFlight& flight, Place& place, bool object);
  Status put_name(Task& task, const Stop& stop, Track& track, Named& named);
  std::optional<Answer> untold(Task& task, const Stop& stop, const Event& event,
                               const Named& named);
  Answer redirect_one(Task& task, const Stop& stop, Named& named, std::optional<Event> event);

  // guard_open.cc
  Answer open_call(Task& task, const Stop& stop);
  Result<OpenRequest> read_open(Task& task, const Stop& stop) const;
  void read_open_name(Task& task, const Stop& stop, OpenRequest& open) const;
  void look_up_open(Task& task, OpenRequest& open);
  static bool opens_object(const OpenRequest& open);
  Result<Track> begin_open(const Task& task, const Stop& stop, const OpenRequest& open,
                           uint64_t resolve);
  Answer failed_open(Task& task, const Stop& stop, Event event, const OpenRequest& open);
  std::optional<Answer> open_optimistically(Task& task, const Stop& stop, const OpenRequest& open);
  void remember_links(const std::string& text, const Place& place);
  Answer open_resolved(Task& task, const Stop& stop, OpenRequest open);
  Answer redirect_open(Task& task, const Stop& stop, const OpenRequest& open,
                       const std::string& path, bool by_name, std::optional<Event> event,
                       std::vector<UniqueFd> pins, bool loop_is_genuine, bool may_pin);
  Finished finish_open(Task& task, InFlight& flight, int64_t& result);

  // guard_exec.cc
  Answer exec_call(Task& task, const Stop& stop);
  Result<std::vector<std::string>> script_line(const Place& place, const Credentials& credentials);
  std::optional<Answer> judge_interpreters(Task& task, const Stop& stop, const Place& script,
                                           Event& event, Decision& decision, ExecWords& words);
  std::optional<Named> named_plainly(Task& task, const Stop& stop) const;

  // guard_memory.cc
  bool maps_allowed_file(const Task& task, int fd) const;
  Answer map_call(Task& task, const Stop& stop);
  Answer protect_call(Task& task, const Stop& stop);
  Answer area_call(Task& task, const Stop& stop);
  Answer shared_memory_call(Task& task, const Stop& stop);
  std::optional<Answer> without_area(Task& task, const Stop& stop);  // nullopt: it is mapped
  Answer refuse_area(const Task& task, const Stop& stop);

  // guard_network.cc
  struct JudgedAddress {
    NetQuestion question;
    Decision decision;
    std::string asked;
    std::optional<Place> place;  // a pathname socket: where the name led
    int lookup_error = 0;        // or why it led nowhere
    [[nodiscard]] Event::Object object() const;
  };
  Result<SocketFacts> socket_facts(Task& task, int fd, uint64_t* inode);
  Result<JudgedAddress> judge_address(Task& task, const Stop& stop,
                                      std::span<const std::byte> bytes, const SocketFacts& facts);
  Answer put_address(Task& task, const Stop& stop, std::span<const std::byte> address);
  Result<std::vector<std::byte>> sealed_address(Task& task, InFlight& flight,
                                                std::span<const std::byte> bytes,
                                                JudgedAddress& judged);
  Answer send_message(Task& task, const Stop& stop, uint64_t header_at);
  Answer socket_call(Task& task, const Stop& stop);
  Answer address_call(Task& task, const Stop& stop);
  Answer message_call(Task& task, const Stop& stop);
  Answer messages_call(Task& task, const Stop& stop);
  Answer option_call(Task& task, const Stop& stop);
  void finish_socket(Task& task, const InFlight& flight, int64_t result);
  Finished finish_messages(Task& task, InFlight& flight, int64_t& result);

  // guard_listen.cc
  Answer listen_call(Task& task, const Stop& stop);
  Answer accept_call(Task& task, const Stop& stop);

  // guard_socketcall.cc
  Answer socketcall(Task& task, const Stop& stop);

  // guard_signal.cc
  bool is_inside(pid_t pid) const;
  static bool is_caller(const Task& task, pid_t pid);
  bool within_reach(pid_t pid) const;
  bool group_within_reach(pid_t group) const;
  [[nodiscard]] pid_t group_named(pid_t number) const;
  // Whether the policy lets signals out, and this group holds no monitor.
  [[nodiscard]] bool may_signal_outside(pid_t group) const;
  static Answer before_any_is_reaped(const Stop& stop, std::optional<Event> event);
  Answer signal_inside(Task& task, const Stop& stop, pid_t pid, Event event);
  Answer signal_by_number(Task& task, const Stop& stop, pid_t pid);
  Answer signal_group(Task& task, const Stop& stop, pid_t group, Event event);
  Answer owner_call(Task& task, const Stop& stop, pid_t owner);
  Answer signal_call(Task& task, const Stop& stop);
  Finished finish_signals(Task& task, InFlight& flight, int64_t& result);
  Answer target_call(Task& task, const Stop& stop);
  Answer lower_limit(Task& task, const Stop& stop, int resource);
  Answer rlimit_call(Task& task, const Stop& stop);
  Answer unshare_call(Task& task, const Stop& stop);
  static Answer domain_call(const Stop& stop);
  Answer prctl_call(Task& task, const Stop& stop);
  Answer fcntl_call(Task& task, const Stop& stop);
  Answer ioctl_call(Task& task, const Stop& stop);

  const SessionOptions& options_;
  const Policy& policy_;
  ArgumentArea& area_;
  Mirror& mirror_;
  EventSink& sink_;
  OwnProcesses own_;
  Credentials own_credentials_;
  const bool accept_matters_;  // given_sockets.h
  bool privileged_;  // this process can hold tracees of other users
  Keepers keepers_;
  Resolver resolver_;
  CallSites call_sites_;
  // Device, inode and time of the last change of a program, and who looked.
  using ImageIdentity = std::tuple<dev_t, ino_t, time_t, long, uid_t>;
  std::map<ImageIdentity, std::vector<std::string>> script_lines_;
  std::unordered_set<std::string> linked_names_;  // absolute names that passed a symlink last time
};

}  // namespace callgate
