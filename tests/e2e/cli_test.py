"""The other commands: check, explain, doctor, filter, audit."""

import json
import os
import textwrap
import unittest

import support
from support import CALLGATE, ALLOW_ALL, make_pdf, need

THREE = "path allow /tmp/*\npath deny /etc/passwd\nnetwork deny all\n"


class Commands(support.WorldTest):
    def call(self, *argv, **options):
        return support.run([CALLGATE, *map(str, argv)], cwd=self.work, **options)

    def test_help_teaches(self):
        for argv in (["--help"], ["help"], ["run", "--help"], ["help", "run"], ["audit", "--help"],
                     ["check", "--help"], ["explain", "--help"], ["doctor", "--help"], ["filter", "--help"]):
            with self.subTest(argv):
                outcome = self.call(*argv)
                self.assertStatus(outcome, 0)
                self.assertGreater(len(outcome.text.splitlines()), 4)
                self.assertEqual(outcome.err, b"")
        self.assertIn("callgate", self.call("--version").text)

    def test_check_accepts(self):
        outcome = self.call("check", self.policy(THREE, "pdf.policy"))
        self.assertStatus(outcome, 0)
        self.assertIn("/etc/passwd", outcome.text)

    def test_check_show_prints_the_runtime_list(self):
        outcome = self.call("check", self.policy(THREE), "--show")
        self.assertStatus(outcome, 0)
        self.assertIn("/dev/null", outcome.text)
        self.assertIn("runtime", outcome.text)

    def test_check_warns_of_dead_rules(self):
        outcome = self.call("check", self.policy("path deny /etc/passwd\npath allow all /**\n"))
        said = outcome.text + outcome.errors
        self.assertIn("test.policy:1:", said, f"\n{outcome}")
        self.assertIn("warning", said)

    def test_check_says_links_and_missing_objects(self):
        outcome = self.call("check", self.policy("path allow execute /bin/sh\npath allow /nonexistent/thing\n"))
        said = outcome.text + outcome.errors
        self.assertIn("/usr/bin", said, f"\n{outcome}")
        self.assertIn("/nonexistent/thing", said)

    def test_check_rejects_with_a_caret(self):
        for text, words in (("path alow /tmp/*\n", ["test.policy:1:6:", '"allow"', "^"]),
                            ("pth allow /tmp\n", ["test.policy:1:1:", "path"]),
                            ("path allow raed /tmp\n", ["test.policy:1:12:", "read"]),
                            ("network allow tpc connect *:80\n", ["test.policy:1:15:", "tcp"]),
                            ("network allow tcp connect 10.0.0.0/33:80\n", ["test.policy:1:"]),
                            ("path deny as EACESS /x\n", ["EACCES"]),
                            ("include pdf-raeder\n", ["pdf-reader"]),
                            ("limit nofiel 3\n", ["nofile"]),
                            ("path allow /a/[b\n", ["test.policy:1:"]),
                            ("path allow ${NOPE}/x\n", ["NOPE"])):
            with self.subTest(text):
                outcome = self.call("check", self.policy(text))
                self.assertNotEqual(outcome.status, 0)
                for word in words:
                    self.assertIn(word, outcome.text + outcome.errors, f"\n{outcome}")

    def test_check_rejects_odd_bytes(self):
        for text in ("path allow /tmp/a\x01b\n", "path allow\u00a0/tmp\n", "PATH allow /tmp\n", "path Deny /tmp\n"):
            with self.subTest(text):
                self.assertNotEqual(self.call("check", self.policy(text)).status, 0)

    def test_check_accepts_odd_forms(self):
        for text in ("path allow /tmp/*", "path allow /tmp/*\r\nnetwork deny all\r\n", "\tpath  allow\t/tmp/* # why\n",
                     "\n\n# only a comment\n", "path allow /a\\#b /c\\ d\n", ""):
            with self.subTest(text):
                self.assertStatus(self.call("check", self.policy(text)), 0)

    def test_explain(self):
        policy = self.policy("path allow /etc/**\npath deny /etc/passwd\nnetwork allow tcp connect 10.0.0.0/8:443\n", "e.policy")
        outcome = self.call("explain", policy, "read", "/etc/passwd")
        self.assertIn("e.policy:1", outcome.text)
        self.assertIn("e.policy:2", outcome.text)
        self.assertIn("denied", outcome.text)
        outcome = self.call("explain", policy, "read", "/etc/hostname")
        self.assertStatus(outcome, 0)
        self.assertIn("allowed", outcome.text)
        outcome = self.call("explain", policy, "tcp", "connect", "10.1.2.3:443")
        self.assertStatus(outcome, 0)
        self.assertIn("e.policy:3", outcome.text)
        outcome = self.call("explain", policy, "tcp", "connect", "11.1.2.3:443")
        self.assertIn("denied", outcome.text)
        self.assertIn("network allow", outcome.text)
        outcome = self.call("explain", policy, "/etc/passwd")
        self.assertStatus(outcome, 2)
        self.assertSays(outcome, "expected one of", "read", "tcp")
        outcome = self.call("explain", policy, "raed", "/etc/passwd")
        self.assertIn("read", outcome.errors)

    def test_explain_agrees_with_run(self):
        policy = self.policy("path allow read,execute /usr/**\npath allow ${CWD}/\npath deny write ${CWD}/no*\npath deny ${CWD}/x\n")
        for leaf, operation, program in (("a", "write", "open('a', 'w')"), ("no1", "write", "open('no1', 'w')"),
                                         ("x", "read", "open('x')"), ("x", "delete", "__import__('os').unlink('x')")):
            for name in ("a", "no1", "x"):
                (self.work / name).write_text("")
            explained = self.call("explain", policy, operation, self.work / leaf)
            ran = self.run_gated(policy, ["python3", "-Sc", program])
            self.assertEqual("denied" in explained.text, ran.status != 0, f"{leaf} {operation}\n{explained}\n{ran}")

    def test_why_a_program_cannot_be_run(self):
        policy = self.policy(ALLOW_ALL)
        for name, text, mode in (("plain", "x", 0o644), ("astray", "#!/nonexistent/interpreter\n", 0o755)):
            (self.work / name).write_text(text)
            (self.work / name).chmod(mode)
        for program, status, words in (("nosuchprogram", 127, "it is not in $PATH"), ("./nosuch", 127, "No such file"),
                                       ("./plain", 126, "chmod +x"), ("./astray", 127, "interpreter"),
                                       ("/tmp", 126, "it is a directory")):
            with self.subTest(program):
                outcome = self.run_gated(policy, [program])
                self.assertStatus(outcome, status)
                self.assertIn(words, outcome.errors)

    def test_standard_output_that_is_closed_is_no_success(self):
        for words in ("--help", "doctor"):
            outcome = support.run(["sh", "-c", f'exec "$0" {words} >&-', CALLGATE])
            self.assertNotEqual(outcome.status, 0, f"\n{outcome}")
            self.assertIn("cannot write to standard output", outcome.errors)

    @unittest.skipIf(support.is_sanitized(), "AddressSanitizer reads its options in /proc")
    def test_without_proc_nothing_is_started_and_the_cure_is_said(self):
        script = 'mount -t tmpfs none /proc && "$0" run --policy "$1" -- echo on; echo $?'
        outcome = support.run(["unshare", "-rm", "sh", "-c", script, CALLGATE, self.policy(ALLOW_ALL)])
        if "125" not in outcome.text.split():
            if "unshare" in outcome.errors or "mount" in outcome.errors.split("callgate")[0]:
                self.skipTest(f"no mount namespace to be had: {outcome.errors.strip()}")
        self.assertEqual(outcome.text, "125\n", f"\n{outcome}")
        self.assertSays(outcome, "/proc is not there", "mount -t proc proc /proc")

    def test_inside_of_another_callgate_both_say_who_traces(self):
        policy = self.policy(ALLOW_ALL)
        env = support.traced_environment()
        outcome = self.run_gated(policy, [CALLGATE, "run", "--policy", policy, "--", "true"], env=env)
        self.assertStatus(outcome, 125)
        self.assertSays(outcome, "traces callgate itself")
        outcome = self.run_gated(policy, [CALLGATE, "doctor"], env=env)
        self.assertStatus(outcome, 1)
        self.assertIn("start callgate outside of it", outcome.text)

    def test_doctor(self):
        outcome = self.call("doctor")
        self.assertStatus(outcome, 0)
        for word in ("kernel", "seccomp", "ptrace"):
            self.assertIn(word, outcome.text)

    def test_filter(self):
        outcome = self.call("filter", self.policy(THREE))
        self.assertStatus(outcome, 0)
        for word in ("openat", "ENOSYS", "io_uring_setup"):
            self.assertIn(word, outcome.text)
        everything = self.call("filter", self.policy(ALLOW_ALL))
        self.assertStatus(everything, 0)
        self.assertLess(everything.text.count("open"), outcome.text.count("open") + 1)


class Audit(support.WorldTest):
    def audit(self, argv, *options):
        return support.run([CALLGATE, "audit", *map(str, options), "--", *map(str, argv)], cwd=self.work)

    def test_everything_runs_and_the_table_says_it(self):
        (self.work / "in").write_text("content\n")
        outcome = self.audit(["sh", "-c", "cat in > out; rm out; cat missing; exit 3"])
        self.assertEqual((outcome.status, outcome.out), (3, b""), f"\n{outcome}")
        for word in (f"{self.work}/in", f"{self.work}/out", f"{self.work}/missing", "ENOENT", "/usr/bin/cat", "delete", "exit 3"):
            self.assertIn(word, outcome.errors)

    def test_json_is_valid_and_complete(self):
        (self.work / "in").write_text("content\n")
        log = self.root / "a.jsonl"
        program = textwrap.dedent("""
            import os, socket, subprocess
            os.symlink("in", "l"); print(open("l").read()); os.rename("l", "m"); os.mkdir("d")
            s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); c = socket.create_connection(s.getsockname())
            subprocess.run(["true"]); os.kill(os.getpid(), 0)
            try: open("\\udcff\\n")
            except OSError: pass
            try: socket.socket(socket.AF_UNIX).connect("nobody")
            except OSError: pass
            """)
        outcome = self.audit(["python3", "-Sc", program], "--json", log)
        self.assertStatus(outcome, 0)
        records = [json.loads(line) for line in log.read_text().splitlines()]
        self.assertEqual(records[0]["type"], "header")
        self.assertIn("schema", records[0])
        events = [r for r in records if r["type"] == "event"]
        for event in events:
            for key in ("time", "pid", "tid", "parent", "executable", "call", "abi", "operation", "objects", "verdict", "result"):
                self.assertIn(key, event)
        by_real = {o["real"] for e in events for o in e["objects"]}
        self.assertIn(f"{self.work}/in", by_real)
        through = [o for e in events for o in e["objects"] if o["asked"] == "l" and o["real"] == f"{self.work}/in"]
        self.assertTrue(through, "the link is asked, its target real")
        self.assertTrue(through[0]["links"])
        operations = {e["operation"] for e in events}
        self.assertTrue({"tcp connect", "tcp bind"} <= operations, operations)
        nobody = [e for e in events if e["operation"] == "unix connect" and e.get("lookup_failed")]
        self.assertEqual([(e["objects"], e["errno"]) for e in nobody],
                         [([{"asked": "unix:nobody", "real": None, "links": []}], "ENOENT")])
        self.assertEqual(events[0]["executable"], os.path.realpath(CALLGATE))
        whats = [r["what"] for r in records if r["type"] == "process"]
        self.assertIn("executed", whats)
        self.assertIn("exited", whats)

    def test_with_a_policy_it_says_what_would_be_denied(self):
        policy = self.policy(THREE, "pdf.policy")
        outcome = self.audit(["cat", "/etc/passwd"], "--policy", policy)
        self.assertStatus(outcome, 0)
        self.assertIn("root:", outcome.text)
        self.assertIn("pdf.policy:2", outcome.errors)

    def test_syscall_and_limit_statements_are_told_and_not_carried_out(self):
        # Of every kind: unseen otherwise, judged besides, without a return, kept refused.
        policy = self.policy("path allow all /**\nsyscall deny mkdir getpid rt_sigreturn vfork clone clone3\n"
                             "syscall kill exit_group\nsyscall deny dup2 when arg0 == 1\n"
                             "syscall deny ptrace\nlimit nofile 40\n", "calls.policy")
        program = textwrap.dedent("""
            import ctypes, os, resource, signal, subprocess
            libc = ctypes.CDLL(None, use_errno=True)
            os.mkdir("d"); os.getpid(); signal.signal(signal.SIGUSR1, lambda *_: print("handled"))
            os.kill(os.getpid(), signal.SIGUSR1)
            os.dup2(1, 7); os.dup2(2, 8)
            print(subprocess.run(["echo", "child"], capture_output=True).stdout, flush=True)
            pid = os.fork()
            if pid == 0: os._exit(4)
            print(os.waitpid(pid, 0)[1], resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 40)
            print(libc.ptrace(0, 0, None, None), ctypes.get_errno())
            """)
        log = self.root / "calls.jsonl"
        outcome = self.audit(["python3", "-Sc", program], "--policy", policy, "--json", log)
        self.assertStatus(outcome, 0)
        self.assertEqual(outcome.text.splitlines(), ["handled", "b'child\\n'", "1024 True", "-1 1"])
        told = [record for line in log.read_text().splitlines()
                if (record := json.loads(line))["type"] == "event" and record.get("would_deny")]
        for record in told:
            self.assertEqual((record["verdict"], record["rule"]["text"][:7]), ("allow", "syscall"), record)
        by_call = {record["call"]: record for record in told}
        self.assertLessEqual({"mkdir", "getpid", "rt_sigreturn", "exit_group", "dup2"}, set(by_call))
        self.assertTrue({"clone", "vfork"} & set(by_call))
        self.assertNotIn("ptrace", by_call)
        ptrace = [record for record in map(json.loads, log.read_text().splitlines()) if record.get("call") == "ptrace"]
        self.assertEqual([(record["verdict"], record["errno"], record["operation"]) for record in ptrace],
                         [("deny", "EPERM", "syscall ptrace")])
        self.assertEqual(by_call["mkdir"]["objects"][0]["real"], f"{self.work}/d")
        self.assertEqual((by_call["getpid"]["operation"], by_call["dup2"]["result"]), ("syscall getpid", 7))
        self.assertEqual(len([record for record in told if record["call"] == "dup2"]), 1)
        self.assertIn("calls.policy:2", outcome.errors)

    @need("pdftotext")
    def test_the_answer_of_audit_is_as_bare(self):
        make_pdf(self.work / "a.pdf")
        bare = self.run_bare(["pdftotext", "a.pdf", "-"])
        outcome = self.audit(["pdftotext", "a.pdf", "-"])
        self.assertEqual((outcome.status, outcome.out), (bare.status, bare.out))
        self.assertIn(f"{self.work}/a.pdf", outcome.errors)

    def test_full_disk(self):
        outcome = self.audit(["sh", "-c", "for i in $(seq 200); do echo x > f; done; echo finished"], "--json", "/dev/full")
        self.assertNotIn("finished", outcome.text)
        self.assertIn("/dev/full", outcome.errors)


if __name__ == "__main__":
    support.main()
