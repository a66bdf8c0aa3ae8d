"""Floods: what callgate says and remembers stays bounded, its counts stay exact, all work is done.

CALLGATE_FLOOD is the number of denials (else 5000; the bounds are meant for a million).
"""

import contextlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import textwrap
import time
import unittest
from pathlib import Path

import support
from attacks_test import Prey
from support import CALLGATE

COUNT = int(os.environ.get("CALLGATE_FLOOD") or 5000)
PROGRAM = support.BUILD / "programs" / "storm_flood"
PATIENCE = 600 + COUNT / 500
MIB = 1 << 20

POLICY = """path allow read,execute /usr/**
path allow $T/
path allow execute $T/flood
network allow udp send 127.0.0.1:$OK_UDP
"""


class FloodTest(unittest.TestCase):
    def setUp(self):
        for program in (PROGRAM, Path(CALLGATE)):
            if not program.exists():
                self.fail(f"not built: {program}")
        self.root = Path(os.path.realpath(tempfile.mkdtemp(prefix="callgate-flood-")))
        os.chmod(self.root, 0o755)
        self.addCleanup(support.remove_tree, self.root)
        self.prey = Prey(self.root, [])
        self.addCleanup(self.prey.close)
        os.chmod(self.prey.t, 0o777)
        shutil.copy(PROGRAM, self.prey.t / "flood")
        (self.root / "flood.policy").write_text(self.prey.expand(POLICY))
        self.log = self.root / "log.jsonl"

    def start(self, what, count, *options, command="run", measured=False, **more):
        argv = [CALLGATE, command, "--policy", self.root / "flood.policy", *options, "--",
                self.prey.t / "flood", what, count]
        if measured:
            argv = [PROGRAM, "measure", self.root / "peak", *argv]
        env = self.prey.environment(0)
        env.update(FLOOD_NPROC=str(self.allowed_processes()))
        process = subprocess.Popen([str(a) for a in argv], cwd=self.prey.t, env=env,
                                   stdin=subprocess.DEVNULL, start_new_session=True, **more)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        """Callgate, and by it everybody inside."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    @staticmethod
    def allowed_processes():
        """A limit that leaves room for 60 beside what the user runs already."""
        user = 54321 if support.IS_ROOT else os.geteuid()
        mine = subprocess.run(["ps", "-L", "-o", "pid=", "-u", str(user)], capture_output=True,
                              text=True, check=False).stdout.split()
        return len(mine) + 60

    def flood(self, what, count=0, *options, most=64 * MIB, command="run", status=0):
        """Runs to the end; stderr as text. No process of it, callgate's too, may take `most` bytes."""
        out, err = open(self.root / "out", "w+b"), open(self.root / "err", "w+b")
        self.addCleanup(out.close)
        self.addCleanup(err.close)
        process = self.start(what, count, *options, command=command, measured=True, stdout=out, stderr=err)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.fail(f"{what}: still running after {PATIENCE} s: {support.session_of(process.pid)}")
        said = (self.root / "out").read_text()
        errors = (self.root / "err").read_bytes().decode("ascii")
        self.assertEqual((process.returncode, "REACHED" in said), (status, False), (said, errors[-2000:]))
        if status == 0:
            self.assertIn("done", said)
        self.assertIsNone(self.prey.lost(support.Outcome(process.returncode, said.encode(), b"")))
        peak = int((self.root / "peak").read_text()) * 1024
        print(f"{what} {count} {' '.join(map(str, options[:1]))}: at most {peak >> 20} MiB; "
              f"{errors.strip().splitlines()[-1] if errors else 'nothing said'}", flush=True)
        if support.is_sanitized():
            print("  memory is not bounded: AddressSanitizer keeps what is freed")
        else:
            self.assertLess(peak, most, "memory")
        return errors

    def counts(self, errors):
        """The last line's: (in all, said, repeats, others)."""
        last = errors.strip().splitlines()[-1]
        match = re.match(r"callgate: (\d+) denials in all: (\d+) said above"
                         r"(?:, (\d+) repeats?)?(?:, (\d+) others not said)?", last)
        self.assertIsNotNone(match, last)
        return tuple(int(group or 0) for group in match.groups())

    def records(self):
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def check_log(self, least):
        """Every event is there, in full or counted; returns the records."""
        records = self.records()
        summary = records[-1]
        self.assertEqual(summary["type"], "summary")
        in_full = sum(r["type"] == "event" for r in records)
        counted = sum(r["count"] for r in records if r["type"] in ("repeat", "unlisted"))
        self.assertEqual((in_full, in_full + counted), (summary["in_full"], summary["events"]))
        self.assertEqual(summary["lost"], 0)
        self.assertGreaterEqual(summary["denied"], least)
        return records

    def test_denials_of_one_name(self):
        errors = self.flood("one", COUNT)
        self.assertEqual(self.counts(errors), (COUNT, 1, COUNT - 1, 0))
        self.assertLess(len(errors), 2000)

    def test_denials_of_many_names(self):
        errors = self.flood("many", COUNT)
        total, said, repeats, others = self.counts(errors)
        self.assertEqual((total, repeats, said + others), (COUNT, 0, COUNT))
        self.assertGreaterEqual(said, 100)
        self.assertLessEqual(said, 4096)
        self.assertEqual(errors.count("callgate: denied"), said)
        self.assertLess(len(errors), 4096 * 1000)

    def test_the_log_of_one_name(self):
        self.flood("one", COUNT, "--log", self.log, "--quiet")
        self.check_log(COUNT)
        self.assertLess(self.log.stat().st_size, MIB)
        repeats = [r for r in self.records() if r["type"] == "repeat"]
        self.assertEqual(max(r["count"] for r in repeats) > 100, True)

    def test_the_log_of_many_names(self):
        errors = self.flood("many", COUNT, "--log", self.log, most=128 * MIB)
        self.check_log(COUNT)
        self.assertEqual(self.counts(errors)[0], COUNT)
        self.assertLess(self.log.stat().st_size, 66 * MIB)

    def test_the_log_of_long_names(self):
        self.flood("long", COUNT // 4, "--log", self.log, most=128 * MIB)
        self.check_log(COUNT // 4)
        self.assertLess(self.log.stat().st_size, 66 * MIB)

    def test_the_table_of_many_names(self):
        self.flood("lookups", COUNT + 20000, "--output", self.root / "table", command="audit",
                   most=128 * MIB)
        table = (self.root / "table").read_text()
        beyond = int(re.search(r"and (\d+) more calls on objects beyond", table)[1])
        kept = len(re.findall(r"nothing\.\d+$", table, re.MULTILINE))
        self.assertEqual(kept + beyond, COUNT + 20000)

    def test_a_log_that_is_cut_off_holds_what_has_happened(self):
        process = self.start("many", 10 ** 9, "--log", self.log, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        while not (self.log.exists() and self.log.stat().st_size > MIB):
            time.sleep(0.01)
            self.assertIsNone(process.poll())
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        lines = self.log.read_bytes().splitlines()
        for line in lines[:-1]:
            json.loads(line)
        self.assertGreater(len(lines), 500)

    def test_two_hundred_and_an_attacker(self):
        errors = self.flood("crowd", 10)
        self.assertIn("callgate: denied read", errors)

    def test_messages_of_many_pieces(self):
        self.assertIn(f"127.0.0.1:{self.prey.udp}", self.flood("messages"))

    def test_long_arguments(self):
        self.flood("arguments")

    def test_long_names(self):
        self.flood("names", 300)

    def test_a_fork_bomb_ends_with_its_limit(self):
        self.assertIn("callgate: denied read", self.flood("bomb", 400))

    def test_a_fork_bomb_ends_with_callgate(self):
        process = self.start("bomb", 10 ** 9, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def inside():
            return {pid: what for pid, what in support.session_of(process.pid).items()
                    if pid != process.pid and what[0] not in "ZX"}
        while len(inside()) < 30:
            self.assertIsNone(process.poll())
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        deadline = time.monotonic() + 60
        while inside():
            self.assertLess(time.monotonic(), deadline, inside())
            time.sleep(0.01)

    def test_a_thread_bomb(self):
        self.flood("threads", 5)


# Asks for what the monitor may keep something of, in two parts, and waits in between.
ASKING = r"""
import ctypes, os, sys
libc = ctypes.CDLL(None)
mask = ctypes.create_string_buffer(128)
ask = libc.sched_getaffinity
for part in range(2):
    first = 1_000_000 + part * 1_000_000_000
    for number in range(first, first + (1000, 100_000)[part]):
        ask(number, 128, mask)
    print(os.getpid(), flush=True)
    sys.stdin.readline()
"""


def number_in_status(pid, what):
    return int(re.search(rf"^{what}:\s*(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)[1])


class Numbers(support.WorldTest):
    def test_of_numbers_that_nobody_has_nothing_is_kept(self):
        policy = self.policy("path allow read,execute /usr/**\nnetwork deny all\n")
        process = subprocess.Popen(support.gated(policy, ["python3", "-Sc", ASKING]), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, cwd=self.work, env=support.environment())
        kept = []
        try:
            for _ in range(2):
                program = int(process.stdout.readline())
                kept.append(number_in_status(number_in_status(program, "TracerPid"), "VmRSS"))
                process.stdin.write(b"\n")
                process.stdin.flush()
            self.assertEqual(process.wait(60), 0)
        finally:
            process.kill()
            process.communicate()
        print(f"affinity of 100000 numbers: {kept[0]} KiB before, {kept[1]} KiB after", flush=True)
        if not support.is_sanitized():
            self.assertLess(kept[1] - kept[0], 512)

    @support.needs_root
    def test_of_users_that_a_program_has_been_no_more_than_some_keepers_stay(self):
        (self.work / "file").write_text("")
        policy = self.policy(f"path allow read,execute /usr/**\npath allow all {self.work}/**\nnetwork deny all\n")
        process = subprocess.Popen(support.gated(policy, ["python3", "-Sc", textwrap.dedent("""
            import ctypes, os
            libc = ctypes.CDLL(None)
            for user in range(100000, 100200):
                libc.setfsuid(user)
                try: os.chmod("file", 0o644)
                except PermissionError: pass
            libc.setfsuid(0)
            os.chmod("file", 0o600)
            print(os.getpid(), flush=True)
            input()
            """)]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=self.work, env=support.environment())
        try:
            monitor = number_in_status(int(process.stdout.readline()), "TracerPid")
            children = Path(f"/proc/{monitor}/task/{monitor}/children").read_text().split()
            self.assertEqual((self.work / "file").stat().st_mode & 0o777, 0o600)
            self.assertIn(len(children), range(1, 65))
        finally:
            process.communicate(b"\n", timeout=60)
        self.assertEqual(process.returncode, 0)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    support.main()
