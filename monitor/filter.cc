// The compiled filter. libseccomp builds the dispatch: architecture check, x32 check, a binary
// search for the number. A call whose arguments matter gets a marked SECCOMP_RET_TRACE there, one
// mark for each ABI (its time grows with the square of the number of different answers), and the
// marked returns are then replaced by jumps to that ABI's decision lists, appended behind.
#include "monitor/filter.h"

#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>

#include "arch/unique_fd.h"
#include "monitor/filter_lists.h"

namespace callgate {
namespace {

// Marks are SECCOMP_RET_DATA values of RET_TRACE; 0 is a real trace. The last one marks numbers
// that libseccomp does not know.
constexpr uint32_t mark_of(Abi abi) { return 1 + static_cast<uint32_t>(abi); }
constexpr uint32_t kUnlisted = 0xffff;
constexpr uint32_t kNoSuchCall = SCMP_ACT_ERRNO(ENOSYS);

struct ContextDeleter {
  void operator()(void* context) const { seccomp_release(context); }
};
using Context = std::unique_ptr<void, ContextDeleter>;

struct Target {
  Abi abi;
  uint32_t token;
};
std::vector<Target> targets() {
  if (seccomp_arch_native() == SCMP_ARCH_AARCH64) return {{Abi::Aarch64, SCMP_ARCH_AARCH64}};
  return {{Abi::X86_64, SCMP_ARCH_X86_64}, {Abi::I386, SCMP_ARCH_X86}};
}

// The list that one call leads to.
struct Listed {
  Abi abi;
  int number;
  DecisionList list;
  std::string_view name;
};

struct Build {
  Context context;
  std::vector<Listed> marked;
  std::vector<Listed> unlisted;  // numbers that libseccomp cannot name in that ABI
};

Error error_of(int result) { return Error{result == 0 ? EINVAL : -result}; }

Result<Context> new_context(uint32_t token) {
  Context context(seccomp_init(SCMP_ACT_TRACE(kUnlisted)));
  if (context == nullptr) return Error{ENOMEM};
  // x32 counts as a bad architecture. The launcher sets no_new_privs itself.
  const std::pair<scmp_filter_attr, uint32_t> attributes[] = {
      {SCMP_FLTATR_ACT_BADARCH, kNoSuchCall},
      {SCMP_FLTATR_CTL_NNP, 0},
      {SCMP_FLTATR_CTL_OPTIMIZE, 2}};
  for (const auto& [attribute, value] : attributes) {
    if (int result = seccomp_attr_set(context.get(), attribute, value); result != 0) {
      return error_of(result);
    }
  }
  if (token != seccomp_arch_native()) {
    if (int result = seccomp_arch_add(context.get(), token); result != 0) return error_of(result);
    if (int result = seccomp_arch_remove(context.get(), seccomp_arch_native()); result != 0) {
      return error_of(result);
    }
  }
  return context;
}

// The number as seccomp_rule_add wants it: libseccomp takes every number for the native machine's
// and translates it by name, with negative stand-ins for names that the native one lacks.
// SCMP_ERROR (-1) when it does not know the number.
int rule_number(uint32_t token, int number) {
  char* name = seccomp_syscall_resolve_num_arch(token, number);
  if (name == nullptr) return __NR_SCMP_ERROR;
  const int native = seccomp_syscall_resolve_name(name);
  ::free(name);
  return native;
}

Status add_call(Build* build, void* context, const Target& target, const RowPlan& plan,
                const FilterInputs& inputs) {
  const int number = plan.row->number[static_cast<size_t>(target.abi)];
  if (number < 0) return Unit{};
  DecisionList list = decision_list(plan, target.abi, inputs);
  const int known = rule_number(target.token, number);
  if (known == __NR_SCMP_ERROR) {
    if (list.unconditional() && list.otherwise == kNoSuchCall) return Unit{};
    build->unlisted.push_back({target.abi, number, std::move(list), plan.row->name});
    return Unit{};
  }
  uint32_t action = list.otherwise;
  if (!list.unconditional()) {
    action = SCMP_ACT_TRACE(mark_of(target.abi));
    build->marked.push_back({target.abi, number, std::move(list), plan.row->name});
  }
  const int result = seccomp_rule_add(context, action, known, 0);
  if (result != 0) return error_of(result);
  return Unit{};
}

Result<Build> build_dispatch(const FilterInputs& inputs) {
  Build build;
  const std::vector<RowPlan> plans = plan_filter(inputs);
  for (const Target& target : targets()) {
    CALLGATE_TRY(Context context, new_context(target.token));
    for (const RowPlan& plan : plans) {
      CALLGATE_TRY([[maybe_unused]] Unit done,
                   add_call(&build, context.get(), target, plan, inputs));
    }
    if (build.context == nullptr) {
      build.context = std::move(context);
    } else if (int result = seccomp_merge(build.context.get(), context.get()); result != 0) {
      return error_of(result);
    } else {
      (void)context.release();  // merged: the other one owns it now
    }
  }
  return build;
}

Result<std::string> exported(void* context, int (*write)(const scmp_filter_ctx, int)) {
  UniqueFd file(::memfd_create("callgate-filter", MFD_CLOEXEC));
  if (!file.valid()) return last_error();
  if (int result = write(context, file.get()); result != 0) return error_of(result);
  const off_t size = ::lseek(file.get(), 0, SEEK_CUR);
  if (size < 0) return last_error();
  std::string bytes(static_cast<size_t>(size), '\0');
  if (::pread(file.get(), bytes.data(), bytes.size(), 0) != size) return Error{EIO};
  return bytes;
}

void load(size_t offset, std::vector<sock_filter>* program) {
  program->push_back({BPF_LD | BPF_W | BPF_ABS, 0, 0, static_cast<uint32_t>(offset)});
}

// The list of one number. Conditional jumps reach 255 instructions, and a list may hold more.
void emit_call(const Listed& call, std::vector<sock_filter>* program) {
  std::vector<sock_filter> body;
  emit_list(call.list, call.abi, &body);
  program->push_back({BPF_JMP | BPF_JEQ | BPF_K, 1, 0, static_cast<uint32_t>(call.number)});
  program->push_back({BPF_JMP | BPF_JA, 0, 0, static_cast<uint32_t>(body.size())});
  program->insert(program->end(), body.begin(), body.end());
}

// One list ends the search, so the number that was loaded stays loaded until then.
void emit_marked(const std::vector<Listed>& marked, Abi abi, std::vector<sock_filter>* program) {
  load(offsetof(seccomp_data, nr), program);
  for (const Listed& call : marked) {
    if (call.abi == abi) emit_call(call, program);
  }
  program->push_back({BPF_RET | BPF_K, 0, 0, kNoSuchCall});
}

// What the default action becomes: the numbers that libseccomp could not name, then ENOSYS.
void emit_unlisted(const std::vector<Listed>& unlisted, std::vector<sock_filter>* program) {
  for (const Listed& call : unlisted) {
    std::vector<sock_filter> body;
    load(offsetof(seccomp_data, nr), &body);
    emit_call(call, &body);
    load(offsetof(seccomp_data, arch), program);
    program->push_back({BPF_JMP | BPF_JEQ | BPF_K, 1, 0, audit_arch(call.abi)});
    program->push_back({BPF_JMP | BPF_JA, 0, 0, static_cast<uint32_t>(body.size())});
    program->insert(program->end(), body.begin(), body.end());
  }
  program->push_back({BPF_RET | BPF_K, 0, 0, kNoSuchCall});
}

std::string marked_text(const Build& build) {
  std::string text =
      "\n# The marked actions, TRACE(n), are these lists; the first line that holds "
      "answers.\n";
  for (const Listed& call : build.marked) {
    text += "TRACE(" + std::to_string(mark_of(call.abi)) + "): " + std::string(abi_name(call.abi)) +
            " " + std::string(call.name) + "\n" + list_text(call.list);
  }
  text += "TRACE(" + std::to_string(kUnlisted) + "): any other number\n";
  for (const Listed& call : build.unlisted) {
    text += "  " + std::string(abi_name(call.abi)) + " " + std::string(call.name) + " (" +
            std::to_string(call.number) + ")\n  " + list_text(call.list);
  }
  return text + "  refuse ENOSYS\n";
}

}  // namespace

Result<Filter> compile_filter(const FilterInputs& inputs) {
  CALLGATE_TRY(Build build, build_dispatch(inputs));
  CALLGATE_TRY(std::string bytes, exported(build.context.get(), seccomp_export_bpf));
  Filter filter;
  filter.program.resize(bytes.size() / sizeof(sock_filter));
  std::memcpy(filter.program.data(), bytes.data(), filter.program.size() * sizeof(sock_filter));

  const size_t dispatch = filter.program.size();
  std::map<uint32_t, size_t> entry;  // mark -> where its list begins
  for (const Target& target : targets()) {
    entry[mark_of(target.abi)] = filter.program.size();
    emit_marked(build.marked, target.abi, &filter.program);
  }
  entry[kUnlisted] = filter.program.size();
  emit_unlisted(build.unlisted, &filter.program);
  if (filter.program.size() > BPF_MAXINSNS) return Error{E2BIG};

  for (size_t at = 0; at < dispatch; ++at) {
    sock_filter& instruction = filter.program[at];
    if (instruction.code != (BPF_RET | BPF_K)) continue;
    if ((instruction.k & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_TRACE) continue;
    const uint32_t mark = instruction.k & SECCOMP_RET_DATA;
    if (mark == 0) continue;
    const auto target = entry.find(mark);
    if (target == entry.end()) return Error{EINVAL};
    instruction = {BPF_JMP | BPF_JA, 0, 0, static_cast<uint32_t>(target->second - at - 1)};
  }
  return filter;
}

Result<std::string> filter_pseudo_code(const FilterInputs& inputs) {
  CALLGATE_TRY(Build build, build_dispatch(inputs));
  CALLGATE_TRY(std::string text, exported(build.context.get(), seccomp_export_pfc));
  return text + marked_text(build);
}

}  // namespace callgate
