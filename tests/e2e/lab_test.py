"""callgate lab: the list, the lessons, the runs; what they leave behind; the installed tree; and
docs/pitfalls.md, whose commands are typed and whose output is compared.
"""

import os
import pty
import re
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

import support
from attacks_test import Attack
from failure_test import wait_until
from support import (BUILD, CALLGATE, IS_ROOT, SOURCE, children, environment, need, remove_tree, run)

ATTACKS = {path.stem: Attack(path) for path in sorted((SOURCE / "attacks").glob("*/*.cc"))}

support.adopt_orphans()


def shown(text):
    """As callgate prints what is not its own: printable ASCII, the rest by number."""
    return "".join(chr(byte) if 0x20 <= byte <= 0x7e else {9: "\\t"}.get(byte, f"\\x{byte:02x}")
                   for byte in text.encode())


class LabTest(unittest.TestCase):
    callgate = CALLGATE

    @classmethod
    def setUpClass(cls):
        if not os.path.exists(CALLGATE):
            raise unittest.SkipTest(f"callgate is not built: {CALLGATE}")

    def setUp(self):
        # Short, so that it is used: the prey's sockets have names below it.
        self.root = Path(os.path.realpath(tempfile.mkdtemp(prefix="cgl-", dir="/tmp")))
        self.addCleanup(remove_tree, self.root)

    def lab(self, *words, callgate=None, **extra):
        env = environment(TMPDIR=str(self.root), **extra)
        return run([callgate or self.callgate, "lab", *words], cwd="/", env=env, timeout=600)

    def assertStatus(self, outcome, status):
        self.assertEqual(outcome.status, status, f"\n{outcome}")

    def assertNothingLeft(self):
        self.assertEqual(os.listdir(self.root), [])
        self.assertEqual(children(), [])

    def built(self, *names):
        missing = [name for name in names if not ATTACKS[name].program.exists()]
        if missing:
            self.skipTest(f"not built: {', '.join(missing)}")


class Reading(LabTest):
    def test_list_has_every_attack_once(self):
        outcome = self.lab("list")
        self.assertStatus(outcome, 0)
        self.assertEqual(outcome.err, b"")
        rows = [line.split() for line in outcome.text.splitlines()[1:]]
        self.assertEqual(sorted(row[0] for row in rows), sorted(ATTACKS))
        for row in rows:
            head = ATTACKS[row[0]].head
            self.assertEqual(row[1:3], [head["class"][0], head["severity"][0]])
        self.assertLessEqual(max(map(len, outcome.text.splitlines())), 100)

    def test_list_of_a_class(self):
        outcome = self.lab("list", "races")
        self.assertStatus(outcome, 0)
        self.assertEqual([line.split()[0] for line in outcome.text.splitlines()[1:]],
                         [name for name, attack in ATTACKS.items() if attack.head["class"] == ["races"]])

    def test_show_gives_every_lesson_in_full(self):
        for name, attack in ATTACKS.items():
            with self.subTest(name):
                outcome = self.lab("show", name, "--width", "80")
                self.assertStatus(outcome, 0)
                said = " ".join(outcome.text.split())
                for key in ("trap", "naive", "kernel", "sealed", "source"):
                    self.assertIn(" ".join(shown(" ".join(attack.head[key])).split()), said)
                for key in ("policy", "refused", "prepare"):
                    for line in attack.head.get(key, []):
                        self.assertIn(f"\n  {shown(line)}\n", outcome.text)

    def test_every_word_of_a_head_is_one_that_the_lab_knows(self):
        source = (SOURCE / "monitor/lab_play.cc").read_text()
        for name, attack in ATTACKS.items():
            for word in attack.launch:
                self.assertIn(f'"{word}"', source, f"launch word of {name}")

    def test_wrong_usage_is_said_with_the_nearest_word(self):
        for words, said in (([], "list, show or run?"), (["lst"], "did you mean list?"),
                            (["show"], "show what?"), (["run"], "run what?"),
                            (["run", "symlink-swp"], "did you mean symlink-swap?"),
                            (["run", "race"], "did you mean races?"),
                            (["run", "symlink-swap", "races"], "takes one word"),
                            (["run", "symlink-swap", "--model", "nave"], "did you mean naive?"),
                            (["run", "symlink-swap", "--time", "0"], "--time"),
                            (["run", "symlink-swap", "--limit", "soon"], "--limit"),
                            (["list", "--width", "10"], "--width"),
                            (["list", "--colour"], "unknown option")):
            with self.subTest(words):
                outcome = self.lab(*words)
                self.assertStatus(outcome, 2)
                self.assertIn(said, outcome.errors)
                self.assertEqual(outcome.out, b"")


class Running(LabTest):
    def run_attack(self, name, *words):
        self.built(name)
        outcome = self.lab("run", name, *words)
        self.assertEqual(outcome.err, b"", f"\n{outcome}")
        self.assertEqual(set(outcome.out) - set(range(0x20, 0x7f)) - {0x0a}, set())
        self.assertLessEqual(max(map(len, outcome.text.splitlines())), 100, f"\n{outcome}")
        self.assertNothingLeft()
        return outcome

    def deciding(self, outcome):
        """The line of the table that is marked, by model, blanks squeezed."""
        lines, model = {}, None
        for line in outcome.text.splitlines():
            title = re.search(r" under the (\w+) model", line)
            model = title[1] if title else model
            if re.match(r">> +-?[0-9.]+ \|", line):
                self.assertNotIn(model, lines, "two deciding moments")
                lines[model] = " ".join(line.split())
        return lines

    def test_a_name_that_is_read_wrongly(self):
        outcome = self.run_attack("dirfd-ignored")
        self.assertStatus(outcome, 0)
        lines = self.deciding(outcome)
        self.assertRegex(lines["naive"], r'openat ".*\$S/key" \| read .*: allow \(line 2\) .*opened \$S/key')
        for model in ("canonical", "sealed"):
            self.assertRegex(lines[model], r"read \$S/key: DENY \(no line\) \| nothing: EACCES")
        table = outcome.text[outcome.text.index("Side by side"):]
        for model, end in (("bare", "TAKEN"), ("naive", "TAKEN"), ("canonical", "kept"), ("sealed", "kept")):
            self.assertRegex(table, rf"(?m)^{model} .* {end}$")
        self.assertIn("1 attack run, 1 as the head says", outcome.text)

    def test_a_number_that_means_another_socket(self):
        outcome = self.run_attack("dup2-type-confusion", "--model", "naive")
        self.assertStatus(outcome, 0)
        self.assertRegex(self.deciding(outcome)["naive"],
                         r"tcp bind 0\.0\.0\.0:\$PORT: allow .*bound a udp socket")

    def test_a_race_is_won_against_those_who_check_and_go_on(self):
        outcome = self.run_attack("symlink-swap", "--time", "10", "--model", "canonical")
        self.assertStatus(outcome, 0)
        self.assertRegex(self.deciding(outcome)["canonical"], r"read \$T/me: allow .*opened \$S/key")
        self.assertIn("A: pid ", outcome.text)
        self.assertIn("B: pid ", outcome.text)

    def test_a_race_is_lost_against_callgate(self):
        outcome = self.run_attack("symlink-swap", "--time", "2", "--model", "sealed")
        self.assertStatus(outcome, 0)
        self.assertRegex(self.deciding(outcome)["sealed"], r"read \$S/key: DENY \(no line\)")
        self.assertRegex(outcome.text, r"\.\.\. [0-9,]+ calls left out \.\.\.")

    def test_a_contact_is_tied_to_the_call_that_made_it(self):
        outcome = self.run_attack("udp-unconnected", "--model", "naive")
        self.assertRegex(self.deciding(outcome)["naive"], r"udp send 127\.0\.0\.1:\$OK_UDP: allow")
        self.assertIn("reached the prey's listener", " ".join(outcome.text.split()))

    def test_a_change_is_tied_to_the_call_that_made_it(self):
        outcome = self.run_attack("hardlink-alias", "--model", "naive")
        self.assertRegex(self.deciding(outcome)["naive"], r'link "\$T/a" \|')
        self.assertIn("$S: key changed", " ".join(outcome.text.replace("|", " ").split()))

    def test_every_way_of_launching(self):
        """Every word of `launch:`; a namespace may not be had, which is said."""
        names = [next(name for name, attack in ATTACKS.items() if word in attack.launch)
                 for word in sorted({word for attack in ATTACKS.values() for word in attack.launch})]
        for name in (*names, "mount-alias", "nonleader-exec", "unix-broker"):
            with self.subTest(name):
                outcome = self.run_attack(name, "--model", "sealed")
                self.assertIn(outcome.status, (0, 77), f"\n{outcome}")
                self.assertRegex(outcome.text, "Prey: kept" if outcome.status == 0 else "(?i)skipped")
                if outcome.status == 0:
                    self.assertIn(self.run_attack(name, "--model", "bare").status, (0, 77))

    def test_a_class_is_one_line_an_attack(self):
        members = [name for name, attack in ATTACKS.items() if attack.head["class"] == ["state"]]
        self.built(*members)
        outcome = self.lab("run", "state", "--model", "sealed", "--time", "1")
        self.assertStatus(outcome, 0)
        lines = outcome.text.splitlines()
        self.assertEqual([line.split()[0] for line in lines[1:1 + len(members)]], members)
        ran = [line for line in lines[1:1 + len(members)] if "skipped:" not in line]
        for line in ran:
            self.assertRegex(line, r" kept +yes$")
        self.assertIn(f"{len(ran)} attacks run, {len(ran)} as the head says", outcome.text)
        if not IS_ROOT:
            self.assertRegex(outcome.text, r"[0-9]+ skipped:\n +[0-9]+  needs root to set up")
        self.assertNothingLeft()

    @unittest.skipIf(IS_ROOT, "an ordinary user's view")
    def test_what_needs_root_is_said(self):
        self.built("root-change")
        outcome = self.lab("run", "root-change")
        self.assertStatus(outcome, 77)
        self.assertIn("needs root to set up", outcome.text)

    def test_a_temporary_directory_that_cannot_be_used(self):
        self.built("dirfd-ignored")
        for unusable in ("/nonexistent", str(self.root / ("x" * 80)), "relative"):
            (self.root / ("x" * 80)).mkdir(exist_ok=True)
            outcome = run([CALLGATE, "lab", "run", "dirfd-ignored", "--model", "sealed"], cwd="/",
                          env=environment(TMPDIR=unusable))
            self.assertStatus(outcome, 0)

    def on_a_terminal(self, **extra):
        master, slave = pty.openpty()
        process = subprocess.Popen(
            [CALLGATE, "lab", "run", "dirfd-ignored", "--model", "sealed"], stdin=slave, stdout=slave,
            env=environment(TMPDIR=str(self.root), **extra), start_new_session=True)
        os.close(slave)
        out = b""
        try:
            while chunk := os.read(master, 65536):
                out += chunk
        except OSError:
            pass
        os.close(master)
        self.assertEqual(process.wait(60), 0)
        return out

    def test_colour_on_a_terminal_only(self):
        self.built("dirfd-ignored")
        self.assertIn(b"\x1b[1;32m", self.on_a_terminal())
        self.assertNotIn(b"\x1b", self.on_a_terminal(NO_COLOR="1"))
        self.assertNotIn(b"\x1b", self.on_a_terminal(TERM="dumb"))


HEAD = """// attack: {id}
// class: state
// severity: low
// time: 100
// trap: A test.
// naive: A test.
// kernel: A test.
// sealed: A test.
// source: A test.
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   path allow execute /**
// report: none
"""

HANG = """#!/bin/sh
trap '' TERM INT HUP
echo x > "$ATTACK_T/started"
mkdir -p "$ATTACK_T/shut/inner"
chmod 0 "$ATTACK_T/shut"
(trap '' TERM INT HUP; setsid sleep 1000) &
setsid sleep 1000
sleep 1000
"""


@need("cmake")
class Installed(LabTest):
    """From an installed tree that was moved after it was configured, with attacks of our own."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.home = Path(tempfile.mkdtemp(prefix="cgl-install-", dir="/tmp"))
        os.chmod(cls.home, 0o755)
        cls.addClassCleanup(remove_tree, cls.home)
        cls.prefix = cls.install("--prefix", cls.home / "prefix")
        cls.callgate = cls.prefix / "bin/callgate"

    @classmethod
    def install(cls, *words, **extra):
        outcome = run(["cmake", "--install", BUILD, *words], env=environment(**extra), timeout=600)
        # Only who may write the build tree can leave cmake's list of what it installed there.
        wrong = [line for line in outcome.errors.splitlines() if line.strip()
                 and not re.search(r"install_manifest|Call Stack|cmake_install.cmake", line)
                 and "Permission denied" not in line]
        missing = re.search(r'file INSTALL cannot find\s+"([^"]*)"', outcome.errors)
        if missing:
            raise unittest.SkipTest(f"not all is built: {missing[1]}")
        if outcome.status != 0 and (IS_ROOT or wrong):
            raise AssertionError(f"cmake --install\n{outcome}")
        return Path(words[-1])

    def add(self, name, script):
        lesson = self.prefix / f"share/callgate/attacks/state/{name}.cc"
        program = self.prefix / f"libexec/callgate/lab/{name}"
        lesson.write_text(HEAD.format(id=name))
        program.write_text(script)
        program.chmod(0o755)
        for path in (lesson, program):
            self.addCleanup(path.unlink, missing_ok=True)

    def test_lists_and_shows_what_is_installed(self):
        outcome = self.lab("list")
        self.assertStatus(outcome, 0)
        self.assertEqual(sorted(line.split()[0] for line in outcome.text.splitlines()[1:]),
                         sorted(ATTACKS))
        outcome = self.lab("show", "symlink-swap")
        self.assertIn(f"{self.prefix}/share/callgate/attacks/races/symlink-swap.cc", outcome.text)

    def test_runs_what_is_installed(self):
        outcome = self.lab("run", "dirfd-ignored")
        self.assertStatus(outcome, 0)
        self.assertNothingLeft()

    def test_all_that_is_shipped_is_where_debian_puts_it(self):
        shipped = {"bin/callgate", "share/doc/callgate/README.md", "share/doc/callgate/LICENSE"}
        shipped |= {f"share/callgate/profiles/{file.name}" for file in (SOURCE / "policy/profiles").iterdir()}
        shipped |= {f"share/doc/callgate/{file.name}" for file in (SOURCE / "docs").glob("*.md")}
        self.assertEqual([name for name in sorted(shipped) if not (self.prefix / name).is_file()], [])

    def test_profiles_are_those_installed_with_the_program(self):
        profile = self.prefix / "share/callgate/profiles/only-here.policy"
        profile.write_text("path allow read /etc/hostname\n")
        self.addCleanup(profile.unlink)
        outcome = run([self.callgate, "explain", "only-here", "read", "/etc/hostname"])
        self.assertStatus(outcome, 0)
        self.assertIn("profile:only-here:1", outcome.text)
        self.assertStatus(run([CALLGATE, "check", "only-here"]), 1)

    def test_works_in_a_staging_directory(self):
        self.install("--prefix", "/usr", DESTDIR=str(self.home / "stage"))
        outcome = self.lab("run", "dirfd-ignored", "--model", "sealed",
                           callgate=self.home / "stage/usr/bin/callgate")
        self.assertStatus(outcome, 0)
        remove_tree(self.home / "stage")

    @need("c++")
    def test_an_installed_lesson_compiles_where_it_lies(self):
        attacks = self.prefix / "share/callgate/attacks"
        outcome = run(["c++", "-std=c++20", "-D_GNU_SOURCE", "-fsyntax-only", f"-I{attacks}",
                       attacks / "state/dirfd-ignored.cc"])
        self.assertStatus(outcome, 0)

    def test_an_attack_that_is_not_as_told(self):
        self.add("held-attack", "#!/bin/sh\necho HELD for once\nexit 1\n")
        outcome = self.lab("run", "held-attack")
        self.assertStatus(outcome, 1)
        self.assertIn("NOT as the head says: held-attack: bare: kept", outcome.text)
        self.add("odd-attack", "#!/bin/sh\nexit 3\n")
        outcome = self.lab("run", "odd-attack", "--model", "sealed")
        self.assertStatus(outcome, 1)
        self.assertIn("ODD", self.lab("run", "state", "--model", "sealed", "--time", "1").text)
        self.add("thief-attack", "#!/bin/sh\nrm -f $ATTACK_S/key\n[ -e $ATTACK_S/key ] || exit 0\necho HELD; exit 1\n")
        outcome = self.lab("run", "thief-attack", "--model", "bare")
        self.assertStatus(outcome, 0)
        self.assertIn("key is gone", outcome.text)
        self.assertNothingLeft()

    def test_an_attack_that_skips_itself(self):
        self.add("skip-attack", "#!/bin/sh\necho SKIP no such thing here\nexit 77\n")
        outcome = self.lab("run", "skip-attack")
        self.assertStatus(outcome, 77)
        self.assertIn("1 skipped:\n  1  no such thing here", outcome.text)

    def test_a_head_that_cannot_be_used_is_said(self):
        path = self.prefix / "share/callgate/attacks/state/broken.cc"
        path.write_text("// attack: broken\n")
        self.addCleanup(path.unlink)
        outcome = self.lab("list")
        self.assertStatus(outcome, 1)
        self.assertIn("broken.cc: its head has no `class:`", outcome.errors)

    def test_foreign_bytes_do_not_reach_the_terminal(self):
        self.add("loud-attack", "#!/bin/sh\ncat \"$(printf '%s/\\033[2Jevil\\n' \"$ATTACK_S\")\"\n"
                 "printf 'HELD \\033[2J\\n'; printf '\\033]52;c;x\\007\\n'; exit 3\n")
        outcome = self.lab("run", "loud-attack", "--model", "sealed")
        self.assertEqual(set(outcome.out + outcome.err) - set(range(0x20, 0x7f)) - {0x0a}, set())
        self.assertIn("\\x1b[2Jevil", outcome.text)

    def test_an_attack_that_hangs_is_ended(self):
        self.add("hang-attack", HANG)
        for model in ("bare", "naive", "sealed"):
            with self.subTest(model):
                outcome = self.lab("run", "hang-attack", "--model", model, "--limit", "1")
                self.assertIn("still running, so it was killed", outcome.text, f"\n{outcome}")
                self.assertStatus(outcome, 0 if model == "naive" else 1)
                self.assertNothingLeft()

    def interrupt(self, model, send):
        """Starts an attack that hangs and, once it does, has `send(process)` interrupt the lab."""
        self.add("hang-attack", HANG)
        process = subprocess.Popen(
            [self.callgate, "lab", "run", "hang-attack", "--model", model, "--limit", "600"],
            env=environment(TMPDIR=str(self.root)), cwd="/", stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        try:
            wait_until(lambda: list(self.root.glob("*/t/started")), "the attack has started", 60)
            send(process)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
        return support.Outcome(process.returncode, out, err)

    def test_an_interrupt_cleans_up(self):
        for model in ("bare", "sealed"):
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                for whom in ("the lab", "its group"):
                    with self.subTest(f"{model} {number.name} to {whom}"):
                        outcome = self.interrupt(model, lambda process: (
                            process.send_signal(number) if whom == "the lab"
                            else os.killpg(process.pid, number)))
                        self.assertStatus(outcome, -number)
                        self.assertIn("everything was ended and removed", outcome.text)
                        self.assertNothingLeft()

    def test_a_killed_lab_is_cleaned_up_after(self):
        outcome = self.interrupt("sealed", lambda process: process.kill())
        self.assertStatus(outcome, -signal.SIGKILL)
        wait_until(lambda: not os.listdir(self.root), "the tree is gone", 60)

        wait_until(lambda: not support.orphans(), "what the lab had started is gone", 60)


class Course(LabTest):
    """docs/pitfalls.md: every command in it is typed, and what it prints is what the page says.

    In the page's ```console blocks a line that begins with `$ ` is a command; what follows is its
    output, up to the next command. Blanks count as one. `<...>` stands for a text that varies, `[...]` alone on a
    line for any lines.
    """

    PAGE = SOURCE / "docs/pitfalls.md"

    def steps(self):
        for block in re.findall(r"^```console\n(.*?)^```", self.PAGE.read_text(), re.M | re.S):
            command, expected = None, []
            for line in block.splitlines():
                if line.startswith("$ "):
                    if command:
                        yield command, expected
                    command, expected = line[2:], []
                else:
                    expected.append(line)
            if command:
                yield command, expected

    @staticmethod
    def pattern(lines):
        out = []
        for line in lines:
            if line.strip() == "[...]":
                out.append(r"(?:.*\n)*?")
                continue
            words = []
            for word in line.split():
                parts = re.split(r"(<[^<>]*>)", word)
                words.append("".join(r".+?" if part.startswith("<") and part.endswith(">")
                                     else re.escape(part) for part in parts))
            out.append(" ?" + " ".join(words) + r" ?\n")
        return "".join(out)

    def test_the_commands_print_what_the_page_says(self):
        steps = list(self.steps())
        self.assertGreaterEqual(len(steps), 20)
        path = f"{Path(self.callgate).parent}:{environment()['PATH']}"
        for command, expected in steps:
            with self.subTest(command):
                for name in re.findall(r"lab run ([a-z0-9-]+)", command):
                    self.built(*([name] if name in ATTACKS else
                                 [n for n, a in ATTACKS.items() if a.head["class"] == [name]]))
                outcome = run(["sh", "-c", command], cwd=self.root, timeout=600,
                              env=environment(TMPDIR=str(self.root), PATH=path))
                said = "".join(" ".join(line.split()) + "\n"
                               for line in (outcome.text + outcome.errors).splitlines())
                if lacking := re.search(r"(?m)^Skipped: (.*)$", said):
                    self.skipTest(f"{command}: {lacking[1]}")  # what this kernel lacks
                if not re.fullmatch(self.pattern(expected), said):
                    self.fail(f"$ {command}\n--- the page\n" + "\n".join(expected) + f"\n--- printed\n{said}")
                self.assertNothingLeft()

    def test_the_page_has_ten_lessons_with_questions(self):
        text = self.PAGE.read_text()
        lessons = re.split(r"^## ([0-9]+)\. ", text, flags=re.M)
        self.assertEqual(lessons[1::2], [str(n) for n in range(1, 11)])
        for number, lesson in zip(lessons[1::2], lessons[2::2]):
            self.assertIn("```console\n$ callgate", lesson, number)
            self.assertRegex(lesson, r"(?m)^\*\*Questions\*\*", number)
            for name in re.findall(r"lab (?:run|show) ([a-z0-9-]+)", lesson):
                self.assertIn(name, {*ATTACKS, "all", *(a.head["class"][0] for a in ATTACKS.values())})


if __name__ == "__main__":
    support.main()
