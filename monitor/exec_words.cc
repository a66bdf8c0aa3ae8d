#include "monitor/exec_words.h"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <array>
#include <memory>

#include "monitor/proc_files.h"

namespace callgate {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

// Whether binfmt_misc has this interpreter registered, for files that are neither scripts nor
// native programs. Not mounted: it has none.
bool is_registered(const std::string& interpreter) {
  const std::string directory = "/proc/sys/fs/binfmt_misc";
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir(directory.c_str()), &::closedir);
  if (!entries) return false;
  while (const dirent* entry = ::readdir(entries.get())) {
    const std::string_view name = &entry->d_name[0];
    if (name == "register" || name == "status" || name.starts_with('.')) continue;
    auto text = read_whole_file(directory + "/" + std::string(name));
    if (text.ok() && text->find("\ninterpreter " + interpreter + "\n") != std::string::npos) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::vector<std::string> script_words(std::string_view header) {
  if (!header.starts_with("#!")) return {};
  std::array<char, kScriptHeader> buffer{};  // what a short file lacks is zeros, as in the kernel
  std::copy_n(header.begin(), std::min(header.size(), buffer.size()), buffer.begin());
  const std::string_view text(buffer.data(), buffer.size());
  const size_t last = text.size() - 1;
  const auto next_word = [&](size_t at, size_t end) {
    while (at <= end && is_blank(text[at])) ++at;
    return at;
  };
  const auto next_end = [&](size_t at, size_t end) {
    while (at <= end && !is_blank(text[at]) && text[at] != '\0') ++at;
    return at;
  };
  size_t end = text.find('\n');
  if (end == std::string_view::npos || text.find('\0') < end) {
    const size_t begin = next_word(2, last);
    // Without an end to it the interpreter's name may be cut.
    if (begin > last || next_end(begin, last) > last) return {};
    end = last;
  }
  while (end > 2 && is_blank(text[end - 1])) --end;
  buffer[end] = '\0';
  const size_t begin = next_word(2, end);
  if (begin >= end) return {};
  const size_t behind = next_end(begin, end);
  std::vector<std::string> words = {std::string(text.substr(begin, behind - begin))};
  if (text[behind] != '\0') {
    const size_t argument = next_word(behind, end);
    words.emplace_back(text.substr(argument, text.find('\0', argument) - argument));
  }
  return words;
}

bool ExecWords::lead_to(const std::vector<std::string>& seen) const {
  // A caller that gives no list at all is given one empty word (since Linux 5.18).
  if (seen == given || (given.empty() && seen == std::vector<std::string>{""})) return true;
  if (!lines.empty()) {
    const auto rest = std::mismatch(lines.begin(), lines.end(), seen.begin(), seen.end());
    return rest.first == lines.end() && rest.second != seen.end() && *rest.second == name;
  }
  return seen.size() > 1 && seen[1] == name && is_registered(seen[0]);
}

std::string interpreted_name(int directory, const std::string& path) {
  if (directory == AT_FDCWD || path.starts_with('/')) return path;
  return "/dev/fd/" + std::to_string(directory) + (path.empty() ? "" : "/" + path);
}

std::vector<std::string> read_given_words(const TraceeMemory& memory, TraceeAddr argv, Abi abi) {
  std::vector<std::string> words;
  const auto size = static_cast<size_t>(pointer_size(abi));
  std::array<char, ExecWords::kMostBytes> buffer{};
  for (auto at = static_cast<uint64_t>(argv); at != 0 && words.size() < ExecWords::kMost;
       at += size) {
    uint64_t word = 0;
    const auto pointer = std::as_writable_bytes(std::span(&word, 1)).first(size);
    if (!memory.read(TraceeAddr{at}, pointer).ok() || word == 0) break;
    auto text = memory.read_string(TraceeAddr{word}, buffer.size());
    if (text.ok()) {
      words.push_back(*std::move(text));
    } else if (memory.read(TraceeAddr{word}, std::as_writable_bytes(std::span(buffer))).ok()) {
      words.emplace_back(buffer.data(), buffer.size());
    } else {
      break;  // and the kernel cannot read it either
    }
  }
  return words;
}

std::vector<std::string> read_image_words(pid_t pid) {
  auto text = read_whole_file("/proc/" + std::to_string(pid) + "/cmdline");
  if (!text.ok()) return {};
  std::vector<std::string> words = split_arguments(*text, ExecWords::kMost);
  for (std::string& word : words) word.resize(std::min(word.size(), ExecWords::kMostBytes));
  return words;
}

}  // namespace callgate
