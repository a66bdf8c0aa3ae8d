// attack: log-injection
// class: input
// severity: high
// bare: held
// trap: Names that speak to the reader's terminal: newlines and a forged line, ESC[2J, OSC 52, DEL,
//   C1 bytes, U+202E, invalid UTF-8.
// naive: printf("%s").
// kernel: Names are any bytes but NUL and "/".
// sealed: Every byte outside printable ASCII is escaped, in the report and in the log.
// source: CVE-2023-28101; CWE-117
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   path deny $T/evil*
//   network deny all
// report: evil
#include "tests/support/attack.h"

namespace attack {
namespace {

const char* const kNames[] = {
    "evil\ncallgate: ALLOWED everything",
    "evil\r\x1b[2J\x1b]52;c;AAAA\x07",
    "evil\x7f\xc2\x9b\x80\xff",
    "evil\xe2\x80\xaeknil",
    "evil\"quote\\back'tick`",
};

}  // namespace

// That nothing raw came out is judged by the driver, from the bytes of the report.
void strike() {
  for (const char* name : kNames) {
    ::open(work(name).c_str(), O_WRONLY | O_CREAT, 0600);
    ::prctl(PR_SET_NAME, "\x1b[2J\nforged");
    ::open((work(name) + std::string(200, '\x1b')).c_str(), O_RDONLY | O_CREAT, 0600);
  }
  held("odd names");
}

void twin() {
  for (const char* name : kNames) {
    std::string allowed = work(std::string("good") + name);
    spill(allowed, "x");
    must(reads(allowed, "x"), "odd names work");
  }
  twin_ok();
}

}  // namespace attack
