#include "monitor/audit_json.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstring>
#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "monitor/escape.h"
#include "monitor/record_writer.h"

namespace callgate {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kSchema = "callgate-audit/1";
constexpr size_t kTextLimit = 16384;

// Every foreign string is put in as escaped text; where that is not the bytes themselves, the
// bytes follow in KEY_hex. So the absence of KEY_hex says that the text is exact.
void put(Json* json, const std::string& key, std::string_view bytes) {
  (*json)[key] = escape(bytes, kTextLimit);
  if (!is_plain(bytes) || bytes.size() > kTextLimit) (*json)[key + "_hex"] = hex(bytes);
}

void put_list(Json* json, const std::string& key, const std::vector<std::string>& list) {
  Json texts = Json::array();
  Json bytes = Json::array();
  bool exact = true;
  for (const std::string& entry : list) {
    texts.push_back(escape(entry, kTextLimit));
    bytes.push_back(hex(entry));
    exact = exact && is_plain(entry) && entry.size() <= kTextLimit;
  }
  (*json)[key] = std::move(texts);
  if (!exact) (*json)[key + "_hex"] = std::move(bytes);
}

std::string time_text(int64_t time_ns) {
  const time_t seconds = time_ns / 1'000'000'000;
  tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  const size_t length = strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::string fraction = std::to_string(time_ns % 1'000'000'000);
  fraction.insert(0, 9 - std::min<size_t>(9, fraction.size()), '0');
  return std::string(text.data(), length) + "." + fraction + "Z";
}

std::string now_text() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return time_text(int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec);
}

const char* kind_name(Event::Kind kind) {
  switch (kind) {
    case Event::Kind::Path:
      return "path";
    case Event::Kind::Network:
      return "network";
    case Event::Kind::Exec:
      return "exec";
    case Event::Kind::Signal:
      return "signal";
    case Event::Kind::Process:
      return "process";
    case Event::Kind::Other:
      return "other";
  }
  return "other";
}

const char* verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::Allow:
      return "allow";
    case Verdict::Deny:
      return "deny";
    case Verdict::Kill:
      return "kill";
  }
  return "deny";
}

Json object_json(const Event::Object& object) {
  Json out = Json::object();
  put(&out, "asked", object.asked);
  if (object.real.empty()) {
    out["real"] = nullptr;
  } else {
    put(&out, "real", object.real);
  }
  Json links = Json::array();
  for (const std::string& link : object.links) {
    Json entry = Json::object();
    put(&entry, "name", link);
    links.push_back(std::move(entry));
  }
  out["links"] = std::move(links);
  return out;
}

Json event_json(const Event& event) {
  Json out = {{"type", "event"},
              {"time", time_text(event.time_ns)},
              {"pid", event.pid},
              {"tid", event.tid},
              {"parent", event.parent}};
  put(&out, "executable", event.executable ? std::string_view(*event.executable) : "");
  out["call"] = escape(event.call);
  out["abi"] = abi_name(event.abi);
  std::array<char, 20> ip{};
  const auto end = std::to_chars(ip.data(), ip.data() + ip.size(), event.instruction_pointer, 16);
  out["ip"] = "0x" + std::string(ip.data(), end.ptr);
  if (!event.call_site.empty()) put(&out, "call_site", event.call_site);
  out["kind"] = kind_name(event.kind);
  put(&out, "operation", event.operation);
  Json objects = Json::array();
  for (const Event::Object& object : event.objects) objects.push_back(object_json(object));
  out["objects"] = std::move(objects);
  out["verdict"] = verdict_name(event.verdict);
  if (event.rule == nullptr) {
    out["rule"] = nullptr;
  } else {
    Json rule = Json::object();
    put(&rule, "where", event.rule->where());
    put(&rule, "text", event.rule->text);
    out["rule"] = std::move(rule);
  }
  if (!event.reason.empty()) put(&out, "reason", event.reason);
  if (event.would_deny) out["would_deny"] = true;
  if (event.lookup_failed) out["lookup_failed"] = true;
  out["result"] = event.result;
  const std::string error = errno_name(event.result);
  if (!error.empty()) out["errno"] = error;
  return out;
}

Json process_json(const ProcessEvent& event) {
  Json out = {{"type", "process"}, {"time", time_text(event.time_ns)}};
  switch (event.kind) {
    case ProcessEvent::Kind::Started:
      out["what"] = "started";
      break;
    case ProcessEvent::Kind::Executed:
      out["what"] = "executed";
      break;
    case ProcessEvent::Kind::Exited:
      out["what"] = "exited";
      break;
  }
  out["pid"] = event.pid;
  out["parent"] = event.parent;
  if (event.kind == ProcessEvent::Kind::Executed) {
    put(&out, "executable", event.executable);
    put_list(&out, "argv", event.argv);
  }
  if (event.kind == ProcessEvent::Kind::Exited) {
    if (WIFSIGNALED(event.wait_status)) {
      out["signal"] = WTERMSIG(event.wait_status);
    } else {
      out["status"] = WEXITSTATUS(event.wait_status);
    }
  }
  return out;
}

// Whether what is in the file already lacks its last newline (an earlier run's disk was full).
bool ends_torn(int fd) {
  struct stat info {};
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size == 0) return false;
  // The log is open for writing only: opened for both, a pipe would have a reader in ourselves.
  const UniqueFd reader(
      open(("/proc/self/fd/" + std::to_string(fd)).c_str(), O_RDONLY | O_CLOEXEC));
  char last = '\n';
  return reader.valid() && pread(reader.get(), &last, 1, info.st_size - 1) == 1 && last != '\n';
}

std::optional<int> own_descriptor(std::string_view path) {
  if (path == "-" || path == "/dev/stdout") return STDOUT_FILENO;
  if (path == "/dev/stderr") return STDERR_FILENO;
  for (const std::string_view prefix : {"/dev/fd/", "/proc/self/fd/"}) {
    if (!path.starts_with(prefix)) continue;
    const std::string_view digits = path.substr(prefix.size());
    int fd = -1;
    const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), fd);
    if (end.ec == std::errc() && end.ptr == digits.data() + digits.size() && fd >= 0) return fd;
  }
  return std::nullopt;
}

}  // namespace

std::string errno_name(int64_t result) {
  if (result >= 0 || result < -4095) return {};
  const int code = static_cast<int>(-result);
  // include/linux/errno.h: never seen by a program, but by a tracer at the exit stop.
  switch (code) {
    case 512:
      return "ERESTARTSYS";
    case 513:
      return "ERESTARTNOINTR";
    case 514:
      return "ERESTARTNOHAND";
    case 516:
      return "ERESTART_RESTARTBLOCK";
    default:
      break;
  }
  const char* name = strerrorname_np(code);
  return name != nullptr ? name : "E" + std::to_string(code);
}

Result<UniqueFd> open_log(const std::string& path, LogMode mode) {
  if (const auto fd = own_descriptor(path)) {
    UniqueFd copy(fcntl(*fd, F_DUPFD_CLOEXEC, 3));
    if (!copy.valid()) return last_error();
    return copy;
  }
  const int how = mode == LogMode::Append ? O_APPEND : O_TRUNC;
  UniqueFd fd(
      open(path.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | how, 0600));
  if (!fd.valid()) return last_error();
  return fd;
}

std::string audit_record(const Event& event) { return event_json(event).dump(); }

AuditJson::AuditJson(UniqueFd fd, Settings settings)
    : fd_(std::move(fd)),
      settings_(std::move(settings)),
      torn_(ends_torn(fd_.get())),
      fold_(settings_.limits, [this](const AuditFold::Count& count) { write_count(count); }) {
  Json header = {{"type", "header"},   {"schema", kSchema},      {"callgate", CALLGATE_VERSION},
                 {"time", now_text()}, {"mode", settings_.mode}, {"model", settings_.model}};
  put_list(&header, "argv", settings_.argv);
  put_list(&header, "policies", settings_.policies);
  write_line(header.dump());
}

// How much it took.
size_t AuditJson::write_line(std::string line) {
  line += '\n';
  if (torn_) line.insert(line.begin(), '\n');
  const auto patience = lost_ == 0 ? settings_.patience : std::chrono::milliseconds(0);
  const Status written = write_all(fd_.get(), line, patience);
  torn_ = !written.ok();
  if (written.ok()) return line.size();
  ++lost_;
  if (said_) return 0;
  said_ = true;
  const char* why = strerrordesc_np(written.error().code);
  std::string text = "callgate: cannot write the log " + escape(settings_.name, 1000) + ": " +
                     (written.error().code == ETIMEDOUT ? "nobody reads it"
                      : why != nullptr                  ? why
                                                        : "unknown error");
  if (!settings_.on_failure.empty()) text += "; " + settings_.on_failure;
  write_record(settings_.report_fd, text + "\n", std::chrono::milliseconds(250));
  return 0;
}

void AuditJson::write_count(const AuditFold::Count& count) {
  Json out = {{"type", count.id != 0 ? "repeat" : "unlisted"}};
  if (count.id != 0) out["id"] = count.id;
  if (count.kind != nullptr) {
    put(&out, "executable", count.kind->executable);
    out["call"] = escape(count.kind->call);
    put(&out, "operation", count.kind->operation);
    out["verdict"] = verdict_name(count.kind->verdict);
  }
  out["count"] = count.count;
  out["first"] = time_text(count.first_ns);
  out["last"] = time_text(count.last_ns);
  write_line(out.dump());
}

void AuditJson::on_event(const Event& event) {
  ++events_;
  switch (event.verdict) {
    case Verdict::Allow:
      ++allowed_;
      break;
    case Verdict::Deny:
      ++denied_;
      break;
    case Verdict::Kill:
      ++killed_;
      break;
  }
  if (event.would_deny) ++would_deny_;
  if (event.lookup_failed) ++failed_lookups_;
  const AuditFold::Answer answer = fold_.on_event(event);
  if (!answer.in_full) return;
  ++in_full_;
  Json record = event_json(event);
  if (answer.id != 0) record["id"] = answer.id;
  const bool refused = event.verdict != Verdict::Allow || event.would_deny;
  fold_.spend(refused, write_line(record.dump()));
}

void AuditJson::on_process(const ProcessEvent& event) {
  // The first program has no `started`, and events of one process come in any order.
  if (alive_.insert(event.pid).second) ++processes_;
  if (event.kind == ProcessEvent::Kind::Exited) alive_.erase(event.pid);
  if (event.kind == ProcessEvent::Kind::Executed) ++programs_;
  if (fold_.has_room()) {
    fold_.spend(false, write_line(process_json(event).dump()));
  } else {
    ++unlisted_processes_;
  }
}

void AuditJson::on_finish() {
  fold_.finish();
  const Json summary = {{"type", "summary"},
                        {"time", now_text()},
                        {"events", events_},
                        {"in_full", in_full_},
                        {"allowed", allowed_},
                        {"denied", denied_},
                        {"killed", killed_},
                        {"would_deny", would_deny_},
                        {"failed_lookups", failed_lookups_},
                        {"processes", processes_},
                        {"programs", programs_},
                        {"unlisted_processes", unlisted_processes_},
                        {"lost", lost_}};
  write_line(summary.dump());
}

}  // namespace callgate
