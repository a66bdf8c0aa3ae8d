// attack: policy-parser
// class: input
// severity: high
// trap: A policy that says less than it seems to, or that a careless reader takes for more than it says.
//   Every text below under `refused` is one of those; the one that is used has tabs, blanks at the
//   ends of lines, a # in a name, rules that contradict each other, and statements that can never
//   decide. $S/key stands behind each way of misreading it.
// naive: Skips lines that it does not understand; cuts long ones, so that a rule becomes a broader one;
//   compares keywords without their case; takes an empty file for "no rules, so all is allowed". (Not
//   shown by `--model naive`: there is one parser.)
// kernel: Nothing: here the monitor is on its own.
// sealed: One strict grammar. A file that cannot be read in full is not used at all: exit 125, with line and
//   column, and nothing is started. The last statement that matches decides.
// source: Garfinkel, NDSS 2003; CWE-1286; tests/fuzz
// refused: path allow $T/\r\npath allow /usr/**\rpath allow $S/\r\n
// refused: path allow $T/\x00/../s/**\n
// refused: path allow $T/@64K@\npath allow $S/**\n
// refused: Path allow $S/\n
// refused: path Allow $S/\n
// refused: path allow read,, $S/\n
// refused: path allow read $S/\nnonsense\n
// refused: path allow\xc2\xa0$S/\n
// refused: \xef\xbb\xbfpath allow $S/\n
// refused: path allow $S/ # a comment\npath allow $T/#$S/\n
// refused: path allow "$S/\n
// refused: path allow $S/\\\n
// refused: path allow key\n
// refused: path allow $S/{key\n
// refused: path allow $S/[a-\n
// refused: path allow ${NOTHING}$S/\n
// refused: path allow $S/\nnetwork deny\n
// refused: path allow $S/\nnetwork allow tcp connect 300.1.1.1:80\n
// refused: path allow $S/\nnetwork allow tcp connect 127.0.0.1:70000\n
// refused: path deny as EWHATEVER $T/\npath allow $S/\n
// refused: include $S/no-such-file\npath allow $S/\n
// refused: include $T\npath allow $S/\n
// refused: include $S/../attack.policy\npath allow $S/\n
// refused: path allow $S/\nlimit nofile -1\n
// refused: path allow $S/\nsyscall kill no_such_call\n
// policy:
//   path	allow	read,execute	/usr/**
//   path allow	 all   $S/      # and taken back at once
//   path deny all $S/
//   path allow $T/
//   path deny $T/"a#b" $T/no\#more
//   path deny $T/x/**
//   path allow $T/x/y
//   path allow $T/x/y
//   network deny all
//   network allow tcp connect 203.0.113.1:80
//   network deny tcp
// report: $S/key
// report: $T/a#b
#include "tests/support/attack.h"

namespace attack {

void strike() {
  if (way("key")) take(secret());
  const std::string key = secret();
  for (size_t cut = key.size(); cut > 0 && wanted_way() == nullptr; --cut) take(key.substr(0, cut));
  must(::mkdir(work("x").c_str(), 0755) == 0, "mkdir");
  for (const char* denied : {"a#b", "no#more", "x/z"}) {
    if (!way(denied)) continue;
    const int fd = ::open(work(denied).c_str(), O_RDWR | O_CREAT, 0644);
    if (fd >= 0) prey_taken(denied);
  }
  held("misreadings");
}

void twin() {
  must(reads(work("ok.dat"), kHarmless), "what is allowed");
  spill(work("a"), "the name ends before the #");
  spill(work("no"), "");
  must(::open(work("x").c_str(), O_RDONLY) == -1 && errno == ENOENT, "x itself has no rule");
  must(::mkdir(work("x").c_str(), 0755) == 0, "mkdir");
  spill(work("x/y"), "the last statement decides");
  must(reads(work("x/y"), "the last statement decides"), "x/y");
  twin_ok();
}

}  // namespace attack
