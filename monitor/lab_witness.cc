#include "monitor/lab_witness.h"

#include <algorithm>
#include <array>

#include "arch/registers.h"
#include "arch/syscall_table.h"
#include "monitor/audit_json.h"
#include "monitor/escape.h"
#include "monitor/proc_files.h"
#include "monitor/socket_address.h"

namespace callgate {
namespace {

// What every program opens before main and for its language: nobody's prey.
constexpr std::array<std::string_view, 12> kEverybodys = {
    "/lib/",       "/lib32/",     "/lib64/",           "/usr/lib/",    "/usr/lib32/", "/usr/lib64/",
    "/etc/ld.so.", "/etc/locale", "/usr/share/locale", "/sys/devices", "pipe:[",      "/dev/null"};

bool is_everybodys(std::string_view name) {
  return name.empty() || std::any_of(kEverybodys.begin(), kEverybodys.end(),
                                     [&](std::string_view at) { return name.starts_with(at); });
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

void replace_all(std::string* text, std::string_view from, std::string_view to) {
  for (size_t at = text->find(from); at != std::string::npos; at = text->find(from, at)) {
    text->replace(at, from.size(), to);
    at += to.size();
  }
}

bool opens(std::string_view call) {
  return call == "open" || call == "openat" || call == "openat2" || call == "creat";
}

// "read,write" as event.operation says it.
PathOps ops_of(std::string_view operation) {
  PathOps ops;
  while (!operation.empty()) {
    const size_t end = std::min(operation.find(','), operation.size());
    for (int i = 0; i < kPathOpCount; ++i) {
      const auto op = static_cast<PathOp>(i);
      if (path_op_name(op) == operation.substr(0, end)) ops = ops | op;
    }
    operation.remove_prefix(std::min(end + 1, operation.size()));
  }
  return ops;
}

std::string_view deed_name(std::string_view call) {
  return call == "bind"      ? "bound"
         : call == "connect" ? "connected"
         : call == "listen"  ? "opened"
                             : "sent from";
}

std::string_view best_name(const Event::Object& object) {
  return object.real.empty() ? object.asked : object.real;
}

// The kind of the socket that a bind, connect or send has acted on, asked of the kernel by way of
// the descriptor in the caller's registers; empty where that cannot be had.
std::string socket_kind(const Event& event) {
  const auto registers = Registers::fetch(event.tid);
  const SyscallRow* row = find_syscall(event.call);
  // i386 socketcall keeps the descriptor in memory: not asked.
  if (!registers.ok() || row == nullptr ||
      registers->number(event.abi) != row->number[static_cast<size_t>(event.abi)]) {
    return {};
  }
  const int fd = static_cast<int>(registers->argument(event.abi, 0));
  const auto inode = socket_inode(event.tid, fd);
  if (!inode.ok()) return {};
  const auto facts = query_socket(event.tid, fd, *inode);
  return facts.ok() ? std::string(net_family_name(net_family(*facts))) : std::string();
}

}  // namespace

LabWitness::LabWitness(LabRecord& record, const LabPrey& prey, const Policy& policy,
                       std::vector<std::string> reports)
    : record_(record),
      prey_(prey),
      policy_(policy),
      reports_(std::move(reports)),
      stamp_(tree_stamp(prey.secret(), prey.before())) {}

std::string LabWitness::shown(std::string_view name, size_t limit) const {
  std::string text(name);
  replace_all(&text, prey_.secret(), "$S");
  replace_all(&text, prey_.work(), "$T");
  replace_all(&text, prey_.token(), "canary");
  if (prey_.victim() > 0) replace_all(&text, victim_entry(), "/proc/$VICTIM/");
  for (const auto& [word, value] : prey_.words()) {
    if (value.size() < 6) replace_all(&text, ":" + value, ":$" + word);  // a port
  }
  return escape(text, limit);
}

std::string LabWitness::victim_entry() const {
  return "/proc/" + std::to_string(prey_.victim()) + "/";
}

bool LabWitness::concerns_prey(const Event& event) {
  if (event.kind != Event::Kind::Path && event.kind != Event::Kind::Exec) return true;
  // The naive model takes an execve for a call on a path like any other.
  if (event.call.starts_with("exec") && !std::exchange(started_, true)) return false;
  const bool allowed = event.verdict == Verdict::Allow;
  const bool maps = event.call == "mmap" || event.call == "mprotect";
  for (const Event::Object& object : event.objects) {
    if (allowed && object.asked.empty() && event.operation == "stat") continue;  // fstat
    for (const std::string_view name :
         {std::string_view(object.asked), std::string_view(object.real)}) {
      if (contains(name, prey_.root()) || (!maps && !is_everybodys(name))) return true;
    }
  }
  return false;
}

bool LabWitness::tree_changed(std::string* how) {
  if (changed_) return false;
  if (const auto own = prey_.own_file_changed()) {
    *how = *own;
    return changed_ = true;
  }
  const uint64_t stamp = tree_stamp(prey_.secret(), prey_.before());
  if (stamp == stamp_) return false;
  stamp_ = stamp;
  const std::string difference = tree_difference(prey_.before(), tree_image(prey_.secret()));
  *how = "$S: " + difference;
  changed_ = !difference.empty();
  return changed_;
}

LabWitness::Deed LabWitness::opened(const Event& event) const {
  Deed deed;
  const auto object =
      read_link("/proc/" + std::to_string(event.tid) + "/fd/" + std::to_string(event.result));
  if (!object.ok()) return {"opened a file", false};
  deed.text = "opened " + shown(*object, 150);
  // Elsewhere a name has several spellings (/proc/self, /dev/tty) of which the policy grants one.
  const bool of_victim = prey_.victim() > 0 && object->starts_with(victim_entry());
  deed.beyond_policy = of_victim || (object->starts_with(prey_.root()) &&
                                     !policy_.path(ops_of(event.operation), *object).allowed());
  return deed;
}

LabWitness::Deed LabWitness::deed_of(const Event& event) {
  if (event.verdict != Verdict::Allow) {
    const std::string error = errno_name(event.result);
    return {event.verdict == Verdict::Kill ? "nothing; killed it"
                                           : "nothing: " + (error.empty() ? "refused" : error),
            false};
  }
  if (const std::string error = errno_name(event.result); !error.empty()) {
    return {"nothing: " + error, false};
  }
  Deed deed{"did it", false};
  if (event.kind == Event::Kind::Path && opens(event.call)) {
    deed = opened(event);
  } else if (event.call.starts_with("symlink") && !event.objects.empty()) {
    const auto target = read_link(std::string(best_name(event.objects.front())));
    if (target.ok()) deed.text = "made a link to " + shown(*target, 150);
  } else if (event.call.starts_with("exec")) {
    // Killed over its image before it ran an instruction: the result is not what becomes of it.
    if (killed_.contains(event.pid)) return {"nothing; killed it", false};
    const auto image = read_link("/proc/" + std::to_string(event.pid) + "/exe");
    if (image.ok()) {
      deed.text = "runs " + shown(*image, 150);
      deed.beyond_policy =
          image->starts_with(prey_.secret()) && !policy_.path(PathOp::Execute, *image).allowed();
    }
  } else if (event.kind == Event::Kind::Network && !event.objects.empty()) {
    const std::string kind = socket_kind(event);
    if (!kind.empty()) {
      deed.text = std::string(deed_name(event.call)) + " a " + kind + " socket";
      deed.beyond_policy = !event.operation.starts_with(kind + " ");
    }
  }
  if (!reached_ && prey_.reached()) {
    reached_ = true;
    deed.text += ": reached the prey's listener";
    deed.beyond_policy = true;
  }
  if (std::string how; event.kind != Event::Kind::Network && tree_changed(&how)) {
    deed.text += "; " + how;
    deed.beyond_policy = true;
  }
  return deed;
}

LabRow::Moment LabWitness::moment_of(const Event& event, const Deed& deed) const {
  if (event.verdict == Verdict::Allow) {
    return deed.beyond_policy ? LabRow::Moment::PreyReached : LabRow::Moment::None;
  }
  std::string said = event.operation + " " + event.reason;
  for (const Event::Object& object : event.objects) said.append(" ").append(best_name(object));
  const bool prey = event.kind == Event::Kind::Network || event.kind == Event::Kind::Signal ||
                    contains(said, prey_.secret()) ||
                    std::any_of(reports_.begin(), reports_.end(),
                                [&](const std::string& report) { return contains(said, report); });
  return prey ? LabRow::Moment::PreyRefused : LabRow::Moment::Refusal;
}

void LabWitness::on_event(const Event& event) {
  if (event.verdict == Verdict::Kill) killed_.insert(event.pid);
  if (!concerns_prey(event)) {
    record_.add_other();
    return;
  }
  const Deed deed = deed_of(event);
  LabRow row;
  row.time_ns = event.time_ns;
  row.pid = event.pid;
  row.tid = event.tid;
  row.verdict = event.verdict;
  row.moment = moment_of(event, deed);
  std::string call(event.call);
  if (event.abi == Abi::I386) call += " [i386]";
  std::string believed = escape(event.operation, 40);
  constexpr size_t kNameLimit = 90;
  for (const Event::Object& object : event.objects) {
    const bool quoted = event.kind != Event::Kind::Network && event.kind != Event::Kind::Signal;
    const std::string asked = shown(object.asked, kNameLimit);
    call += quoted ? " \"" + asked + "\"" : " " + asked;
    believed +=
        (&object == &event.objects.front() ? " " : " -> ") + shown(best_name(object), kNameLimit);
  }
  row.call.set(call);
  row.believed.set(believed);
  if (event.rule != nullptr) {
    const SourcePosition& at = event.rule->position;
    const std::string line = "line " + std::to_string(at.line);
    row.because.set(at.file == "runtime" ? "built in" : std::string_view(line));
  } else if (event.verdict != Verdict::Allow || !event.reason.empty()) {
    row.because.set(event.reason.empty() ? "no line" : escape(event.reason, 120));
  }
  row.did.set(deed.text);
  record_.add(row);
}

}  // namespace callgate
