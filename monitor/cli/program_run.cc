#include "monitor/cli/program_run.h"

#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "monitor/cli/say.h"
#include "monitor/escape.h"
#include "monitor/policy_world.h"

namespace callgate::cli {
namespace {

std::string_view model_name(Model model) {
  switch (model) {
    case Model::Naive:
      return "naive";
    case Model::Canonical:
      return "canonical";
    case Model::Sealed:
      return "sealed";
  }
  return "";
}

// What `error` of an execve may come of, where a look tells; else nothing.
std::string hint(const std::string& word, int error) {
  if (error == ENOENT && word.find('/') == std::string::npos) return " (it is not in $PATH)";
  const auto found = find_program(word);
  struct stat info {};
  if (!found.ok() || ::stat(found->c_str(), &info) != 0) return {};
  if (error == ENOENT) return " (it is there, but the interpreter or loader that it names is not)";
  if (error != EACCES) return {};
  if (S_ISDIR(info.st_mode)) return " (it is a directory)";
  return ::access(found->c_str(), X_OK) == 0 ? "" : " (it is not executable: chmod +x)";
}

// Ends callgate as the program ended, by the same signal: a shell says 128+N either way, but only
// who died of an interrupt ends the script around it too.
void die_of(int signal) {
  prctl(PR_SET_DUMPABLE, 0);  // the program's core is the one that is wanted
  std::signal(signal, SIG_DFL);
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, signal);
  sigprocmask(SIG_UNBLOCK, &only, nullptr);
  raise(signal);
}

}  // namespace

std::optional<SessionOptions> session_options(const Options& options) {
  SessionOptions session;
  session.argv = options.words();
  session.co_schedule = !options.has("no-coschedule");
  session.self_check = options.has("self-check");
  const std::string failure = options.value("log-failure", "stop");
  if (failure != "stop" && failure != "continue") {
    say("--log-failure " + escape(failure, 100) + ": expected stop or continue");
    return std::nullopt;
  }
  session.stop_on_log_failure = failure == "stop";
  return session;
}

std::optional<SharedLog> open_log_or_say(const std::string& path, LogMode mode) {
  if (path.empty()) return SharedLog();
  auto fd = open_log(path, mode);
  if (!fd.ok()) {
    std::string why = error_text(fd.error().code);
    if (fd.error().code == ELOOP) why = "it is a symbolic link, and a log follows none";
    say("cannot open the log " + escape(path) + ": " + why + "\nnothing was started");
    return std::nullopt;
  }
  return std::make_shared<UniqueFd>(*std::move(fd));
}

AuditJson::Settings log_settings(const std::string& path, const SessionOptions& session,
                                 const std::vector<std::string>& policies) {
  AuditJson::Settings settings;
  settings.name = path;
  settings.argv = session.argv;
  settings.policies = policies;
  settings.mode = session.enforce ? "enforce" : "audit";
  settings.model = model_name(session.model);
  settings.on_failure = session.stop_on_log_failure
                            ? "the program is stopped (--log-failure continue would go on)"
                            : "going on without records (--log-failure continue)";
  settings.report_fd = session.report_fd;
  return settings;
}

int exit_status(const SessionOptions& session, const SessionResult& result) {
  if (!result.started) {
    if (!result.message.empty()) {
      say(result.message);
    } else if (result.exec_errno != 0) {
      say("cannot run '" + escape(session.argv.front()) + "': " + error_text(result.exec_errno) +
          hint(session.argv.front(), result.exec_errno));
    } else {
      say("nothing was started");
    }
    if (result.exec_errno == 0) return kOwnFailure;
    return result.exec_errno == ENOENT ? kNotFound : kNotExecutable;
  }
  if (!result.message.empty()) say(result.message);
  if (WIFSIGNALED(result.wait_status)) {
    die_of(WTERMSIG(result.wait_status));
    return 128 + WTERMSIG(result.wait_status);
  }
  return WEXITSTATUS(result.wait_status);
}

}  // namespace callgate::cli
