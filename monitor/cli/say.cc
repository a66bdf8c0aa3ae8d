#include "monitor/cli/say.h"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "monitor/escape.h"
#include "monitor/policy_world.h"
#include "monitor/record_writer.h"

namespace callgate::cli {
namespace {

constexpr std::chrono::seconds kPatience(10);

// A message of several lines (a policy error with its line and caret) keeps them.
std::string clean_lines(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    out += escape_line(text.substr(0, end)) + "\n";
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return out;
}

}  // namespace

void say(std::string_view text) {
  const auto written = write_all(STDERR_FILENO, "callgate: " + clean_lines(text), kPatience);
  static_cast<void>(written.ok());  // there is nobody left to tell
}

bool print(std::string_view text) {
  const auto written = write_all(STDOUT_FILENO, text, kPatience);
  // Who reads has seen enough (head, a pager that was left): that needs no words.
  if (!written.ok() && written.error().code == EPIPE) return false;
  if (!written.ok()) say("cannot write to standard output: " + error_text(written.error().code));
  return written.ok();
}

std::string error_text(int code) {
  const char* text = strerrordesc_np(code);
  return text != nullptr ? text : "error " + std::to_string(code);
}

std::optional<Policy> load_or_say(const std::vector<std::string>& words,
                                  const std::string& program) {
  std::vector<PolicySource> sources;
  sources.reserve(words.size());
  for (const std::string& word : words) sources.push_back({word});
  RealWorld world(program);
  auto loaded = load_policy(sources, world);
  if (auto* error = std::get_if<PolicyError>(&loaded)) {
    // Ready to print: the policy's own diagnostics escape what came from a file.
    static_cast<void>(write_all(STDERR_FILENO, error->message, kPatience).ok());
    return std::nullopt;
  }
  return std::move(std::get<Policy>(loaded));
}

}  // namespace callgate::cli
