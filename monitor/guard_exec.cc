// Execution: decided at entry for a civil errno, and decided again on the image that the kernel
// really mapped, before it runs an instruction.
#include <elf.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/personality.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "monitor/clock.h"
#include "monitor/exec_words.h"
#include "monitor/guard.h"
#include "monitor/identity.h"
#include "monitor/named.h"
#include "monitor/plain_name.h"

namespace callgate {
namespace {

constexpr const char* kUnwatchableReason = "a program that cannot be read cannot be watched";
constexpr const char* kChangedReason = "the program changed between the decision and its execution";

// A program as the task may read it; invalid where it may not. The kernel makes a process that runs
// such a program undumpable, and so hides it from an unprivileged monitor.
Result<UniqueFd> open_image(const Credentials& own, const Credentials& task, const Place& place) {
  const ScopedIdentity eyes(own, task);
  if (!eyes.ok()) return Error{EACCES};
  if (!S_ISREG(place.st.st_mode)) return UniqueFd();
  const std::string path = "/proc/self/fd/" + std::to_string(place.object.get());
  UniqueFd image(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!image.valid() && errno == EWOULDBLOCK) return last_error();  // somebody holds a lease on it
  return image;
}

// The name of the image that a task runs. One that is too long for a link to be read still stands
// in the list of mappings.
Result<std::string> image_name(pid_t tid, const struct stat& exe) {
  auto link = read_link("/proc/" + std::to_string(tid) + "/exe");
  if (link.ok()) return living_name(*link, exe.st_ino);
  if (link.error().code != ENAMETOOLONG) return link.error();
  CALLGATE_TRY(const std::vector<Mapping> mappings, read_mappings(tid));
  for (const Mapping& mapping : mappings) {
    if (mapping.inode == exe.st_ino && mapping.device == exe.st_dev) {
      return living_name(mapping.name, exe.st_ino);
    }
  }
  return link.error();
}

}  // namespace

// The words of a script's first line; none for other programs.
Result<std::vector<std::string>> Guard::script_line(const Place& place,
                                                    const Credentials& credentials) {
  constexpr size_t kMostRemembered = 1024;
  constexpr int64_t kSettled = 2'000'000'000;  // far longer than a tick of the file system's clock
  const ImageIdentity identity{place.st.st_dev, place.st.st_ino, place.st.st_ctim.tv_sec,
                               place.st.st_ctim.tv_nsec, credentials.fsuid};
  if (auto known = script_lines_.find(identity); known != script_lines_.end()) return known->second;
  auto image = open_image(own_credentials_, credentials, place);
  // What its user may not read, the interpreter cannot either; the kernel reads the line.
  if (privileged_ && !(image.ok() && image->valid())) {
    image = open_image(own_credentials_, own_credentials_, place);
  }
  if (!image.ok()) return image.error();
  if (!image->valid()) return Error{EACCES};
  std::array<char, kScriptHeader> header{};
  const ssize_t n = ::pread(image->get(), header.data(), header.size(), 0);
  auto words = script_words(std::string_view(header.data(), n > 0 ? static_cast<size_t>(n) : 0));
  const int64_t changed =
      int64_t{place.st.st_ctim.tv_sec} * 1'000'000'000 + place.st.st_ctim.tv_nsec;
  if (clock_ns(CLOCK_REALTIME) - changed < kSettled) return words;  // may change unseen
  if (script_lines_.size() >= kMostRemembered) script_lines_.clear();
  return script_lines_[identity] = std::move(words);
}

// What the kernel runs in a script's place is judged as well, and noted for when it stands there.
std::optional<Answer> Guard::judge_interpreters(Task& task, const Stop& stop, const Place& script,
                                                Event& event, Decision& decision,
                                                ExecWords& words) {
  auto credentials = credentials_of(task);
  if (!credentials.ok()) return Refuse{credentials.error().code};
  Place interpreter;
  const Place* image = &script;
  for (size_t level = 0; level <= ExecWords::kMostLevels; ++level) {
    auto line = script_line(*image, *credentials);
    if (!line.ok() && line.error().code == EWOULDBLOCK) return AskAgain{};
    if (!line.ok() && !privileged_ && enforcing()) {
      return refuse_for(task, stop, std::move(event), EACCES, kUnwatchableReason);
    }
    if (!line.ok() || line->empty()) break;
    words.lines.insert(words.lines.begin(), line->begin(), line->end());
    auto next = resolver_.resolve(viewer(task, &*credentials), AT_FDCWD, line->front(), {});
    if (!next.ok() || !next->exists()) break;  // and so the kernel says
    const Decision second = judge(PathOp::Execute, *next);
    if (!second.allowed()) {
      event.objects.push_back({line->front(), next->name, next->links});
      decision = second;
      break;
    }
    if (!S_ISREG(next->st.st_mode)) break;
    interpreter = *std::move(next);
    image = &interpreter;
  }
  return std::nullopt;
}

// A plain absolute name that is allowed needs no walk: the kernel says whether a symlink is in it.
std::optional<Named> Guard::named_plainly(Task& task, const Stop& stop) const {
  if (options_.observe_all || stop.row->argument(Role::DirFd) >= 0) return std::nullopt;
  Named named;
  named.path_index = stop.row->argument(Role::Path);
  auto text = read_path(task, stop.argument(Role::Path));
  if (!text.ok()) return std::nullopt;
  named.text = *std::move(text);
  named.place.real = plain_name(named.text);
  if (named.place.real.empty() || named.place.real.starts_with("/proc/") ||
      resolver_.in_other_proc(named.place.real)) {
    return std::nullopt;
  }
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_NO_SYMLINKS;
  named.place.object.reset(
      static_cast<int>(syscall(SYS_openat2, AT_FDCWD, named.place.real.c_str(), &how, sizeof how)));
  if (!named.place.exists() || ::fstat(named.place.object.get(), &named.place.st) != 0 ||
      !S_ISREG(named.place.st.st_mode)) {
    return std::nullopt;
  }
  named.place.name = named.place.real;
  if (!judge(PathOp::Execute, named.place).allowed() || hides(named.place.name))
    return std::nullopt;
  return named;
}

Answer Guard::exec_call(Task& task, const Stop& stop) {
  const bool follow = (stop.argument(Role::AtFlags) & AT_SYMLINK_NOFOLLOW) == 0;
  auto plain = named_plainly(task, stop);
  Named named =
      plain ? *std::move(plain) : this->named(task, stop, Role::DirFd, Role::Path, follow);
  Event event = start_event(task, stop, Event::Kind::Exec, "execute");
  Place& place = named.place;
  if (named.found()) {
    event.objects.push_back(object_of(named));
    if (!place.exists()) named.fail(Named::Failed::Walk, ENOENT);
    if (place.is_symlink() && !follow) named.fail(Named::Failed::Walk, ELOOP);
  }
  if (!named.found()) return failed_name(task, stop, std::move(event), named);
  Decision decision = judge(PathOp::Execute, place);
  auto words = std::make_unique<ExecWords>();
  if (decision.allowed() && S_ISREG(place.st.st_mode)) {
    auto refused = judge_interpreters(task, stop, place, event, decision, *words);
    if (refused) return *std::move(refused);
  }
  if (!decision.allowed()) return decided(task, stop, std::move(event), decision, Proceed{});
  event.rule = decision.rule;
  Track track;
  if (enforcing() && options_.model == Model::Sealed) {
    auto redirect = begin_redirect(task, stop);
    if (!redirect.ok()) return exhausted(task, stop, redirect.error().code);
    track = *std::move(redirect);
    // The caller's own words, so that argv, AT_EXECFN and "#!" stay what they are.
    auto at = track.flight.slot.put_string(named.text);
    if (!at.ok()) return exhausted(task, stop, at.error().code);
    track.changed->set_argument(stop.abi, named.path_index, static_cast<uint64_t>(*at));
    const int directory =
        stop.row->argument(Role::DirFd) < 0 ? AT_FDCWD : stop.int_argument(Role::DirFd);
    words->name = interpreted_name(directory, named.text);
    words->given =
        read_given_words(TraceeMemory(task.tid), TraceeAddr{stop.argument(Role::Argv)}, stop.abi);
    track.flight.words = std::move(words);
  } else {
    track.flight.abi = stop.abi;
    track.flight.row = stop.row;
  }
  track.flight.after = After::Exec;
  track.flight.device = place.st.st_dev;
  track.flight.inode = place.st.st_ino;
  if (options_.observe_all || decision.log) track.flight.event = std::move(event);
  return track;
}

bool Guard::allows_image(Task& task, const InFlight* flight) {
  const std::string base = "/proc/" + std::to_string(task.tid);
  struct stat exe {};
  const bool known = ::stat((base + "/exe").c_str(), &exe) == 0;
  const auto found = image_name(task.tid, exe);
  const std::string name = found.ok() ? *found : std::string("?");
  task.process->executable = std::make_shared<const std::string>(name);
  // The other models have let the kernel read the name again, and do not look back.
  if (!enforcing() || options_.model != Model::Sealed || !policy_.needs().execute) return true;

  Event event;
  event.tid = task.tid;
  event.pid = task.process->pid;
  event.parent = task.process->parent;
  event.executable = task.process->executable;
  event.call = "execve";
  event.kind = Event::Kind::Exec;
  event.operation = "execute";
  auto mappings = read_mappings(task.tid);
  if (!known || !found.ok() || !mappings.ok()) {
    event.verdict = Verdict::Kill;
    event.reason = "the new program image cannot be read";
    record(std::move(event), -EACCES);
    return false;
  }
  const auto judge_image = [&](const std::string& image, uint64_t device, uint64_t inode) {
    if (flight != nullptr && flight->device == device && flight->inode == inode) return true;
    const Decision decision = policy_.path(PathOp::Execute, image);
    if (decision.allowed()) return true;
    event.verdict = Verdict::Kill;
    event.rule = decision.rule;
    event.reason = kChangedReason;
    event.objects.push_back({image, image, {}});
    return false;
  };
  bool allowed = judge_image(name, exe.st_dev, exe.st_ino);
  for (const Mapping& mapping : *mappings) {
    if (!allowed) break;
    if (!mapping.execute || mapping.inode == 0) continue;
    const std::string image = living_name(mapping.name, mapping.inode);
    if (mapping.inode == exe.st_ino && image == name) continue;  // judged above
    allowed = judge_image(image, mapping.device, mapping.inode);
  }
  // Of the judged image as well: it may be the interpreter of a script that was put in its place.
  if (allowed &&
      !(flight != nullptr && flight->words && flight->words->lead_to(read_image_words(task.tid)))) {
    event.verdict = Verdict::Kill;
    event.reason = kChangedReason;
    event.objects.push_back({name, name, {}});
    allowed = false;
  }
  if (!allowed) record(std::move(event), -EACCES);
  return allowed;
}

}  // namespace callgate
