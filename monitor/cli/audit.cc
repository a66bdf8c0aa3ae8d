#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "monitor/audit_table.h"
#include "monitor/cli/command.h"
#include "monitor/cli/options.h"
#include "monitor/cli/program_run.h"
#include "monitor/cli/say.h"
#include "monitor/escape.h"
#include "monitor/own_files.h"
#include "monitor/policy_world.h"
#include "monitor/record_writer.h"

namespace callgate::cli {
namespace {

// Without --policy there is nothing to compare with: all is allowed, and all is seen because
// everything is observed.
constexpr const char* kAllowAll = "path allow all /**\nnetwork allow all\nsignal allow all\n";

std::optional<Policy> policy_or_say(const std::vector<std::string>& words,
                                    const std::string& program) {
  if (!words.empty()) return load_or_say(words, program);
  RealWorld world(program);
  auto parsed = parse_policy(kAllowAll, "audit", world);
  if (const auto* error = std::get_if<PolicyError>(&parsed)) {
    say("internal error in the audit policy: " + error->message);
    return std::nullopt;
  }
  return std::move(std::get<Policy>(parsed));
}

}  // namespace

int audit_command(const Options& options) {
  if (options.words().empty()) {
    say("audit: which program? callgate audit -- PROGRAM [ARGUMENT...]");
    return kOwnFailure;
  }
  std::optional<SessionOptions> session = session_options(options);
  if (!session) return kOwnFailure;
  const std::vector<std::string> policies = options.values("policy");
  const std::string json_path = options.value("json");
  const std::string table_path = options.value("output");
  for (const char* name : {"json", "output"}) {
    if (options.has(name) && options.value(name).empty()) {
      say(std::string("--") + name + " needs the name of a file");
      return kOwnFailure;
    }
  }
  if (std::error_code ignored;
      !json_path.empty() &&
      (json_path == table_path || std::filesystem::equivalent(json_path, table_path, ignored))) {
    say("--json and --output name the same file: each would overwrite the other");
    return kOwnFailure;
  }
  session->observe_all = true;
  session->enforce = false;
  session->inherit_descriptors = !options.has("close-fds");
  session->call_sites = !json_path.empty();

  const std::optional<Policy> policy = policy_or_say(policies, options.words().front());
  if (!policy) return kOwnFailure;
  for (const std::string& path : {json_path, table_path}) {
    if (!is_policy_file(path, policies, *policy)) continue;
    say(escape(path) + " is the policy itself, and would be overwritten: name another file");
    return kOwnFailure;
  }
  const std::optional<SharedLog> json = open_log_or_say(json_path, LogMode::Replace);
  if (!json) return kOwnFailure;
  const std::optional<SharedLog> table = open_log_or_say(table_path, LogMode::Replace);
  if (!table) return kOwnFailure;

  const auto make_sink = [&]() -> std::unique_ptr<EventSink> {
    auto sinks = std::make_unique<MultiSink>();
    if (*json) {
      sinks->add(std::make_unique<AuditJson>(std::move(**json),
                                             log_settings(json_path, *session, policies)));
    }
    AuditTable::Settings settings;
    settings.with_policy = !policies.empty();
    const int fd = *table ? (*table)->get() : session->report_fd;
    const auto write = [fd, table_path](const std::string& text) {
      const Status written = write_all(fd, text, std::chrono::seconds(10));
      if (written.ok()) return;
      say("cannot write the table" + (table_path.empty() ? "" : " to " + escape(table_path)) +
          ": " + error_text(written.error().code));
    };
    sinks->add(std::make_unique<AuditTable>(write, settings));
    return sinks;
  };
  return exit_status(*session, run_session(*session, *policy, make_sink));
}

}  // namespace callgate::cli
