"""What a new user gets wrong is said with what to do next, in a line or two, and nothing is harmed."""

import os
import signal
import subprocess
import textwrap

import support
from support import ALLOW_ALL, CALLGATE, environment, need

PDF = "path allow /tmp/*\npath deny /etc/passwd\nnetwork deny all\n"


class Mistakes(support.WorldTest):
    def call(self, *argv, **options):
        return support.run([CALLGATE, *map(str, argv)], cwd=self.work, **options)

    def assertAdvises(self, outcome, status, *words, lines=2):
        self.assertStatus(outcome, status)
        self.assertSays(outcome, *words)
        self.assertLessEqual(len(outcome.errors.splitlines()), lines, f"\n{outcome}")

    def test_the_command_line(self):
        (self.work / "pdf.policy").write_text(PDF)
        for words, status, said in (
                ("run pdf.policy cat x", 125, "did you mean --policy pdf.policy?"),
                ("run pdf-reader -- cat x", 125, "did you mean --policy pdf-reader?"),
                ("run -p pdf.policy", 125, "which program? callgate run --policy FILE -- PROGRAM"),
                ("run --polcy pdf.policy cat", 125, "did you mean --policy?"),
                ("run --policy", 125, "needs a value: FILE|PROFILE"),
                ("--policy pdf.policy cat", 125, "options follow it"),
                ("pdftotext a.pdf", 125, "callgate run --policy FILE -- PROGRAM"),
                ("run -p nosuch.policy cat", 125, "nosuch.policy"),
                ("run -p pdf-raeder cat", 125, 'did you mean "pdf-reader"?'),
                ("run -p . cat", 125, "expected"),
                ("audit", 125, "callgate audit -- PROGRAM"),
                ("explain read /etc/passwd", 2, "callgate explain pdf.policy read /etc/passwd"),
                ("explain pdf.policy /etc/passwd", 2, "as in `read /etc/passwd`"),
                ("explain pdf.policy tcp 1.2.3.4:80", 2, "as in `tcp connect 1.2.3.4:80`"),
                ("explain pdf.policy tcp connect 1.2.3.4", 2, "did you mean 1.2.3.4:443?"),
                ("explain pdf.policy udp send ::1", 2, "did you mean [::1]:443?"),
                ("explain pdf.policy unix /run/x", 2, "as in `unix connect /run/bus`"),
                ("lab run symlink_swap", 2, "did you mean symlink-swap?")):
            with self.subTest(words):
                self.assertAdvises(self.call(*words.split()), status, said)

    def test_patterns(self):
        for text, said in (("src/*", '"${CWD}/src/*"'), ("./x", '"${CWD}/x"'), ("$HOME/x", '"${HOME}/x"'),
                           ("/a, /b", "expected a blank"), ("/a;", "a line for each statement")):
            with self.subTest(text):
                outcome = self.run_gated(self.policy(f"path allow {text}\n"), ["true"])
                self.assertAdvises(outcome, 125, "test.policy:1:", said, lines=4)

    def test_a_directory_without_what_is_in_it(self):
        for text, warned in ((f"path allow {self.work}\n", True), (f"path allow {self.work}/\n", False),
                             (f"path allow /**\npath deny {self.work}\n", True),
                             (f"path allow /**\npath deny {self.work}/\n", False)):
            with self.subTest(text):
                outcome = self.call("check", self.policy(text))
                self.assertStatus(outcome, 0)
                self.assertEqual(f'(expected "{self.work}/", which is both)' in outcome.text, warned, f"\n{outcome}")

    def test_the_program_itself_is_denied(self):
        outcome = self.run_gated(self.policy("path allow /**\npath deny execute /usr/bin/**\n"), ["cat", "x"])
        self.assertAdvises(outcome, 126, "test.policy:2: path deny execute", "to allow: path allow execute /usr/bin/cat",
                           "cannot run 'cat'", lines=3)

    def test_a_log_where_none_can_be(self):
        policy = self.policy(ALLOW_ALL)
        (self.work / "link").symlink_to("elsewhere")
        for log, why in (("/nonexistent/log", "No such file"), ("/", "directory"), ("link", "symbolic link")):
            with self.subTest(log):
                self.assertAdvises(self.run_gated(policy, ["touch", "ran"], "--log", log), 125, "cannot open the log", why)
        self.assertFalse((self.work / "ran").exists())

    def test_the_policy_is_not_written_over(self):
        policy = self.policy(ALLOW_ALL, "own.policy")
        including = self.policy(f"include {policy}\n", "including.policy")
        profiles = self.root / "profiles"
        profiles.mkdir()
        profile = profiles / "mine.policy"
        profile.write_text(ALLOW_ALL)
        (self.root / "same").hardlink_to(policy)
        for words in (("run", "-p", policy, "--log", policy), ("run", "-p", including, "--log", policy),
                      ("run", "-p", policy, "--log", self.root / "same"), ("run", "-p", "mine", "--log", profile),
                      ("audit", "-p", policy, "--json", policy), ("audit", "-p", policy, "-o", policy),
                      ("audit", "-p", "mine", "--json", profile)):
            with self.subTest(words):
                outcome = self.call(*words, "--", "touch", "ran", env=environment(CALLGATE_PROFILES=str(profiles)))
                self.assertAdvises(outcome, 125, "is the policy itself", "name another file")
        self.assertEqual([file.read_text() for file in (policy, profile)], [ALLOW_ALL] * 2)
        (self.work / "x").write_text("kept")
        self.assertAdvises(self.call("audit", "--json", "x", "-o", "./x", "--", "touch", "ran"), 125, "name the same file")
        self.assertEqual((self.work / "x").read_text(), "kept")
        self.assertFalse((self.work / "ran").exists())

    def test_a_profile_is_as_far_out_of_the_programs_reach_as_a_policy(self):
        profile = self.root / "mine.policy"
        text = "path allow all /**\npath deny /nonexistent/x\n"  # something about files is to be judged
        profile.write_text(text)
        outcome = self.call("run", "-p", "mine", "--", "sh", "-c", f"echo network allow all >> {profile}",
                            env=environment(CALLGATE_PROFILES=str(self.root)))
        self.assertNotEqual(outcome.status, 0)
        self.assertSays(outcome, "callgate's own files are out of reach")
        self.assertEqual(profile.read_text(), text)

    def test_a_listing_needs_nothing_but_its_directory(self):
        outcome = self.run_gated("path allow read,execute /usr/bin/ls\npath allow read ${CWD}\n", ["ls", "."])
        self.assertEqual((outcome.status, outcome.errors), (0, ""))

    def test_who_has_seen_enough_hears_no_complaint(self):
        outcome = support.run(["bash", "-c", f"{CALLGATE} check --show shell-tools | head -1; {CALLGATE} help run | true"])
        self.assertEqual(outcome.err, b"")

    @need("strace")
    def test_under_another_tracer(self):
        env = support.traced_environment()
        inner = [CALLGATE, "run", "-p", self.policy(ALLOW_ALL), "--", "true"]
        outcome = support.run(["strace", "-f", "-o", "/dev/null", *inner], env=env)
        self.assertAdvises(outcome, 125, "traces callgate itself", "start callgate outside of it")
        outcome = self.run_gated(self.policy(ALLOW_ALL), inner, env=env)
        self.assertStatus(outcome, 125)
        self.assertSays(outcome, "start callgate outside of it")


class Ends(support.WorldTest):
    """callgate ends as the program did, so that whoever waits for it sees what it would have seen."""

    def test_by_the_same_signal(self):
        policy = self.policy(ALLOW_ALL)
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL, signal.SIGSEGV, signal.SIGPIPE, signal.SIGTERM, 34):
            for how in (["run", "--policy", policy], ["audit", "--output", "/dev/null"]):
                ended = subprocess.run([CALLGATE, *how, "--", "sh", "-c", f"kill -{int(number)} $$"], cwd=self.work, check=False)
                self.assertEqual(ended.returncode, -number, how)
        self.assertEqual(list(self.work.glob("core*")), [])

    def test_an_interrupt_ends_the_script_around_it(self):
        policy = self.policy(ALLOW_ALL)
        script = textwrap.dedent(f"""
            for i in 1 2 3; do echo round $i; {{}} sh -c 'echo up; exec sleep 60'; done
            """)
        for before in ("", f"{CALLGATE} run -p {policy} --"):
            process = subprocess.Popen(["bash", "-c", script.format(before)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=self.work,
                                       env=environment(), start_new_session=True)
            try:
                self.assertEqual([process.stdout.readline() for _ in range(2)], [b"round 1\n", b"up\n"])
                os.killpg(process.pid, signal.SIGINT)
                self.assertEqual(process.stdout.read(), b"", before)
                self.assertEqual(process.wait(20), -signal.SIGINT)
            finally:
                process.stdout.close()
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()

    def test_with_descriptors_closed(self):
        """As a daemon starts: no descriptor of callgate's own takes the place of one that the program has not."""
        policy = self.policy(ALLOW_ALL)
        program = textwrap.dedent("""
            import os
            def there(number):
                try: return os.fstat(number) is not None
                except OSError: return False
            seen = [number for number in range(3) if there(number)]
            open("seen", "w").write(str(seen))
            os._exit(3)
            """)
        (self.work / "look.py").write_text(program)
        for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
            seen = []
            for before in ("", f"{CALLGATE} run -p {policy} --"):
                outcome = support.run(["sh", "-c", f"{before} python3 -S look.py {closed}"], cwd=self.work)
                self.assertStatus(outcome, 3)
                seen.append((self.work / "seen").read_text())
            self.assertEqual(seen[0], seen[1], closed)

    def test_in_a_pipe(self):
        policy = self.policy(ALLOW_ALL)
        gate = f"{CALLGATE} run -p {policy} --"
        outcome = support.run(["bash", "-c", f"set -o pipefail; {gate} seq 100000 | {gate} head -1 | {gate} cat; echo ${{PIPESTATUS[@]}}"])
        self.assertEqual((outcome.out, outcome.err), (b"1\n141 0 0\n", b""))


if __name__ == "__main__":
    support.main()
