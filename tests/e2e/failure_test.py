"""When things go wrong: killed monitors, lost logs, exhausted limits, policies that cannot be read."""

import json
import os
import resource
import signal
import subprocess
import textwrap
import time
import unittest

import support
from support import ALLOW_ALL, JUDGED, CALLGATE, environment, gated


def state(pid):
    """The state letter of a process, or None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return None


def tracer_of(pid):
    with open(f"/proc/{pid}/status") as file:
        return int(next(line for line in file if line.startswith("TracerPid:")).split()[1])


def wait_until(condition, what, timeout=20):
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"never: {what}")
        time.sleep(0.01)
    return value


def heed_signals():
    """As from a terminal, also where the tests were started to ignore them (nohup, &)."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


class Running(support.WorldTest):
    """Starts callgate in the background on a script that writes its pids to files."""

    def start(self, script, policy=JUDGED, *options, **popen):
        path = self.policy(policy)
        self.process = subprocess.Popen(
            gated(path, ["bash", "-c", textwrap.dedent(script)], *options), cwd=self.work,
            env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
            start_new_session=True, preexec_fn=heed_signals, **popen)
        self.addCleanup(self.stop)
        return self.process

    def stop(self):
        for pid in [self.process.pid, *self.pids_so_far()]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.communicate()

    def pids_so_far(self):
        found = []
        for file in self.work.glob("pid.*"):
            text = file.read_text().strip()
            if text.isdigit():
                found.append(int(text))
        return found

    def pids(self, count):
        return wait_until(lambda: len(p := self.pids_so_far()) == count and p, f"{count} pids")

    SLEEPERS = """
        (echo $BASHPID > pid.one; exec sleep 300) &
        (setsid sh -c 'trap "" HUP TERM; echo $$ > pid.two; sleep 300; sleep 300') &
        echo $$ > pid.zero
        python3 -c 'import os, threading, time
        threading.Thread(target=time.sleep, args=(300,)).start()
        open("pid.three", "w").write(str(os.getpid())); time.sleep(300)' &
        wait
        """.replace("        import", "import").replace("        threading", "threading").replace(
            "        open", "open")


class KilledMonitor(Running):
    def test_sigkill_to_callgate_kills_every_tracee(self):
        self.start(self.SLEEPERS)
        pids = self.pids(4)
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(20)
        for pid in pids:
            wait_until(lambda pid=pid: state(pid) in (None, "Z", "X"), f"{pid} is dead")

    def test_sigkill_to_the_tracer_kills_every_tracee(self):
        self.start(self.SLEEPERS)
        pids = self.pids(4)
        os.kill(tracer_of(pids[0]), signal.SIGKILL)
        _, err = self.process.communicate(timeout=60)
        self.assertEqual(self.process.returncode, -signal.SIGKILL)
        self.assertIn(b"callgate: the monitor ended before the program", err)
        for pid in pids:
            wait_until(lambda pid=pid: state(pid) in (None, "Z", "X"), f"{pid} is dead")

    def test_a_stopped_monitor_lets_nothing_pass(self):
        self.start("""
            echo $$ > pid.zero
            while [ ! -e go ]; do sleep 0.05; done
            cat secret > copied; echo done > finished; sleep 60
            """, ALLOW_ALL + f"path deny {self.work}/secret\n")
        (self.work / "secret").write_text("canary")
        monitor = tracer_of(self.pids(1)[0])
        os.kill(monitor, signal.SIGSTOP)
        wait_until(lambda: state(monitor) == "T", "it stopped")
        (self.work / "go").write_text("")
        time.sleep(0.5)
        self.assertFalse((self.work / "finished").exists())
        os.kill(monitor, signal.SIGCONT)
        wait_until((self.work / "finished").exists, "it went on")
        self.assertEqual((self.work / "copied").read_text(), "")

    def test_no_helper_outlives_callgate(self):
        self.start("echo $$ > pid.zero; echo x > f; cat f; sleep 300")
        self.pids(1)
        children = [int(p) for p in subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True,
            check=False).stdout.split()]
        self.assertTrue(children)
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(20)
        for pid in children:
            wait_until(lambda pid=pid: state(pid) in (None, "Z", "X"), f"{pid} is gone")


class Signals(Running):
    def test_signals_reach_the_program(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number.name):
                for file in self.work.glob("*"):
                    file.unlink()
                self.start(f"trap 'echo caught; exit 9' {number.name[3:]}; echo $$ > pid.zero\n"
                           "while :; do sleep 0.05; done")
                self.pids(1)
                os.kill(self.process.pid, number)
                out, err = self.process.communicate(timeout=20)
                self.assertEqual((self.process.returncode, out), (9, b"caught\n"), err)

    def test_a_program_that_does_not_catch_them_dies_of_them(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number.name):
                for file in self.work.glob("*"):
                    file.unlink()
                self.start("echo $$ > pid.zero; exec sleep 300")
                pid = self.pids(1)[0]
                wait_until(lambda pid=pid: b"sleep" in open(f"/proc/{pid}/comm", "rb").read(), "exec")
                os.kill(self.process.pid, number)
                _, err = self.process.communicate(timeout=20)
                self.assertEqual(support.shell_status(self.process.returncode), 128 + number, err)
                self.assertIn(state(pid), (None, "Z"))


class LostLogs(support.WorldTest):
    WORK = ["sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do echo x > f$i; cat f$i > /dev/null; done; echo finished"]

    def run_logged(self, log, *options, **kwargs):
        return self.run_gated(JUDGED, self.WORK, "--log", str(log), *options, **kwargs)

    def test_a_log_is_json_lines(self):
        log = self.root / "log.jsonl"
        outcome = self.run_logged(log)
        self.assertStatus(outcome, 0)
        records = [json.loads(line) for line in log.read_text().splitlines()]
        self.assertGreater(len(records), 10)
        self.assertEqual(records[0]["type"], "header")

    def test_full_disk_stops(self):
        outcome = self.run_logged("/dev/full")
        self.assertNotIn("finished", outcome.text)
        self.assertNotEqual(outcome.status, 0)
        self.assertSays(outcome, "/dev/full", "No space left on device")

    def test_full_disk_continues_when_told(self):
        outcome = self.run_logged("/dev/full", "--log-failure", "continue")
        self.assertEqual((outcome.status, outcome.text), (0, "finished\n"), f"\n{outcome}")
        self.assertSays(outcome, "/dev/full")

    def test_a_file_size_limit_stops(self):
        (self.work / "secret").write_text("canary")
        log = self.root / "log.jsonl"
        outcome = self.run_logged(log, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000)))
        self.assertNotIn("finished", outcome.text)
        self.assertSays(outcome, "cannot write the log", "File too large")

    def test_a_closed_pipe_stops(self):
        fifo = self.root / "log.fifo"
        os.mkfifo(fifo)
        reader = subprocess.Popen(["head", "-c", "10", str(fifo)], stdout=subprocess.DEVNULL)
        outcome = self.run_gated(JUDGED, ["sh", "-c", "for i in $(seq 400); do echo x > f; done; sleep 1; "
                                                      "for i in $(seq 400); do echo x > f; done; echo finished"],
                                 "--log", str(fifo))
        reader.wait(20)
        self.assertNotIn("finished", outcome.text)
        self.assertSays(outcome, "log.fifo")

    def test_a_log_that_cannot_be_opened_starts_nothing(self):
        outcome = self.run_logged("/nonexistent/directory/log")
        self.assertStatus(outcome, 125)
        self.assertNotIn("finished", outcome.text)
        self.assertSays(outcome, "/nonexistent/directory/log")

    def test_the_log_is_not_written_through_the_program(self):
        log = self.work / "log.jsonl"
        outcome = self.run_gated(ALLOW_ALL + "path deny ${CWD}/secret\n", ["sh", "-c", "cat secret; : > log.jsonl; rm log.jsonl; ls"],
                                 "--log", str(log))
        self.assertTrue(log.exists(), f"the program removed the log\n{outcome}")
        self.assertIn("secret", log.read_text(), f"the program emptied the log\n{outcome}")


class Exhaustion(support.WorldTest):
    PROGRAM = ["bash", "-c", "for i in 1 2 3; do (cat secret) 2>/dev/null; cat allowed; done; exit 5"]

    def under(self, limit, value, policy):
        (self.work / "secret").write_text("canary")
        (self.work / "allowed").write_text("allowed\n")
        return self.run_gated(policy, self.PROGRAM, preexec_fn=lambda: resource.setrlimit(limit, (value, value)))

    def test_few_descriptors(self):
        policy = ALLOW_ALL + f"path deny {self.work}/secret\n"
        for value in (3, 4, 6, 8, 10, 12, 16, 24, 32):
            with self.subTest(value):
                if value < 6 and support.is_sanitized():
                    self.skipTest("UndefinedBehaviorSanitizer asks by a pipe of its own what may be read")
                outcome = self.under(resource.RLIMIT_NOFILE, value, policy)
                self.assertNotIn("canary", outcome.text)
                if outcome.status != 5 or outcome.text != "allowed\n" * 3:
                    self.assertIn("callgate", outcome.errors, f"it failed and did not say so\n{outcome}")

    @unittest.skipIf(support.IS_ROOT, "root is not bound by RLIMIT_NPROC")
    def test_few_processes(self):
        policy = ALLOW_ALL + f"path deny {self.work}/secret\n"
        outcome = self.under(resource.RLIMIT_NPROC, 3, policy)
        self.assertNotIn("canary", outcome.text)
        if outcome.status != 5 or outcome.text != "allowed\n" * 3:
            self.assertIn("callgate", outcome.errors, f"it failed and did not say so\n{outcome}")

    @support.needs_root
    @support.need("setpriv")
    def test_no_process_for_the_keeper(self):
        # A user of its own, so that the processes can be counted: front, program and monitor.
        os.chmod(self.work, 0o777)
        os.chmod(self.root, 0o755)
        for most, status, made, words in ((2, 125, False, "no processes"),
                                          (3, 1, False, "no means left"), (4, 0, True, "")):
            with self.subTest(most):
                user = str(54330 + most)
                outcome = support.run(
                    ["setpriv", "--reuid", user, "--regid", user, "--clear-groups",
                     *gated(self.policy(JUDGED), ["mkdir", "made"])], cwd=self.work,
                    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NPROC, (most, most)))
                self.assertEqual((outcome.status, (self.work / "made").exists()), (status, made), f"\n{outcome}")
                self.assertSays(outcome, words)

    @unittest.skipIf(support.is_sanitized(),
                     "AddressSanitizer's shadow needs terabytes of addresses: no limit leaves room for it")
    def test_little_memory(self):
        policy = ALLOW_ALL + f"path deny {self.work}/secret\n"
        for megabytes in (16, 32, 64, 96, 128, 256):
            with self.subTest(megabytes):
                outcome = self.under(resource.RLIMIT_AS, megabytes << 20, policy)
                self.assertNotIn("canary", outcome.text)
                if outcome.status != 5 or outcome.text != "allowed\n" * 3:
                    self.assertNotEqual(outcome.err, b"", f"it failed and did not say so\n{outcome}")

    def test_a_program_without_room_for_the_argument_area(self):
        outcome = self.run_gated(JUDGED + "limit as 32M\n", ["cat", "/etc/hostname"])
        self.assertNotEqual(outcome.status, 0)
        self.assertSays(outcome, "the argument area cannot be mapped at its address")

    @support.needs_root
    @support.need("unshare")
    def test_no_shared_memory(self):
        outcome = support.run(
            ["unshare", "--ipc", "sh", "-c", 'echo 0 > /proc/sys/kernel/shmmni && exec "$@"', "sh",
             *gated(self.policy(JUDGED), ["echo", "started"])], cwd=self.work)
        self.assertStatus(outcome, 125)
        self.assertEqual(outcome.out, b"")
        self.assertSays(outcome, "the argument area cannot be made: No space left on device")

    def test_nobody_hears_the_report(self):
        (self.work / "secret").write_text("canary")
        policy = self.policy(ALLOW_ALL + f"path deny {self.work}/secret\n")
        for where in ("/dev/full", "&-"):
            with self.subTest(where):
                outcome = support.run(
                    ["sh", "-c", f'exec "$@" 2>{where}', "sh",
                     *gated(policy, ["sh", "-c", "cat secret; cat secret; echo finished"])], cwd=self.work)
                self.assertEqual((outcome.status, outcome.text), (0, "finished\n"))


class Unkillable(support.WorldTest):
    """A monitor that may not kill who has become another user lets nobody go on instead."""

    @support.needs_root
    @support.need("setpriv")
    def test_everything_ends(self):
        os.chmod(self.work, 0o777)
        (self.work / "secret").write_text("canary")
        program = ["setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups", "sh", "-c",
                   "cat secret; touch went-on"]
        outcome = support.run(
            ["setpriv", "--bounding-set=-kill", "--inh-caps=-kill",
             *gated(self.policy(ALLOW_ALL + f"path kill {self.work}/secret\n"), program)], cwd=self.work)
        self.assertEqual((outcome.status, outcome.text), (137, ""), f"\n{outcome}")
        self.assertFalse((self.work / "went-on").exists())
        self.assertSays(outcome, "cannot be killed")


class ExitStatuses(support.WorldTest):
    def test_the_programs_own(self):
        for status in (0, 1, 2, 77, 124, 125, 126, 127, 200, 255):
            self.assertStatus(self.run_gated(ALLOW_ALL, ["sh", "-c", f"exit {status}"]), status)

    def test_not_found_and_not_executable(self):
        (self.work / "plain").write_text("x")
        self.assertStatus(self.run_gated(ALLOW_ALL, ["/nonexistent/program"]), 127)
        self.assertStatus(self.run_gated(ALLOW_ALL, ["no-such-program-anywhere"]), 127)
        self.assertStatus(self.run_gated(ALLOW_ALL, ["./plain"]), 126)
        self.assertStatus(self.run_gated(ALLOW_ALL, [self.work]), 126)

    def test_callgates_own_failure_starts_nothing(self):
        mark = ["sh", "-c", "echo started; touch mark"]
        for policy in ("path alow /tmp\n", "path allow tmp\n", "network\n", "path allow read\n", "include nowhere\n",
                       "path allow /tmp \x00\n", "limit nofile many\n", "path ask /tmp/**\n"):
            with self.subTest(policy):
                outcome = self.run_gated(policy, mark)
                self.assertStatus(outcome, 125)
                self.assertEqual(outcome.out, b"")
                self.assertRegex(outcome.errors, r"test\.policy:1:\d+: ")
        outcome = self.run_gated(self.root / "missing.policy", mark)
        self.assertStatus(outcome, 125)
        self.assertSays(outcome, "missing.policy")
        outcome = self.run_gated(self.root, mark)  # a directory
        self.assertStatus(outcome, 125)
        self.assertFalse((self.work / "mark").exists())

    def test_a_bad_line_late_in_the_file(self):
        outcome = self.run_gated("path allow /**\n\n# comment\nnetwork deny everything\n", ["true"])
        self.assertStatus(outcome, 125)
        self.assertSays(outcome, "test.policy:4:", "network deny everything", "^")

    def test_usage(self):
        for argv, words in ((["run"], ()), (["run", "--policy"], ()), (["rnu"], ("run",)),
                            (["run", "--polcy", "x", "--", "true"], ("--policy",)),
                            (["run", "--policy", "pdf-reder", "--", "true"], ("pdf-reader",)),
                            (["run", "--policy", "offline"], ()), (["--nonsense"], ())):
            with self.subTest(argv):
                outcome = support.run([CALLGATE, *argv])
                self.assertEqual(outcome.status, 125, f"\n{outcome}")
                self.assertSays(outcome, *words)


class Foreign(support.WorldTest):
    """Names chosen by others never reach the terminal raw."""

    def test_reports_are_escaped(self):
        name = "evil\n\x1b[2J\x07\x7f\x9b\u202e"
        (self.work / name).write_text("x")
        outcome = self.run_gated("path allow read,execute /usr/**\n", ["cat", self.work / name])
        ours = b"".join(line for line in outcome.err.splitlines() if line.startswith(b"callgate"))
        self.assertIn(b"evil", ours)
        self.assertEqual(set(ours) - set(range(0x20, 0x7f)), set(), outcome.err)

    def test_logs_are_escaped(self):
        log = self.root / "log"
        (self.work / "b\udcff\n").write_text("x")
        self.run_gated("path allow /**\npath allow execute /**\n", ["cat", self.work / "b\udcff\n"], "--log", str(log))
        raw = log.read_bytes()
        self.assertEqual(set(raw) - set(range(0x20, 0x7f)) - {0x0a}, set())
        for line in raw.splitlines():
            json.loads(line)


if __name__ == "__main__":
    support.main()
