#include <array>
#include <cstring>

#include "monitor/cli/command.h"
#include "monitor/cli/options.h"
#include "monitor/cli/question.h"
#include "monitor/cli/say.h"
#include "monitor/denial_report.h"
#include "monitor/escape.h"
#include "monitor/policy_world.h"

namespace callgate::cli {
namespace {

constexpr int kDenied = 1;

std::string verdict_text(const Decision& decision) {
  switch (decision.verdict) {
    case Verdict::Allow:
      return "allowed";
    case Verdict::Deny: {
      const char* name = strerrorname_np(decision.error);
      return std::string("denied with ") + (name != nullptr ? name : "EACCES");
    }
    case Verdict::Kill:
      return "denied, and the program is killed";
  }
  return "denied";
}

std::string statement_text(const Statement& statement) {
  return escape_line(statement.where()) + ": " + escape(statement.text);
}

// One question: what matched in order, the deciding statement marked, and the verdict.
std::string answer_text(const std::string& question, const Decision& decision,
                        const std::vector<const Statement*>& matching) {
  std::string out = question + "\n";
  bool marked = false;
  for (const Statement* statement : matching) {
    const bool decides = statement == decision.rule;
    marked = marked || decides;
    out += (decides ? "  => " : "     ") + statement_text(*statement) + "\n";
  }
  // A built-in default decided, or one that the list does not hold.
  if (!marked && decision.rule != nullptr) out += "  => " + statement_text(*decision.rule) + "\n";
  out += verdict_text(decision);
  if (decision.rule != nullptr) {
    out += " by " + escape_line(decision.rule->where());
  } else {
    out += decision.allowed() ? ": no statement speaks of it"
                              : ": no statement matches, and what nothing matches is denied";
  }
  return out + "\n";
}

std::string note_text(const std::string& note) { return note.empty() ? "" : "(" + note + ")\n"; }

struct Answer {
  std::string text;
  bool allowed = true;
};

Answer answer_path(const Policy& policy, const PathQuestion& question, PolicyWorld& world) {
  const ResolvedName resolved = resolve_name(question.path, world);
  Answer answer{note_text(resolved.note), true};
  for (int i = 0; i < kPathOpCount; ++i) {
    const auto op = static_cast<PathOp>(i);
    if (!question.ops.has(op)) continue;
    const Decision decision = policy.path(op, resolved.name);
    const std::string asked = std::string(path_op_name(op)) + " " + escape(resolved.name);
    answer.text += answer_text(asked, decision, policy.matching(op, resolved.name));
    if (!decision.allowed()) {
      answer.allowed = false;
      answer.text += "to allow: path allow " + std::string(path_op_name(op)) + " " +
                     quote_pattern(resolved.name) + "\n";
    }
  }
  return answer;
}

Answer answer_network(const Policy& policy, const NetworkQuestion& question) {
  Answer answer{note_text(question.note), true};
  for (const NetQuestion& one : question.questions) {
    const Decision decision = policy.network(one);
    std::string asked =
        std::string(net_family_name(one.family)) + " " + std::string(net_op_name(one.op));
    Event event;
    event.kind = Event::Kind::Network;
    event.operation = asked;
    if (one.endpoint.kind != Endpoint::Kind::None) {
      event.objects.push_back({one.endpoint.text(), one.endpoint.text(), {}});
      asked += " " + escape(one.endpoint.text());
    }
    answer.text += answer_text(asked, decision, policy.matching(one));
    if (decision.allowed()) continue;
    answer.allowed = false;
    if (const auto statement = allowing_statement(event)) {
      answer.text += "to allow: " + *statement + "\n";
    }
  }
  return answer;
}

Answer answer_signal(const Policy& policy, const SignalQuestion& question) {
  const Decision decision = policy.signal(question.inside);
  std::vector<const Statement*> spoken;
  for (const auto& statement : policy.statements()) {
    const std::string_view text = statement->text;
    if (text.starts_with("signal ") || text.starts_with("signal\t")) {
      spoken.push_back(statement.get());
    }
  }
  Answer answer{answer_text(std::string("signal to a process ") +
                                (question.inside ? "inside" : "outside") + " the sandbox",
                            decision, spoken),
                decision.allowed()};
  if (!answer.allowed && !question.inside) answer.text += "to allow: signal allow all\n";
  return answer;
}

}  // namespace

int explain_command(const Options& options) {
  std::vector<std::string> words = options.words();
  std::vector<std::string> policies = options.values("policy");
  if (words.empty() || (words.size() == 1 && policies.empty())) {
    say("explain: which policy and what question? callgate explain pdf.policy read /etc/passwd");
    return kQuestionUsage;
  }
  RealWorld world;
  // With --policy the words may be all question; else the first is the policy.
  auto parsed = parse_question(words, world);
  if (policies.empty() || std::holds_alternative<QuestionMistake>(parsed)) {
    policies.push_back(words.front());
    words.erase(words.begin());
    parsed = parse_question(words, world);
  }
  if (const auto* mistake = std::get_if<QuestionMistake>(&parsed)) {
    // `explain read /etc/passwd`: a question alone.
    const bool alone =
        options.values("policy").empty() &&
        !std::holds_alternative<QuestionMistake>(parse_question(options.words(), world));
    say("explain: " + (alone
                           ? "by which policy? It comes first, as in `callgate explain pdf.policy "
                             "read /etc/passwd`"
                           : mistake->message));
    return kQuestionUsage;
  }
  const std::optional<Policy> policy = load_or_say(policies, {});
  if (!policy) return kQuestionUsage;
  const Question& question = std::get<Question>(parsed);
  Answer answer;
  if (const auto* path = std::get_if<PathQuestion>(&question)) {
    answer = answer_path(*policy, *path, world);
  } else if (const auto* network = std::get_if<NetworkQuestion>(&question)) {
    answer = answer_network(*policy, *network);
  } else {
    answer = answer_signal(*policy, std::get<SignalQuestion>(question));
  }
  if (!print(answer.text)) return kQuestionUsage;
  return answer.allowed ? 0 : kDenied;
}

}  // namespace callgate::cli
