// What run and audit share: options both take, the log, and the status they end with.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "arch/unique_fd.h"
#include "monitor/audit_json.h"
#include "monitor/cli/options.h"
#include "monitor/session.h"

namespace callgate::cli {

// --no-coschedule and --log-failure; nullopt after saying what is wrong. `words` must not be empty.
std::optional<SessionOptions> session_options(const Options& options);

// A log that make_sink (called in another process) takes over; null when none is asked for.
// nullopt after saying why it cannot be opened.
using SharedLog = std::shared_ptr<UniqueFd>;
std::optional<SharedLog> open_log_or_say(const std::string& path, LogMode mode);

AuditJson::Settings log_settings(const std::string& path, const SessionOptions& session,
                                 const std::vector<std::string>& policies);

// The status to exit with; says why when nothing was started.
int exit_status(const SessionOptions& session, const SessionResult& result);

}  // namespace callgate::cli
