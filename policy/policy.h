// A loaded policy: pure decisions. A question goes in, a decision with its deciding statement
// comes out; no descriptor, process, clock or global is touched. Loading reads files and resolves
// names through the PolicyWorld that the caller hands in.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "arch/result.h"
#include "policy/network.h"
#include "policy/path_ops.h"

namespace callgate {

enum class Verdict : uint8_t { Allow, Deny, Kill };

// Where a statement stands. `file` is as the user named it ("pdf.policy", "runtime" for the
// built-in list, "profile:NAME" for a shipped one).
struct SourcePosition {
  std::string file;
  int line = 0;    // 1-based
  int column = 0;  // 1-based, in bytes
};

struct Statement {
  SourcePosition position;
  std::string text;  // the statement as written, comment and surrounding space removed
  [[nodiscard]] std::string where() const;  // "pdf.policy:2"
};

struct Decision {
  Verdict verdict = Verdict::Deny;
  int error = EACCES;               // what Deny answers, a positive errno
  bool log = false;                 // the statement ends in `log`
  const Statement* rule = nullptr;  // owned by the policy; null: nothing matched
  PathOp op = PathOp::Read;         // path questions: the operation that decided (first refused)
  [[nodiscard]] bool allowed() const { return verdict == Verdict::Allow; }
};

// Which kinds of call the policy can tell apart; the filter derives from this.
struct PolicyNeeds {
  bool paths = true;  // some name is not granted read, write, create and delete
  bool attributes = true;
  bool execute = true;
  bool stat = false;     // a statement names stat and denies it somewhere
  bool network = true;   // some endpoint is not allowed
  bool sockets = false;  // and of unix sockets it is their name that decides
  bool signals = true;   // signals to outside are not allowed
};

struct SyscallRule {
  enum class Op : uint8_t { Eq, Ne, Lt, Le, Gt, Ge, MaskedEq };
  struct When {
    int argument = 0;  // 0..5
    Op op = Op::Eq;
    uint64_t value = 0;
    uint64_t mask = 0;  // MaskedEq only
  };
  Verdict verdict = Verdict::Deny;
  int error = EPERM;
  std::string name;
  std::optional<When> when;
  const Statement* rule = nullptr;
};

struct LimitRule {
  std::string resource;  // "nofile", "core", ...; monitor maps it to RLIMIT_*
  uint64_t value = 0;    // UINT64_MAX: unlimited
  const Statement* rule = nullptr;
};

struct EnvironmentRule {
  enum class Action : uint8_t { Keep, Drop, Set };
  Action action = Action::Keep;
  std::string name;  // may hold * as a wildcard for Keep and Drop
  std::string value;
};

class PolicyWorld;
struct TreeGrants;

class Policy {
 public:
  struct Impl;
  explicit Policy(std::unique_ptr<Impl> impl);
  Policy(Policy&&) noexcept;
  Policy& operator=(Policy&&) noexcept;
  ~Policy();

  // `name` is canonical and absolute. For each asked operation the last matching statement
  // decides; the first operation that is not allowed is the answer (kill before deny), else Allow
  // with the rule of the last operation asked.
  [[nodiscard]] Decision path(PathOps asked, std::string_view name) const;
  [[nodiscard]] PathOps granted(std::string_view name) const;
  // Every path statement that names one of the operations and matches the name, in order.
  [[nodiscard]] std::vector<const Statement*> matching(PathOps asked, std::string_view name) const;

  // Whether giving what is at `from` the name `to` would grant an operation it lacks now. For a
  // directory the question covers everything below it; when that cannot be told, the answer is
  // true. The decision names the rule that would newly grant, in `rule`, and the operation.
  [[nodiscard]] std::optional<Decision> widens(std::string_view from, std::string_view to,
                                               bool directory) const;

  // Whether moving the directory `from` to `to` could put something below it where `create` is
  // refused: at a name that could not be made there, but could be where it is.
  [[nodiscard]] bool can_plant(std::string_view from, std::string_view to) const;
  // Whether a socket (or any below a directory) that is given the name `to` could then be connected
  // or sent to by a name that the statements on unix sockets grant, and now cannot; or would lie
  // where it could not have been bound.
  [[nodiscard]] std::optional<NetOp> socket_change(std::string_view from, std::string_view to,
                                                   bool directory) const;

  [[nodiscard]] Decision network(const NetQuestion& question) const;
  [[nodiscard]] std::vector<const Statement*> matching(const NetQuestion& question) const;
  // Whether sockets of this family with different addresses or types can get different answers.
  [[nodiscard]] bool network_depends_on_type() const;
  // Whether accepting from some socket that the program can have is refused, or said (`log`): one
  // that it may let listen itself or, `given` or to be sent over a unix socket, any other.
  [[nodiscard]] bool judges_accept(bool given) const;
  [[nodiscard]] Decision signal(bool target_inside) const;

  [[nodiscard]] const PolicyNeeds& needs() const;
  [[nodiscard]] TreeGrants tree_grants() const;  // policy/tree_grants.h
  [[nodiscard]] std::span<const SyscallRule> syscall_rules() const;
  [[nodiscard]] std::span<const LimitRule> limits() const;
  [[nodiscard]] std::span<const EnvironmentRule> environment() const;

  // Every statement in order of precedence, the built-in runtime list first.
  [[nodiscard]] std::span<const std::unique_ptr<Statement>> statements() const;
  // What the policy means, for a person (`callgate check --show`).
  [[nodiscard]] std::string describe() const;
  // Findings of `callgate check`: "file:line:column: warning: ..." each.
  // Found when asked for: a run does not need them.
  [[nodiscard]] std::vector<std::string> warnings() const;
  // And of patterns that name an existing directory alone where what is in it was probably meant.
  [[nodiscard]] std::vector<std::string> warnings_of_directories(PolicyWorld& world) const;

 private:
  std::unique_ptr<Impl> impl_;
};

// The world as loading needs it. The monitor implements it with the file system; tests with maps.
class PolicyWorld {
 public:
  virtual ~PolicyWorld() = default;
  // The bytes of a policy file. EISDIR, ENOENT, EACCES ... as open and read would say.
  virtual Result<std::string> read_file(const std::string& path) = 0;
  // A shipped profile's bytes by name ("pdf-reader"), and all names for suggestions.
  virtual Result<std::string> read_profile(const std::string& name) = 0;
  virtual std::vector<std::string> profile_names() = 0;
  // The canonical name of an existing object (all symlinks resolved); ENOENT when there is none.
  virtual Result<std::string> canonical(const std::string& path) = 0;
  // Whether this name, itself and not a link to it, is a directory's.
  virtual bool is_directory(const std::string& path) {
    static_cast<void>(path);
    return false;
  }
  // Whether names in this directory are found in other spellings too (vfat, ext4 "casefold").
  virtual bool ignores_case(const std::string& directory) {
    static_cast<void>(directory);
    return false;
  }
  // Numeric addresses of a host name.
  virtual Result<std::vector<Endpoint>> resolve_host(const std::string& host) = 0;
  // HOME, USER, UID, CWD, TMP, PROGRAM (the canonical path of the program to run; empty in check).
  virtual std::string variable(const std::string& name) = 0;
};

// A policy given on the command line: a path, or the name of a shipped profile. A word that is an
// existing file, holds a slash or ends in ".policy" is a path.
struct PolicySource {
  std::string word;
};

struct PolicyError {
  // Ready to print: "file:line:column: what is wrong\n  the line\n      ^\n", nearest legal word.
  std::string message;
};

// Reads all sources in order as one policy. Nothing is usable unless all of it could be read.
std::variant<Policy, PolicyError> load_policy(std::span<const PolicySource> sources,
                                              PolicyWorld& world);
// The same from text in memory, named `file` in messages.
std::variant<Policy, PolicyError> parse_policy(std::string_view text, const std::string& file,
                                               PolicyWorld& world);

}  // namespace callgate
