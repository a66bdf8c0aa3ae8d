// The whole compiled filter against the table: every number of every ABI under several policies.
// What must trap traps, what must be refused is refused with the row's errno, what nobody lists is
// ENOSYS, and what a policy cannot tell apart is left alone. The expectation is stated here from
// the row's gate, operation and roles, and of each policy by hand: it shares no code with the
// filter.
#include <linux/audit.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "monitor/argument_area.h"
#include "monitor/policy_world.h"
#include "tests/monitor/asked_filter.h"
#include "tests/support/source_tree.h"

namespace callgate {
namespace {

// What a person reading the policy says that it tells apart.
struct Case {
  std::string name;
  std::string text;
  bool paths = true;  // reading, writing, creating, deleting, of some names but not others
  bool attributes = true;
  bool execute = true;
  bool stat = false;
  bool network = true;
  bool limits = false;
  bool audit = false;
  bool root = false;  // its programs can become other users
};

std::vector<Case> cases() {
  const std::string all = "path allow all /**\nnetwork allow all\n";
  const std::string three = "path allow /tmp/*\npath deny /etc/passwd\nnetwork deny all\n";
  std::vector<Case> out;
  out.push_back({"allow all", all, false, false, false, false, false});
  out.push_back({"deny all", "runtime none\n"});
  out.push_back({"three lines", three});
  out.push_back({"three lines, root", three, true, true, true, false, true, false, false, true});
  out.push_back({"audit of all", all, false, false, false, false, false, false, true});
  out.push_back(
      {"no writing", all + "path deny write /etc/**\n", true, false, false, false, false});
  out.push_back(
      {"no chmod", all + "path deny attributes /etc/**\n", false, true, false, false, false});
  out.push_back(
      {"no shell", all + "path deny execute /usr/bin/sh\n", false, false, true, false, false});
  out.push_back({"no look", all + "path deny stat /etc/**\n", false, false, false, true, false});
  out.push_back(
      {"no port", all + "network deny tcp connect *:25\n", false, false, false, false, true});
  out.push_back({"few files", all + "limit nofile 64\n", false, false, false, false, false, true});
  for (const char* profile :
       {"runtime", "pdf-reader", "shell-tools", "compiler", "network-client", "plain-trees"}) {
    out.push_back({profile, std::string("include \"") + profile + "\"\n"});
  }
  out.push_back({"offline", "include \"offline\"\n", false, false, false, false, true});
  return out;
}

FilterInputs inputs_of(const Case& c, const Policy& policy) {
  FilterInputs inputs;
  inputs.needs = policy.needs();
  inputs.limits = !policy.limits().empty();
  inputs.observe_all = c.audit;
  inputs.privileged = c.root;
  inputs.co_schedule = true;
  inputs.area_segment = kSegment;
  inputs.window_end = ArgumentArea::kWindowEnd;
  return inputs;
}

// Whether the policy could answer two such calls differently, or the monitor must see them anyhow.
bool tells_apart(const SyscallRow& row, const Case& c) {
  switch (row.operation) {
    case Operation::Open:  // O_PATH asks what stat asks
      return c.audit || c.paths || c.stat;
    case Operation::Link:
    case Operation::Rename:  // a new name may come with any right
      return c.audit || c.paths || c.attributes || c.execute || c.stat;
    case Operation::Create:
    case Operation::Delete:
    case Operation::Truncate:
      return c.audit || c.paths;
    case Operation::Attributes:
    case Operation::FdAttributes:
      return c.audit || c.attributes;
    case Operation::Stat:
      return c.audit || c.stat;
    case Operation::FdStat:
      return c.audit;
    case Operation::MapMemory:
    case Operation::ProtectMemory:
      return c.audit || c.execute;
    case Operation::Socket:
    case Operation::SocketPair:
    case Operation::Connect:
    case Operation::Bind:
    case Operation::Listen:
    case Operation::Accept:
    case Operation::SendTo:
    case Operation::SendMsg:
    case Operation::SendMmsg:
    case Operation::SocketOption:
    case Operation::SocketCall:
      return c.audit || c.network;
    case Operation::Rlimit:
      return c.limits;
    case Operation::Credentials:
      return c.root;
    case Operation::Landlock:
    case Operation::Affinity:  // the mask that a program set is its own
    case Operation::Exec:      // the new image must be ours to watch
    case Operation::GuardArea:
    case Operation::SharedMemory:
    case Operation::Signal:  // never to the monitor
    case Operation::TargetProcess:
    case Operation::Clone:
    case Operation::Unshare:
    case Operation::Prctl:
    case Operation::Fcntl:
    case Operation::Ioctl:
    case Operation::Personality:
      return true;
    case Operation::None:
      return false;
  }
  return true;
}

struct Probe {
  std::vector<std::pair<int, uint64_t>> arguments;  // index, value; the others are 0
  uint32_t answer;
};

constexpr uint64_t kLow = 0x7000'0000;   // in the argument area
constexpr uint64_t kHigh = 0xf000'0000;  // above it, in either width
constexpr uint64_t kExec = 4;            // PROT_EXEC

// What a row with a condition answers to arguments that it selects, and to some that it does not.
std::vector<Probe> probes(const SyscallRow& row, const Case& c) {
  const auto at = [&](Role role) { return row.argument(role); };
  const uint32_t seen = tells_apart(row, c) ? kTrace : kPass;
  switch (row.condition) {
    case Condition::Always:
      return {};
    case Condition::MmapGuard: {
      const int address = at(Role::Address);
      const int flags = at(Role::MapFlags);
      const int protection = at(Role::Protection);
      return {{{{protection, kExec | 1}, {flags, 2}}, seen},
              {{{protection, kExec}, {flags, 0x22}}, kPass},  // anonymous
              {{{protection, 3}, {flags, 2}}, kPass},
              {{{address, kLow}, {protection, 3}, {flags, 0x22}}, kTrace},
              {{{address, kHigh}, {protection, 3}, {flags, 0x32}}, kPass},
              {{{address, kHigh}, {protection, kExec}, {flags, 0x12}}, seen},
              {{{protection, 3}, {flags, 0x32}}, kTrace},       // MAP_FIXED at 0
              {{{protection, 3}, {flags, 0x100022}}, kTrace}};  // MAP_FIXED_NOREPLACE
    }
    case Condition::MprotectExec:
      return {{{{at(Role::Protection), kExec | 1}}, seen}, {{{at(Role::Protection), 3}}, kPass}};
    case Condition::LowAddress:
      return {{{{0, kLow}}, kTrace}, {{{0, 1}}, kTrace}, {{{0, kHigh}}, kPass}};
    case Condition::MremapGuard:
      return {{{{0, kLow}}, kTrace},
              {{{0, kHigh}}, kPass},
              {{{0, kHigh}, {3, 3}, {4, kLow}}, kTrace},
              {{{0, kHigh}, {3, 1}, {4, kLow}}, kPass},
              {{{0, kHigh}, {3, 3}, {4, kHigh}}, kPass}};
    case Condition::MadviseGuard:
      return {{{{0, kLow}, {2, 10}}, kTrace},
              {{{0, kLow}, {2, 9}}, kTrace},
              {{{0, kLow}, {2, 4}}, kPass},
              {{{0, kHigh}, {2, 10}}, kPass}};
    case Condition::ShmatGuard:
      return {{{{0, kSegment}}, kTrace},
              {{{0, kSegment + 1}}, c.root ? kTrace : kPass},
              {{{0, kSegment + 1}, {1, kLow}}, kTrace},
              {{{0, kSegment + 1}, {1, kHigh}}, c.root ? kTrace : kPass}};
    case Condition::ShmctlGuard:
      return {{{{0, kSegment}}, kTrace},
              {{{0, kSegment + 1}, {1, 0x101}}, kTrace},  // IPC_SET of a 32-bit program
              {{{0, kSegment + 1}, {1, 2}}, kPass}};
    case Condition::FcntlOwner:
      return {{{{1, 8}}, kTrace}, {{{1, 15}}, kTrace}, {{{1, 0}}, kPass}, {{{1, 1030}}, kPass}};
    case Condition::IoctlGuard:
      return {{{{1, 0x5412}}, refuse(EPERM)},
              {{{1, 0x541c}}, refuse(EPERM)},
              {{{1, 0x5437}}, refuse(EPERM)},
              {{{1, 0x8914}}, c.root && c.network ? refuse(EPERM) : kPass},  // SIOCSIFFLAGS
              {{{1, 0x8901}}, kTrace},
              {{{1, 0x40086602}}, c.attributes || c.audit ? kTrace : kPass},
              {{{1, 0x5401}}, kPass}};
    case Condition::CloneNamespaces:
      if (row.operation == Operation::Unshare) {
        return {{{{0, 0x10000000}}, refuse(EPERM)},
                {{{0, 0x20000}}, refuse(EPERM)},
                {{{0, 0x400}}, kTrace},
                {{{0, 0x200}}, kTrace}};
      }
      return {{{{0, 0x10000000 | 17}}, refuse(row.error)},
              {{{0, 0x00800000 | 17}}, refuse(row.error)},
              {{{0, 17}}, kPass},
              {{{0, 0x3d0f00}}, kPass}};
    case Condition::PrctlGuard:
      return {{{{0, 22}}, refuse(EINVAL)}, {{{0, 35}}, refuse(EPERM)}, {{{0, 59}}, refuse(EINVAL)},
              {{{0, 4}}, kTrace},          {{{0, 3}}, kTrace},         {{{0, 15}}, kPass}};
    case Condition::AddressGiven:
      return {{{{at(Role::SockAddr), kHigh}}, seen}, {{}, kPass}};
    case Condition::PersonalityGuard:
      return {{{{0, 0x0400000}}, refuse(row.error)}, {{{0, 0xffffffff}}, kPass}, {{}, kPass}};
    case Condition::OtherProcess: {
      const int pid = at(Role::Pid);
      const int which = at(Role::Which);
      const uint32_t own = row.operation == Operation::Affinity ? kTrace : kPass;
      // PRIO_PROCESS, but IOPRIO_WHO_PROCESS, which is 1.
      const uint64_t process = row.name == "ioprio_set" ? 1 : 0;
      if (which >= 0) {
        return {{{{which, process}, {pid, 0}}, kPass},
                {{{which, process}, {pid, 1234}}, kTrace},
                {{{which, 2 + process}, {pid, 0}}, kTrace}};
      }
      return {{{{pid, 0}}, own}, {{{pid, 1234}}, kTrace}};
    }
    case Condition::CloseRangeUnshare:
      return {{{{2, 2}}, kTrace}, {{{2, 6}}, kTrace}, {{{2, 4}}, kPass}, {{}, kPass}};
    case Condition::RlimitGuard: {
      const int given = at(Role::CommandArg);
      return {{{}, kPass},
              {{{at(Role::Pid), 1234}}, kTrace},
              {{{given, kHigh}}, c.limits ? kTrace : kPass}};
    }
    case Condition::DeviceNode:
      return {{{{at(Role::Mode), 0020600}}, kTrace},
              {{{at(Role::Mode), 0060600}}, kTrace},
              {{{at(Role::Mode), 0010600}}, seen}};
    case Condition::SpecialOpen:  // no row's own
    case Condition::SpecialMove:
      return {};
    case Condition::SourceRoute: {  // IPV6_RTHDR; SCTP_SOCKOPT_CONNECTX3
      const bool get = row.name == "getsockopt";
      return {{{{1, get ? 132 : 41}, {2, get ? 111 : 57}}, seen},
              {{{1, 41}, {2, 26}}, kPass},
              {{{1, 1}, {2, 57}}, kPass}};
    }
    case Condition::SeccompGuard:
      return {{{{0, 2}}, kPass},
              {{{0, 3}}, kPass},
              {{{0, 0}}, refuse(row.error)},
              {{{0, 1}}, refuse(row.error)}};
  }
  return {};
}

// nullopt: it depends on the arguments.
std::optional<uint32_t> always_answers(const SyscallRow& row, const Case& c) {
  if (row.gate == Gate::Pass) return kPass;
  if (row.condition != Condition::Always) return std::nullopt;
  if (row.gate == Gate::Refuse) return refuse(row.error);
  return tells_apart(row, c) ? kTrace : kPass;
}

// 0..1024; the same with x32's bit and with the sign bit; every power of two and its neighbours.
std::vector<int> numbers() {
  std::vector<int> out;
  const auto add = [&](uint32_t number) { out.push_back(static_cast<int>(number)); };
  for (uint32_t number = 0; number <= 1024; ++number) {
    for (uint32_t high : {0U, 0x4000'0000U, 0x8000'0000U, 0xc000'0000U}) add(high | number);
    add(0U - number - 1);
  }
  for (int bit = 0; bit < 32; ++bit) {
    for (uint32_t near : {0U, 1U, ~0U}) add((1U << bit) + near);
  }
  return out;
}

const Arguments kPatterns[] = {
    {},
    {1, 1, 1, 1, 1, 1},
    {kGarbage, kGarbage, kGarbage, kGarbage, kGarbage, kGarbage},
    {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}};

struct Counts {
  int passed = 0;
  int refused = 0;
  int traced = 0;
  int conditional = 0;
  int unknown = 0;
  int asked = 0;
};

// One number of one ABI, in all patterns of arguments or by the probes of its condition.
void ask(const Asked& filter, Abi abi, int number, const SyscallRow* row, const Case& c,
         Counts* counts) {
  const std::optional<uint32_t> expected =
      row == nullptr ? std::optional(refuse(ENOSYS)) : always_answers(*row, c);
  const auto name = [&] {
    return c.name + ": " + std::string(abi_name(abi)) + ' ' + std::to_string(number) + ' ' +
           std::string(row == nullptr ? "" : row->name);
  };
  if (!expected) {
    ++counts->conditional;
    for (const Probe& probe : probes(*row, c)) {
      Arguments arguments{};
      for (const auto& [index, value] : probe.arguments)
        arguments[static_cast<size_t>(index)] = value;
      ++counts->asked;
      EXPECT_EQ(filter.number(audit_arch(abi), number, arguments), probe.answer) << name();
    }
    return;
  }
  for (const Arguments& pattern : kPatterns) {
    ++counts->asked;
    ASSERT_EQ(filter.number(audit_arch(abi), number, pattern), *expected) << name();
  }
  if (row == nullptr) ++counts->unknown;
  if (row != nullptr && *expected == kPass) ++counts->passed;
  if (row != nullptr && *expected == kTrace) ++counts->traced;
  if (row != nullptr && *expected != kPass && *expected != kTrace) ++counts->refused;
}

// A stop with a number that tells all (read_stop relies on it) is never i386's, and has no note.
void expect_told_apart(const Asked& filter, const std::vector<bool>& plain, Abi abi, int number,
                       const SyscallRow* row, const Case& c) {
  if (!is_plain(plain, number)) return;
  std::vector<Arguments> asked(std::begin(kPatterns), std::end(kPatterns));
  if (row != nullptr && row->condition != Condition::Always) {
    for (const Probe& probe : probes(*row, c)) {
      Arguments& arguments = asked.emplace_back();
      for (const auto& [index, value] : probe.arguments) {
        arguments[static_cast<size_t>(index)] = value;
      }
    }
  }
  for (const Arguments& arguments : asked) {
    const uint32_t answer = filter.number(audit_arch(abi), number, arguments);
    const bool stops = (answer & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_TRACE;
    ASSERT_TRUE(!stops || (abi == Abi::X86_64 && answer == kTrace))
        << c.name << ": " << abi_name(abi) << ' ' << number << std::hex << ' ' << answer;
  }
}

TEST(FilterTable, EveryNumberOfEveryAbiUnderEveryPolicy) {
  std::map<Abi, std::map<int, const SyscallRow*>> rows;
  for (const SyscallRow& row : syscall_table()) {
    for (Abi abi : {Abi::X86_64, Abi::I386}) {
      const int number = row.number[static_cast<size_t>(abi)];
      if (number < 0) continue;
      EXPECT_TRUE(rows[abi].emplace(number, &row).second) << row.name << " shares its number";
    }
  }
  const std::vector<int> asked_numbers = numbers();
  int asked = 0;
  ::setenv("CALLGATE_PROFILES", (source_tree() / "policy/profiles").c_str(), 1);
  RealWorld world;
  std::vector<std::string> profiles = world.profile_names();
  for (const Case& c : cases()) {
    std::erase(profiles, c.name);
    auto loaded = parse_policy(c.text, c.name, world);
    const auto* policy = std::get_if<Policy>(&loaded);
    ASSERT_NE(policy, nullptr) << std::get<PolicyError>(loaded).message;
    const FilterInputs inputs = inputs_of(c, *policy);
    const Asked filter(inputs);
    const std::vector<bool> plain = plain_stops(inputs);
    for (const auto& [abi, known] : rows) {
      Counts counts;
      std::set<int> met;
      for (int number : asked_numbers) {
        const auto found = known.find(number);
        if (!met.insert(number).second) continue;
        const SyscallRow* row = found == known.end() ? nullptr : found->second;
        ask(filter, abi, number, row, c, &counts);
        expect_told_apart(filter, plain, abi, number, row, c);
        if (HasFatalFailure()) return;
      }
      EXPECT_EQ(counts.passed + counts.refused + counts.traced + counts.conditional,
                static_cast<int>(known.size()))
          << "a row's number was not asked";
      std::printf("%-17s %-6s  %3d pass  %3d refused  %3d traced  %2d by argument  %d unknown\n",
                  c.name.c_str(), std::string(abi_name(abi)).c_str(), counts.passed, counts.refused,
                  counts.traced, counts.conditional, counts.unknown);
      asked += counts.asked;
    }
    // i386 with the 64-bit mark, x86_64 without it or in the other byte order; none; others.
    for (uint32_t arch : {0xc000'0003U, 0x4000'003eU, 0x8000'003eU, 0U, ~0U,
                          uint32_t{AUDIT_ARCH_AARCH64}, uint32_t{AUDIT_ARCH_ARM}}) {
      for (int number : asked_numbers) {
        ++asked;
        ASSERT_EQ(filter.number(arch, number), refuse(ENOSYS)) << std::hex << arch << ' ' << number;
      }
    }
  }
}

}  // namespace
}  // namespace callgate
