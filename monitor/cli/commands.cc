#include <algorithm>
#include <array>

#include "monitor/cli/command.h"
#include "monitor/cli/options.h"
#include "monitor/cli/say.h"
#include "monitor/escape.h"

namespace callgate::cli {
namespace {

constexpr OptionSpec kPolicy{"policy", 'p', "FILE|PROFILE", true,
                             "a policy file, or a shipped profile by name; more than one are read "
                             "in order as one policy"};
constexpr OptionSpec kLogFailure{"log-failure", 0, "stop|continue", false,
                                 "when a record cannot be written (full disk, closed pipe): stop "
                                 "the program (default) or go on unrecorded"};
constexpr OptionSpec kNoCoschedule{"no-coschedule", 0, nullptr, false,
                                   "leave CPU placement to the kernel (slower)"};

constexpr std::array kRunOptions = {
    kPolicy,
    OptionSpec{"log", 0, "FILE", false,
               "append every judged call, allowed ones too, to FILE as JSON lines"},
    kLogFailure,
    OptionSpec{"quiet", 'q', nullptr, false,
               "do not say denials on stderr; where the policy's files are plain trees, the kernel "
               "then judges them by itself (check --show: by Landlock)"},
    OptionSpec{"no-offload", 0, nullptr, false, "leave nothing to Landlock"},
    OptionSpec{"model", 0, "naive|canonical|sealed", false,
               "how calls are answered; only sealed (default) enforces, the others are there to "
               "be beaten"},
    OptionSpec{"inherit-fds", 0, nullptr, false,
               "let the program keep descriptors from 3 on; they are closed otherwise"},
    kNoCoschedule,
    OptionSpec{"self-check", 0, nullptr, false,
               "compare the mirror with the kernel at every stop (slow; for tests)"},
};

constexpr std::array kAuditOptions = {
    OptionSpec{"json", 0, "FILE", false, "write every call to FILE as JSON lines (docs/audit.md)"},
    OptionSpec{"policy", 'p', "FILE|PROFILE", true,
               "also say what this policy would have denied; nothing is denied"},
    OptionSpec{"output", 'o', "FILE", false, "write the table to FILE instead of stderr"},
    kLogFailure,
    OptionSpec{"close-fds", 0, nullptr, false, "close descriptors from 3 on in the program"},
    kNoCoschedule,
};

constexpr std::array kCheckOptions = {
    OptionSpec{"show", 0, nullptr, false,
               "also every statement, the built-in ones first, and the filter call by call"},
};

constexpr std::array kExplainOptions = {
    OptionSpec{"policy", 'p', "FILE|PROFILE", true,
               "read before POLICY; use it to ask about several policies together"},
};

constexpr std::array kFilterOptions = {
    OptionSpec{"pfc", 0, nullptr, false, "libseccomp's pseudo code of the compiled program"},
    OptionSpec{"audit", 0, nullptr, false, "the filter that audit and --log use"},
};

constexpr std::array kBenchOptions = {
    OptionSpec{"only", 0, "NAME,...", false, "these works or groups of works alone"},
    OptionSpec{"with", 0, "NAME,...", false,
               "these contestants beside bare and sealed; all that are there otherwise"},
    OptionSpec{"rounds", 0, "N", false, "how often each is measured (7; 3 with --quick)"},
    OptionSpec{"quick", 0, nullptr, false, "shorter loops and smaller works: a first impression"},
    OptionSpec{"json", 0, "FILE", false, "also write everything to FILE (docs/performance.md)"},
    OptionSpec{"list", 0, nullptr, false,
               "say what would be measured, with the targets, and measure nothing"},
};

constexpr const char* kRunTeaching =
    R"(Runs PROGRAM under a policy. What the policy does not allow is refused with an errno, as if
the kernel had said it, and said on stderr with the rule that decided and the line that would
allow it. The policy is read in full before anything starts.

A policy is a file of statements; the last one that matches decides, what nothing matches is
denied, and what a dynamically linked program needs to start is built in:

    path allow /tmp/*
    path deny /etc/passwd
    network deny all

Exit status: the program's own, and its death by a signal (128+N to a shell); 125 when callgate
itself failed and nothing was started; 126 when PROGRAM cannot be executed, 127 when it was not
found.)";
constexpr const char* kRunExamples =
    R"(  callgate run --policy pdf.policy -- pdftotext /tmp/a.pdf -
  callgate run -p pdf-reader -p mine.policy --log calls.jsonl -- mutool draw /tmp/a.pdf
  callgate run -p offline make -j2          (-- may be left out: options end at the first word))";

constexpr const char* kAuditTeaching =
    R"(Runs PROGRAM without denying anything and says at the end what it touched: programs as a
tree, sockets, signals, files by operation, failed look-ups apart. With --policy, also what that
policy would have denied, and by which statement: the way to write a policy is to audit first.

Exit status: as `callgate run`.)";
constexpr const char* kAuditExamples =
    R"(  callgate audit -- pdftotext /tmp/a.pdf -
  callgate audit --policy pdf.policy -- pdftotext /tmp/a.pdf -
  callgate audit --json calls.jsonl -- make
  jq -r 'select(.operation // "" | contains("write")) | .objects[0].real' calls.jsonl)";

constexpr const char* kCheckTeaching =
    R"(Reads policies as `callgate run` would and starts nothing: what is wrong with them, statements
that can never decide, patterns that lead through symbolic links or to nothing, host names; then
what the policy means and which system calls it makes callgate trap.

Exit status: 0 the policy can be used (warnings or not), 1 it cannot, 2 wrong usage.)";
constexpr const char* kCheckExamples = R"(  callgate check pdf.policy
  callgate check --show pdf-reader mine.policy)";

constexpr const char* kExplainTeaching =
    R"(Asks the policy one question and shows every statement that matched, in order; the last one
decided. A path that exists is replaced by its canonical name first, as for a running program.

Questions: OPERATION[,OPERATION] PATH     read write create delete attributes execute stat all
           FAMILY NETOP [ENDPOINT]        tcp udp unix netlink raw packet vsock other;
                                          connect bind send listen accept create
           signal inside|outside

Exit status: 0 allowed, 1 denied, 2 wrong usage or the policy cannot be read.)";
constexpr const char* kExplainExamples = R"(  callgate explain pdf.policy read /etc/passwd
  callgate explain pdf.policy write,create ~/notes.txt
  callgate explain web.policy tcp connect 93.184.216.34:443
  callgate explain web.policy unix connect /run/user/1000/bus
  callgate explain pdf.policy signal outside)";

constexpr const char* kFilterTeaching =
    R"(Shows the seccomp filter that a policy leads to: which system calls stop for callgate, which
are refused (and with which errno), which pass at native speed.

Exit status: 0, 1 when the policy cannot be read or compiled, 2 wrong usage.)";
constexpr const char* kFilterExamples = R"(  callgate filter pdf.policy
  callgate filter --pfc pdf.policy)";

constexpr const char* kDoctorTeaching =
    R"(Tries on this host what callgate needs (it runs small experiments in child processes) and says
in plain words what is missing and how to mend it.

Exit status: 0 callgate can run here, 1 it cannot, 2 wrong usage.)";
constexpr const char* kDoctorExamples = "  callgate doctor";

constexpr std::array kLabOptions = {
    OptionSpec{"model", 0, "bare|naive|canonical|sealed|all", false,
               "who watches: nobody, a monitor of the literature, callgate; all (default) in turn"},
    OptionSpec{"time", 0, "SECONDS", false,
               "how long a race runs that is not won; else as the attack says"},
    OptionSpec{"limit", 0, "SECONDS", false,
               "an attack that hangs this long beyond its race is killed (default 60)"},
    OptionSpec{"timeline", 0, nullptr, false,
               "the timeline of each run also where several attacks run"},
    OptionSpec{"width", 0, "COLUMNS", false, "columns to use; else the terminal's, or 100"},
};

constexpr const char* kLabTeaching =
    R"(Shows how monitors are fooled, with programs that do it. Each attack is after a prey: a secret
tree $S with a canary in it, listeners on loopback, a process. It runs with no monitor, under the
two models of the literature and under callgate; the timeline shows, call by call, what each task
asked, what the monitor believed, and what the kernel did. >> marks the moment that decided.

    lab list [CLASS]        every attack: class, severity, the trap in a line
    lab show ID|CLASS       the lesson: trap, naive monitor, kernel, why callgate holds, policy
    lab run ID|CLASS|all    run it; of several attacks one line each

Anybody may run it. It touches nothing but a fresh directory in $TMPDIR or /tmp and loopback, and
leaves nothing behind, also on ^C. What needs root or another kernel is skipped, saying so. The
course that goes through it is docs/pitfalls.md.

Exit status: 0 every attack that was run went as its lesson says, 1 one did not, 2 wrong usage, 77
everything was skipped; 128+N when signal N interrupted it.)";
constexpr const char* kLabExamples = R"(  callgate lab list races
  callgate lab show symlink-swap
  callgate lab run symlink-swap
  callgate lab run dup2-type-confusion --model naive
  callgate lab run all --time 2)";

constexpr const char* kBenchTeaching =
    R"(Measures on this machine what callgate costs, beside the bare machine, a null monitor (which
does nothing at each stop: the floor), callgate's weaker models, and strace, PRoot and gVisor where
they are installed. Each round runs every contestant once, in turn; told are medians, quartiles and
ratios, and whether each of callgate's own targets is met.

Groups of works: micro steps works server start-up memory scale. All of it takes about half an
hour, --quick a few minutes. Other programs' work is in the figures: leave the machine alone.

callgate runs the works under a policy that lets them read everything and write in one directory
(so that every open is judged) and denies all network.

The works' own programs run under any monitor of yours: `callgate bench loop open` prints the
nanoseconds of an open and close; bench loop NAME [MS] [tasks=N] [descriptors=N] [past=N], bench
serve, bench hold PROCESSES THREADS, bench null -- POLICY STEP one-cpu|all-cpus PROGRAM.

Exit status: 0 measured (whether or not targets were met), 1 it could not be, 2 wrong usage.)";
constexpr const char* kBenchExamples =
    R"(  callgate bench --quick
  callgate bench --only open,tar,server --with strace --rounds 15
  callgate bench --json result.json
  strace -f --seccomp-bpf -e trace=openat -o /dev/null callgate bench loop open)";

constexpr std::array kCommands = {
    Command{"run", "run a program under a policy",
            "run --policy FILE|PROFILE [OPTION...] [--] PROGRAM [ARGUMENT...]", kRunTeaching,
            kRunExamples, kRunOptions, true, kOwnFailure, run_command},
    Command{"audit", "run a program and say what it touched",
            "audit [OPTION...] [--] PROGRAM [ARGUMENT...]", kAuditTeaching, kAuditExamples,
            kAuditOptions, true, kOwnFailure, audit_command},
    Command{"check", "read a policy, warn, and say what it means", "check POLICY... [--show]",
            kCheckTeaching, kCheckExamples, kCheckOptions, false, kQuestionUsage, check_command},
    Command{"explain", "ask a policy one question and see who decides", "explain POLICY QUESTION",
            kExplainTeaching, kExplainExamples, kExplainOptions, false, kQuestionUsage,
            explain_command},
    Command{"filter", "show the system call filter of a policy", "filter POLICY... [--pfc]",
            kFilterTeaching, kFilterExamples, kFilterOptions, false, kQuestionUsage,
            filter_command},
    Command{"doctor",
            "say whether this host can run callgate",
            "doctor",
            kDoctorTeaching,
            kDoctorExamples,
            {},
            false,
            kQuestionUsage,
            doctor_command},
    Command{"lab", "watch monitors being fooled, and callgate hold", "lab list|show|run ...",
            kLabTeaching, kLabExamples, kLabOptions, false, kQuestionUsage, lab_command},
    Command{"bench", "measure what callgate and its peers cost here",
            "bench [--only NAME,...] [--with NAME,...] [--rounds N] [--quick] [--json FILE]",
            kBenchTeaching, kBenchExamples, kBenchOptions, false, kQuestionUsage, bench_command},
};

std::string overview() {
  std::string out = "callgate " CALLGATE_VERSION
                    ": runs a program and judges its system calls by a policy file\n\n"
                    "Usage: callgate COMMAND [OPTION...] ...\n\nCommands:\n";
  for (const Command& command : commands()) {
    std::string name = command.name;
    name.resize(10, ' ');
    out += "  " + name + command.summary + "\n";
  }
  out +=
      "  help      say more about a command: callgate help run\n\n"
      "Start here:\n"
      "  callgate doctor                           can this host run it?\n"
      "  callgate audit -- PROGRAM ARGUMENT...     what does it touch?\n"
      "  callgate run -p FILE -- PROGRAM ...       let it touch only what FILE allows\n\n"
      "A policy, complete: the last statement that matches decides, the rest is denied.\n"
      "  path allow /tmp/*\n"
      "  path deny /etc/passwd\n"
      "  network deny all\n";
  return out;
}

std::string help_text(const Command& command) {
  std::string out = "Usage: callgate " + std::string(command.usage) + "\n\n";
  out += command.teaching;
  out += "\n\n" + options_text(command) + "\nExamples:\n" + command.examples + "\n";
  return out;
}

std::vector<std::string> command_names() {
  std::vector<std::string> names;
  for (const Command& command : commands()) names.emplace_back(command.name);
  names.emplace_back("help");
  return names;
}

int unknown_command(const std::string& word) {
  say("unknown command '" + escape(word, 200) + "'" + did_you_mean(word, command_names()) +
      "\n`callgate help` lists the commands; to run a program: callgate run --policy FILE -- "
      "PROGRAM");
  return kOwnFailure;
}

int help_command(const std::vector<std::string>& words) {
  if (words.empty()) return print(overview()) ? 0 : kOwnFailure;
  if (words[0] == "help") return print(overview()) ? 0 : kOwnFailure;
  const Command* command = find_command(words[0]);
  if (command == nullptr) return unknown_command(words[0]);
  return print(help_text(*command)) ? 0 : kOwnFailure;
}

int unknown_option(const std::string& word) {
  say("option '" + escape(word, 200) + "' before the command: options follow it, as in " +
      "`callgate run --policy FILE -- PROGRAM`; see `callgate help`");
  return kOwnFailure;
}

}  // namespace

std::span<const Command> commands() { return kCommands; }

const Command* find_command(std::string_view name) {
  const auto found = std::find_if(kCommands.begin(), kCommands.end(),
                                  [&](const Command& command) { return name == command.name; });
  return found == kCommands.end() ? nullptr : &*found;
}

int command_main(const std::vector<std::string>& words) {
  if (words.empty()) {
    say("no command given\n\n" + overview());
    return kOwnFailure;
  }
  const std::string& name = words[0];
  const std::vector<std::string> rest(words.begin() + 1, words.end());
  if (name == "--version" || name == "-V") {
    return print("callgate " CALLGATE_VERSION "\n") ? 0 : kOwnFailure;
  }
  if (name == "--help" || name == "-h" || name == "help") return help_command(rest);
  if (name.starts_with("-")) return unknown_option(name);
  const Command* command = find_command(name);
  if (command == nullptr) return unknown_command(name);
  auto parsed = parse_options(*command, rest);
  if (const auto* error = std::get_if<UsageError>(&parsed)) {
    say(name + ": " + error->message + "\nusage: callgate " + command->usage + "; `callgate help " +
        name + "` says more");
    return command->usage_status;
  }
  const Options& options = std::get<Options>(parsed);
  if (options.has("help")) return print(help_text(*command)) ? 0 : kOwnFailure;
  return command->function(options);
}

}  // namespace callgate::cli
