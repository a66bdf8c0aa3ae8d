// One line of a policy to one statement. The grammar is in docs/policy.md; each method below
// reads one production and answers false after it has recorded what is wrong.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "policy/lexer.h"
#include "policy/link_resolver.h"
#include "policy/program.h"
#include "policy/variables.h"

namespace callgate {

// What outlives a line while a policy is loaded.
struct ParseContext {
  explicit ParseContext(PolicyWorld& the_world)
      : world(the_world), variables(the_world), links(the_world) {}
  PolicyWorld& world;
  Variables variables;
  LinkResolver links;
  Program program;
  std::unordered_map<std::string, bool> ignores_case;  // directories that have been asked about
};

// How much loading says about the statements of a file: a profile speaks of objects that some
// hosts do not have, and the built-in list is nobody's to change.
enum class Remarks : uint8_t { All, NotMissing, None };

// Whether a statement can begin with this word.
bool is_keyword(std::string_view word);

class StatementParser {
 public:
  StatementParser(ParseContext& context, const Line& line, SourcePosition position,
                  Remarks remarks);

  // False: see mistake().
  bool parse();
  [[nodiscard]] const Mistake& mistake() const { return mistake_; }
  // Set by an include statement, which the loader follows.
  [[nodiscard]] const std::optional<Word>& include() const { return include_; }

 private:
  bool parse_keyword();
  bool parse_verdict(Ruling* ruling);
  bool parse_trailing_log(Ruling* ruling);
  bool parse_path();
  bool parse_path_ops(PathRule* rule);
  bool parse_path_pattern(const Word& word, PathRule* rule);
  bool parse_network();
  bool parse_net_ops(NetRule* rule);
  bool parse_endpoint(const Word& word, std::string_view family, NetRule* rule, bool* any);
  bool parse_unix_endpoint(const Word& word, NetRule* rule);
  bool parse_netlink_endpoint(const Word& word, NetRule* rule);
  bool parse_ip_endpoint(const Word& word, NetRule* rule);
  bool parse_prefix(const Word& word, std::string_view text, size_t offset, int most, int* prefix);
  bool parse_ports(const Word& word, std::string_view text, size_t offset, IpRange* range);
  bool resolve_host(const Word& word, std::string_view host, const IpRange& ports, NetRule* rule);
  bool parse_signal();
  bool parse_syscall();
  bool parse_when(SyscallRule::When* when);
  bool parse_number(const Word& word, uint64_t* value);
  bool parse_limit();
  bool parse_environment();
  bool parse_define();
  bool parse_include();
  bool parse_runtime();

  [[nodiscard]] bool more() const { return next_ < line_.words.size(); }
  [[nodiscard]] const Word& peek() const { return line_.words[next_]; }
  const Word& take() { return line_.words[next_++]; }
  // Reads one of the words; `what` names the production for the message.
  bool choose(std::string_view what, std::span<const std::string_view> words, size_t* chosen);
  // A list "a,b, c" of the words.
  bool choose_list(std::string_view what, std::span<const std::string_view> words,
                   std::vector<size_t>* chosen);
  bool expect_more(std::string_view what, std::string_view expected);
  bool expect_end();
  bool fail(int column, std::string what, std::string suggestion = {});
  bool fail(Mistake mistake);
  // With variables put in; escapes are kept (patterns) or taken off (`plain`).
  bool expand(const Word& word, Word* out, bool* known);
  bool expand_plain(const Word& word, std::string* out);
  void warn(int column, const std::string& text);
  // Gives the statement its place in the policy, once it is known to be right.
  const Statement* commit();

  ParseContext& context_;
  const Line& line_;
  SourcePosition position_;
  Remarks remarks_;
  size_t next_ = 0;
  Mistake mistake_;
  std::optional<Word> include_;
};

}  // namespace callgate
