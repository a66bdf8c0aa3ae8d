// attack: casefold-dir
// class: names
// severity: medium
// needs: root
// launch: mount-namespace
// prepare: mkdir $T/fold && mount -t tmpfs -o casefold tmpfs $T/fold
// prepare: mkdir $T/fold/d && chattr +F $T/fold/d && mkdir $T/fold/d/Open
// prepare: cp $S/key $T/fold/d/Secret && cp $S/key $T/fold/d/Straße && echo harmless > $T/fold/d/Open/File
// trap: In a directory that ignores case one file answers to a thousand spellings. Nothing was
//   granted of "Secret"; ask for "SECRET", for the long s (U+017F), for a zero-width joiner within,
//   and from "OPEN", which is as much granted as "Open" is.
// naive: Denies "Secret", allows the rest, and compares bytes: "SECRET" is not "Secret". (`--model
//   naive` falls only where a policy denies spellings; this one grants.)
// kernel: A casefolded directory compares names folded and normalised (ext4(5), "casefold";
//   tmpfs(5)); the name that d_path tells may be the one that was asked for.
// sealed: A spelling is a name, and a name that no statement grants is refused, whatever it leads
//   to. Denying one spelling in such a directory denies no other: grant what is wanted instead, as
//   `callgate check` says (docs/threats.md, "Objects that already have two names").
// source: git, CVE-2014-9390 and its kin; ext4(5)
// policy:
//   path allow read,execute /usr/**
//   path allow $T/fold/d/Open/
//   network deny all
// report: $T/fold/d/SECRET
#include "tests/support/attack.h"

namespace attack {

void strike() {
  const std::string d = work("fold/d/");
  struct Spelling {
    const char* name;
    std::string text;
  };
  const Spelling spellings[] = {{"upper", "SECRET"},
                                {"lower", "secret"},
                                {"mixed", "sEcReT"},
                                {"long s", "\u017fecret"},
                                {"no width", "Se\u200bcret"},
                                {"joiner", "Se\u200dcret"},
                                {"sharp s, upper", "STRASSE"},
                                {"sharp s", "strasse"},
                                {"capital sharp s", "Stra\u1e9ee"},
                                {"as it is", "Secret"}};
  for (const auto& [name, text] : spellings) {
    const std::string spelled = d + text;
    const std::string label = name;
    if (way(label)) take(spelled);
    if (way(label + ", from beside")) take(d + "Open/../" + text);
    if (way(label + ", from beside in capitals")) take(d + "OPEN/../" + text);
    if (way(label + ", linked") && ::link(spelled.c_str(), (d + "Open/alias").c_str()) == 0) {
      take(d + "Open/alias");
    }
    if (way(label + ", renamed") && ::rename(spelled.c_str(), (d + "Open/found").c_str()) == 0) {
      take(d + "Open/found");
    }
  }
  held("spellings");
}

void twin() {
  must(reads(work("fold/d/Open/File"), kHarmless), "as it is granted");
  must(::open(work("fold/d/Open/nothing").c_str(), O_RDONLY) == -1 && errno == ENOENT, "ENOENT");
  spill(work("fold/d/Open/New"), "new");
  must(reads(work("fold/d/Open/nEW"), "new"), "a new file by another spelling");
  must(::unlink(work("fold/d/Open/NEW").c_str()) == 0, "and removed by a third");
  twin_ok();
}

}  // namespace attack
