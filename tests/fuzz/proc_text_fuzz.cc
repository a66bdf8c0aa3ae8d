// What /proc says of a task may be any text without a crash or a guess: credentials are there whole
// or the text is refused; mappings written as the kernel writes them are the same mappings again;
// a mount point is a name of its own line; a place in the code is an address in what was mapped.
#include <sys/sysmacros.h>

#include <cinttypes>

#include "arch/instruction.h"
#include "monitor/call_site.h"
#include "monitor/proc_files.h"
#include "tests/fuzz/fuzz_input.h"

namespace callgate::fuzz {
namespace {

// As fs/proc/task_mmu.c writes a line.
std::string line_of(const Mapping& mapping) {
  std::array<char, 128> head{};
  std::snprintf(head.data(), head.size(),
                "%08" PRIx64 "-%08" PRIx64 " %c%c%c%c %08" PRIx64 " %02x:%02x %" PRIu64 " ",
                mapping.start, mapping.end, mapping.read ? 'r' : '-', mapping.write ? 'w' : '-',
                mapping.execute ? 'x' : '-', mapping.shared ? 's' : 'p', mapping.offset,
                major(mapping.device), minor(mapping.device), mapping.inode);
  std::string line = head.data();
  for (const char c : mapping.name) line += c == '\n' ? std::string("\\012") : std::string(1, c);
  return line + '\n';
}

bool same(const Mapping& a, const Mapping& b) {
  return a.start == b.start && a.end == b.end && a.read == b.read && a.write == b.write &&
         a.execute == b.execute && a.shared == b.shared && a.offset == b.offset &&
         a.device == b.device && a.inode == b.inode && a.name == b.name;
}

void check_mappings(std::string_view text) {
  const std::vector<Mapping> mappings = parse_mappings(text);
  std::string written;
  for (const Mapping& mapping : mappings) written += line_of(mapping);
  const std::vector<Mapping> again = parse_mappings(written);
  holds(again.size() == mappings.size(), "every mapping is one line");
  for (size_t i = 0; i < mappings.size(); ++i) {
    holds(same(mappings[i], again[i]), "a mapping is what its line says");
    const std::string place = code_place(mappings, mappings[i].start);
    const bool inside = mappings[i].start < mappings[i].end;
    holds(!inside || place.find("0x") != std::string::npos, "a place has an address");
    holds(place.find('/') == std::string::npos, "a place names the file alone");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = Input(data, size).text();
  if (const auto status = parse_task_status(text); status.ok()) {
    holds(status->tgid != 0, "a task has a process");
    holds(
        text.find("Uid:") != std::string_view::npos && text.find("Gid:") != std::string_view::npos,
        "nobody is root for want of a line");
    holds(status->credentials.groups.size() <= text.size() / 2, "a group is a word of the text");
  }
  if (const auto flags = parse_descriptor_flags(text); flags.ok()) {
    holds(text.find("flags:") != std::string_view::npos, "flags are there or EBADF");
  }
  if (const auto pid = parse_pidfd_target(text); pid.ok()) {
    holds(text.find("Pid:") != std::string_view::npos, "a pidfd names a process or is none");
  }
  for (const std::string& point : parse_proc_mounts(text)) {
    holds(point.size() <= text.size(), "a mount point is a word of the text");
  }
  check_mappings(text);
  static_cast<void>(
      decode_entry_instruction(std::span(data, size).last(std::min<size_t>(size, 16))));
  return 0;
}

}  // namespace callgate::fuzz
