#include <algorithm>
#include <map>

#include "monitor/audit_table.h"
#include "monitor/cli/command.h"
#include "monitor/cli/options.h"
#include "monitor/cli/program_run.h"
#include "monitor/cli/say.h"
#include "monitor/denial_report.h"
#include "monitor/escape.h"
#include "monitor/own_files.h"
#include "monitor/policy_world.h"

namespace callgate::cli {
namespace {

std::string profile_list() {
  std::string out;
  for (const std::string& name : RealWorld().profile_names()) {
    out += (out.empty() ? "" : ", ") + escape(name, 60);
  }
  return out.empty() ? "none installed" : out;
}

// `callgate run pdf.policy cat x`: the option was left out.
bool means_policy(const std::string& word) {
  const std::vector<std::string> profiles = RealWorld().profile_names();
  return word.ends_with(".policy") ||
         std::find(profiles.begin(), profiles.end(), word) != profiles.end();
}

int teach_policy(const std::vector<std::string>& words) {
  if (words.size() > 1 && means_policy(words.front())) {
    say("run needs a policy: did you mean --policy " + escape(words.front(), 200) + "?");
    return kOwnFailure;
  }
  say("run needs a policy: --policy FILE|PROFILE. Three lines make one:\n\n"
      "    path allow /tmp/*\n"
      "    path deny /etc/passwd\n"
      "    network deny all\n\n"
      "Saved as pdf.policy (the last statement that matches decides, the rest is denied):\n\n"
      "    callgate run --policy pdf.policy -- pdftotext /tmp/a.pdf -\n\n"
      "Shipped profiles: " +
      profile_list() + ". What a program needs: callgate audit -- PROGRAM");
  return kOwnFailure;
}

bool choose_model(const std::string& word, SessionOptions* session) {
  static const std::map<std::string, Model> kModels = {
      {"naive", Model::Naive}, {"canonical", Model::Canonical}, {"sealed", Model::Sealed}};
  const auto found = kModels.find(word);
  if (found == kModels.end()) {
    say("--model " + escape(word, 100) + ": expected naive, canonical or sealed" +
        did_you_mean(word, {"naive", "canonical", "sealed"}));
    return false;
  }
  session->model = found->second;
  if (session->model != Model::Sealed) {
    say("warning: --model " + word +
        " does not enforce the policy: the program can change a "
        "name between the check and the call. It is here to be beaten; leave --model out to be "
        "safe");
  }
  return true;
}

}  // namespace

int run_command(const Options& options) {
  const std::vector<std::string> policies = options.values("policy");
  if (policies.empty()) return teach_policy(options.words());
  if (options.words().empty()) {
    say("run: which program? callgate run --policy FILE -- PROGRAM [ARGUMENT...]");
    return kOwnFailure;
  }
  std::optional<SessionOptions> session = session_options(options);
  if (!session || !choose_model(options.value("model", "sealed"), &*session)) return kOwnFailure;
  const std::string log_path = options.value("log");
  if (options.has("log") && log_path.empty()) {
    say("--log needs the name of a file");
    return kOwnFailure;
  }
  session->inherit_descriptors = options.has("inherit-fds");
  session->observe_all = !log_path.empty();
  session->unheard = options.has("quiet");
  session->offload = !options.has("no-offload");

  // Never freed: that would write to, and so copy, every page of it that the monitor shares.
  static const std::optional<Policy>& policy =
      *new std::optional<Policy>(load_or_say(policies, options.words().front()));
  if (!policy) return kOwnFailure;
  if (is_policy_file(log_path, policies, *policy)) {
    say("--log " + escape(log_path) + " is the policy itself: name another file for the log");
    return kOwnFailure;
  }
  const std::optional<SharedLog> log = open_log_or_say(log_path, LogMode::Append);
  if (!log) return kOwnFailure;
  session->own_files = own_files(log_path, policies, *policy);

  const auto make_sink = [&]() -> std::unique_ptr<EventSink> {
    auto sinks = std::make_unique<MultiSink>();
    if (!session->unheard) sinks->add(std::make_unique<DenialReport>(session->report_fd));
    if (*log) {
      sinks->add(std::make_unique<AuditJson>(std::move(**log),
                                             log_settings(log_path, *session, policies)));
    }
    return sinks;
  };
  return exit_status(*session, run_session(*session, *policy, make_sink));
}

}  // namespace callgate::cli
