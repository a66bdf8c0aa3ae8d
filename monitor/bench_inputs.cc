#include "monitor/bench_inputs.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>

#include "arch/unique_fd.h"
#include "monitor/escape.h"
#include "monitor/record_writer.h"

namespace callgate {
namespace {

constexpr int kSources = 40;
constexpr int kSomeSources = 8;

// Statements of every shape, none of which speaks of what the works touch.
std::string idle_rules(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    const std::string n = std::to_string(i);
    switch (i % 6) {
      case 0:
        text += "path allow read /srv/data/set" + n + "/file.txt\n";
        break;
      case 1:
        text += "path allow /srv/data/set" + n + "/**\n";
        break;
      case 2:
        text += "path deny write /srv/data/*-" + n + "\n";
        break;
      case 3:
        text += "path deny /**/secret" + n + "/*.key\n";
        break;
      case 4:
        text += "path deny delete /srv/*/lock" + n + "\n";
        break;
      default:
        text += "path allow attributes /srv/{a,b}" + n + "/[0-9]*\n";
        break;
    }
  }
  return text;
}

// What may be read and run, in plain trees: all but /proc, which is another for each process.
std::string readable_trees(const std::string& directory) {
  std::string text = "runtime none\n";
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator("/", failed)) {
    const std::string name = entry.path();
    if (name == "/proc" || entry.is_symlink(failed) || !entry.is_directory(failed)) continue;
    text += "path allow read,execute " + quote_pattern(name) + "/\n";
  }
  return text + "path allow read,write /dev/null /dev/zero /dev/tty\npath allow read " +
         quote_pattern(directory) + "\n";
}

Status write_file(const std::string& name, std::string_view text) {
  UniqueFd file(::open(name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file.valid()) return last_error();
  return write_all(file.get(), text, std::chrono::seconds(10));
}

}  // namespace

std::string bench_policy_text(BenchPolicy policy, const std::string& directory) {
  std::string text =
      policy == BenchPolicy::Trees ? readable_trees(directory) : "path allow read,execute /**\n";
  text += "path allow read,write,create,delete,attributes " + quote_pattern(directory) +
          "/**\n"
          "network deny all\n";
  switch (policy) {
    case BenchPolicy::Usual:
    case BenchPolicy::Trees:
      break;
    case BenchPolicy::Stat:
      text += "path deny stat /nonexistent/**\n";
      break;
    case BenchPolicy::Hundred:
      text += idle_rules(100);
      break;
    case BenchPolicy::Many:
      text += idle_rules(kManyRules);
      break;
    case BenchPolicy::Server:
      text += "network allow tcp bind 127.0.0.1:*\nnetwork allow tcp listen,accept\n";
      break;
  }
  return text;
}

Status write_bench_sources(const std::string& directory) {
  CALLGATE_TRY([[maybe_unused]] Unit one, write_file(directory + "/one.cc", R"(#include <iostream>
#include <map>
#include <regex>
#include <string>
#include <vector>
int main(int argc, char** argv) {
  std::map<std::string, std::vector<int>> seen;
  const std::regex word("[a-z]+");
  for (int i = 1; i < argc; ++i) {
    if (std::regex_match(argv[i], word)) seen[argv[i]].push_back(i);
  }
  for (const auto& [text, places] : seen) std::cout << text << ' ' << places.size() << '\n';
}
)"));
  const std::string c = directory + "/c";
  if (::mkdir(c.c_str(), 0755) != 0) return last_error();
  std::string all = "all:";
  std::string some = "some:";
  for (int i = 0; i < kSources; ++i) {
    const std::string n = std::to_string(i);
    const std::string source =
        "#include <errno.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"
        "#include <sys/stat.h>\n#include <time.h>\n#include <unistd.h>\n"
        "int part" +
        n +
        "(const char *name, char *out, size_t size) {\n"
        "  struct stat st;\n"
        "  if (stat(name, &st) != 0) return snprintf(out, size, \"%s: %s\", name, "
        "strerror(errno));\n"
        "  return snprintf(out, size, \"%s %ld %s\", name, (long)st.st_size, "
        "ctime(&st.st_mtime));\n"
        "}\n";
    CALLGATE_TRY([[maybe_unused]] Unit part, write_file(c + "/part" + n + ".c", source));
    all += " part" + n + ".o";
    if (i < kSomeSources) some += " part" + n + ".o";
  }
  return write_file(c + "/Makefile", "CFLAGS = -O1\n" + all + "\n" + some + "\n");
}

}  // namespace callgate
