#include "tests/programs/names_fuzz/text.h"

#include <unistd.h>

#include <cstdio>

namespace names_fuzz {

Generator generator;

namespace {
std::string line;
}

uint64_t hash(std::string_view text) {
  uint64_t h = 1469598103934665603u;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return h;
}

std::string shown(std::string_view bytes) {
  std::string out = "\"";
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i == 160 && bytes.size() > 200) {
      char rest[64];
      snprintf(rest, sizeof rest, "...+%zu#%08x", bytes.size() - i,
               static_cast<unsigned>(hash(bytes)));
      return out + rest + "\"";
    }
    const char c = bytes[i];
    if (c >= ' ' && c < 127 && c != '"' && c != '\\') {
      out += c;
    } else {
      char escaped[8];
      snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned char>(c));
      out += escaped;
    }
  }
  return out + "\"";
}

std::string without_pid(const std::string& text) {
  const std::string pid = std::to_string(getpid());
  if (text == pid) return "PID";
  const std::string own = "/proc/" + pid;
  if (text == own || text.starts_with(own + "/")) {
    std::string rest = text.substr(own.size());
    const std::string task = "/task/" + pid;
    if (rest.starts_with(task)) rest = "/task/PID" + rest.substr(task.size());
    return "/proc/PID" + rest;
  }
  return text == pid + "/task/" + pid ? "PID/task/PID" : text;
}

void say(const std::string& text) { line += text; }

void log_flags(const char* what, uint64_t flags) {
  char text[64];
  snprintf(text, sizeof text, " %s %llx", what, static_cast<unsigned long long>(flags));
  say(text);
}

void end_line() {
  line += '\n';
  size_t done = 0;
  while (done < line.size()) {
    const ssize_t n = write(1, line.data() + done, line.size() - done);
    if (n <= 0) _exit(3);
    done += static_cast<size_t>(n);
  }
  line.clear();
}

}  // namespace names_fuzz
