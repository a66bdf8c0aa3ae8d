"""The table in attacks/README.md is what the heads of the attacks say: none missing, none too many.

After a change of the heads: python3 tests/e2e/attacks_table_test.py --write
"""

import io
import re
import shutil
import subprocess
import sys
import unittest
from collections import Counter

import attacks_test
import support
from support import SOURCE

README = SOURCE / "attacks" / "README.md"
BEGIN, END = "<!-- from the heads -->\n", "<!-- end -->\n"
SEVERITIES = ("critical", "high", "medium", "low")
CLASSES = {
    "state": "What the monitor believes of the kernel's state is not so",
    "names": "A name leads elsewhere than it seems to",
    "indirect": "Another way to the same thing",
    "races": "Between the check and the call",
    "abi": "Another entry, another meaning",
    "lifecycle": "Births, deaths, stops; the monitor starved, blinded, outlived",
    "seccomp": "The filter's own rules",
    "effects": "What refusing and watching do to the program",
    "input": "Hostile input to the monitor itself",
}


def attacks():
    found = [attacks_test.Attack(p) for p in sorted((SOURCE / "attacks").glob("*/*.cc"))]
    return sorted(found, key=lambda a: (list(CLASSES).index(a.path.parent.name),
                                        SEVERITIES.index(a.head["severity"][0]), a.id))


def in_one_line(lines):
    """The first sentence, and the next ones while that says little."""
    # A sentence ends where a new one begins: not in "a.b" or "...".
    sentences = re.split(r"(?<!\.)[.:] (?=[A-Z\"$])", " ".join(lines).rstrip("."))
    said = sentences.pop(0)
    while sentences and len(said) < 60:
        said += ". " + sentences.pop(0)
    return said.replace("|", "\\|") + "."


def falls_under(attack):
    if attack.head.get("bare") == ["held"]:
        return "no prey without a monitor" if not attack.models else " ".join(attack.models)
    return ", ".join(attack.models) or "–"


def table():
    out = io.StringIO()
    everything = attacks()
    for name, title in CLASSES.items():
        rows = [a for a in everything if a.path.parent.name == name]
        out.write(f"\n### {name}: {title}\n\n| attack | severity | falls under it | the trap |\n|---|---|---|---|\n")
        for a in rows:
            out.write(f"| [{a.id}]({name}/{a.id}.cc) | {a.head['severity'][0]} | {falls_under(a)} | "
                      f"{in_one_line(a.head['trap'])} |\n")
    out.write("\n")
    return out.getvalue()


class Skipped(Exception):
    pass


class Asked:
    """Takes a reason to skip as an answer."""

    def skipTest(self, reason):
        raise Skipped(reason)


def reason_to_skip(attack):
    try:
        attack.check_needs(Asked())
    except Skipped as skipped:
        return str(skipped)
    # Others find out by trying: a bare run ends at the prey, or says what is missing.
    if "prepare" in attack.head or "skip(" in attack.path.read_text():
        outcome = attack.play("attack", gated=False)[0]
        if outcome.status == 77:
            return outcome.text.strip().replace("\n", "; ")
    return None


class Table(unittest.TestCase):
    def test_the_table_is_what_the_heads_say(self):
        text = README.read_text()
        self.assertIn(BEGIN, text)
        inside = text.split(BEGIN)[1].split(END)[0]
        self.maxDiff = None
        self.assertEqual(inside, table(), "python3 tests/e2e/attacks_table_test.py --write")

    def test_every_attack_stands_by_the_promise_that_it_tries_to_break(self):
        rows = [line.split("|") for line in (SOURCE / "docs" / "threats.md").read_text().splitlines()
                if re.match(r"\| [1-6]\. ", line)]
        self.assertEqual(len(rows), 6)
        named = [word for row in rows for word in row[2].split()]
        self.assertEqual(sorted(named), sorted(a.id for a in attacks()))

    def test_the_counts(self):
        everything = attacks()
        severities = Counter(a.head["severity"][0] for a in everything)
        models = Counter(m for a in everything for m in a.models)
        skipped = {a.id: reason for a in everything if (reason := reason_to_skip(a))}
        print(f"\n{len(everything)} attacks: " +
              ", ".join(f"{severities[s]} {s}" for s in SEVERITIES) +
              f"; falls under naive: {models['naive']}, canonical: {models['canonical']}; "
              f"skipped here: {len(skipped)}")
        for name, reason in sorted(skipped.items()):
            print(f"  {name}: {reason}")
        self.assertEqual(set(severities) - set(SEVERITIES), set())
        # The canonical model is the naive one's better: what beats it beats both.
        for a in everything:
            self.assertLessEqual(set(a.models), {"naive", "canonical"}, a.id)
            self.assertFalse(a.models == ["canonical"], a.id)
        self.assertGreaterEqual(len(everything), 88)
        self.assertGreater(models["naive"], models["canonical"])

    def test_attacks_of_the_other_machine_compile(self):
        compiler = "aarch64-linux-gnu-g++"
        if attacks_test.MACHINE == "aarch64" or shutil.which(compiler) is None:
            self.skipTest(f"no {compiler} here")
        foreign = [a for a in attacks() if "aarch64" in a.needs]
        self.assertGreaterEqual(len(foreign), 2)
        for attack in foreign:
            with self.subTest(attack=attack.id):
                done = subprocess.run(
                    [compiler, "-std=c++20", "-D_GNU_SOURCE", "-fsyntax-only", "-Wall", "-Wextra",
                     "-Wno-unused-parameter", "-Werror", "-I", str(SOURCE), str(attack.path)],
                    capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    if "--write" in sys.argv:
        text = README.read_text()
        before, rest = text.split(BEGIN)
        README.write_text(before + BEGIN + table() + END + rest.split(END)[1])
    else:
        support.main()
