"""Storms: names, sockets, programs and memory that change without pause, against every kind of call.

Each storm (tests/programs/storm_*.cc) runs bare until it has reached every one of its canaries, else
it would prove nothing; under the models that merely check, until it has reached any; and sealed for
CALLGATE_STORM_MS (3000) and until each of its travellers got through STORM_TIMES times, so that
denying everything cannot pass. Sealed, nothing is ever reached: no content is read, nothing in the
secret tree changes, nobody calls at a forbidden socket.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

import support
from attacks_test import Prey
from support import CALLGATE, snapshot

MILLISECONDS = int(os.environ.get("CALLGATE_STORM_MS") or 3000)
TIMES = 8
PATIENCE = 90  # seconds for a canary to be reached where nothing keeps it
PROGRAMS = support.BUILD / "programs"

GRANTED = """path allow read,execute /usr/**
path allow $T/
"""


class World(Prey):
    """The prey of the attacks, and files by the names that the storms use."""

    def __init__(self, root):
        super().__init__(root, [])
        (self.s / "readable").mkdir()
        for name in ("inner", "written", "chmodded", "truncated", "first", "unlinked", "readable/file"):
            (self.s / name).write_text(self.token + "\n")
        (root / "key").write_text(self.token + "\n")
        self.before, self.times = snapshot(self.s), self.stamps()
        self.root = root

    def stamps(self):
        """What even a change that was undone leaves behind."""
        seen = {}
        for directory, names, files in os.walk(self.s):
            for name in [".", *files]:
                status = os.lstat(os.path.join(directory, name))
                seen[os.path.join(directory, name)] = (status.st_mtime_ns, status.st_ctime_ns)
        return seen

    def changed(self):
        """Names in the secret tree that are not what they were."""
        after = snapshot(self.s)
        return {name for name in after.keys() | self.before.keys()
                if after.get(name) != self.before.get(name)}

    def reached(self, said):
        """Every canary that was reached, in words."""
        found = {line[8:].split(" canary")[0] for line in said.splitlines() if line.startswith("REACHED")}
        return found | set(self.contacts) | {"changed " + name for name in self.changed()}


class StormTest(unittest.TestCase):
    def setUp(self):
        self.root = Path(os.path.realpath(tempfile.mkdtemp(prefix="callgate-storm-")))
        os.chmod(self.root, 0o755)
        self.addCleanup(support.remove_tree, self.root)
        self.runs = 0

    def world(self):
        self.runs += 1
        root = self.root / str(self.runs)
        root.mkdir()
        world = World(root)
        self.addCleanup(world.close)
        return world

    def start(self, world, name, policy, milliseconds, model=None, words=()):
        program = shutil.copy(PROGRAMS / name, world.root / name)
        argv = [program, *words]
        if model:
            text = GRANTED + policy + f"path allow execute {program}\n"
            (world.root / "storm.policy").write_text(world.expand(text))
            argv = [CALLGATE, "run", "--model", model, "--policy", world.root / "storm.policy", "--", *argv]
        env = world.environment(0)
        env.update(STORM_MS=str(milliseconds), STORM_TIMES=str(TIMES))
        out, err = open(world.root / "out", "w+b"), open(world.root / "err", "w+b")
        self.addCleanup(out.close)
        self.addCleanup(err.close)
        process = subprocess.Popen([str(a) for a in argv], cwd=world.t, env=env, stdout=out, stderr=err,
                                   stdin=subprocess.DEVNULL, start_new_session=True)
        self.addCleanup(self.kill, process)
        return process

    @staticmethod
    def kill(process):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()

    def said(self, world):
        return (world.root / "out").read_bytes().decode("utf-8", "replace")

    def until_reached(self, wanted, name, policy, model=None, words=()):
        """Runs until each of the wanted canaries was reached (`None`: any of them)."""
        world = self.world()
        process = self.start(world, name, policy, 1000 * PATIENCE, model, words)
        deadline = time.monotonic() + PATIENCE
        seen = set()
        while not (seen if wanted is None else seen >= wanted):
            ended = process.poll()
            if ended is not None or time.monotonic() > deadline:
                self.fail(f"{name} {words} {model}: only {seen} was reached; status {ended}\n"
                          + self.said(world)[-2000:] + (world.root / "err").read_text()[-2000:])
            time.sleep(0.02)
            with contextlib.suppress(FileNotFoundError):  # it is stormy where we look
                seen |= world.reached(self.said(world))
        self.kill(process)
        print(f"{name} {' '.join(words)} {model or 'bare'}: reached {len(seen)}", flush=True)

    def never_reached(self, name, policy, words=()):
        world = self.world()
        process = self.start(world, name, policy, MILLISECONDS, "sealed", words)
        status = process.wait(MILLISECONDS / 1000 + 240)
        said, errors = self.said(world), (world.root / "err").read_text()
        print(f"{name} {' '.join(words)} sealed:\n{said}", flush=True)
        time.sleep(0.05)  # a datagram on its way to a listener's thread
        self.assertEqual(world.reached(said), set(), errors)
        self.assertEqual(world.stamps(), world.times, "the secret tree was changed, and changed back")
        self.assertEqual(status, 0, f"{said}\n{errors}")
        self.assertIn("callgate: denied", errors)

    def storm(self, wanted, name, policy="", words=(), models=("naive", "canonical")):
        for program in (PROGRAMS / name, Path(CALLGATE)):
            if not program.exists():
                self.fail(f"not built: {program}")
        self.until_reached(wanted, name, policy, None, words)
        for model in models:
            self.until_reached(None, name, policy, model, words)
        self.never_reached(name, policy, words)

    def test_names(self):
        # `dotdot` is there, too; bare it takes CPUs of its own to win: attacks/races/dotdot-rename.
        self.storm({"me", "sym", "ren", "mk/inner", "link",
                    "changed created", "changed written", "changed chmodded", "changed truncated",
                    "changed first", "changed made", "changed unlinked"}, "storm_names")

    def test_sockets(self):
        self.storm({"broker", "dgram", "changed bound"}, "storm_sockets",
                   "network allow unix $T/**\n")

    # The models lose these as well, but so rarely that only attacks/races with its time shows it.
    def test_exec(self):
        self.storm({"program", "dir/program", "script"}, "storm_exec",
                   "path allow execute $T/\n", models=())

    def arguments(self, flavour):
        self.storm({"open", "tcp", "udp", "execve", "changed readable/file"}, "storm_arguments",
                   "path allow read $S/readable/\nnetwork allow tcp connect 127.0.0.1:$OK_TCP\n"
                   "network allow udp connect,send 127.0.0.1:$OK_UDP\n", (flavour,))

    def test_arguments_by_threads(self):
        self.arguments("thread")

    def test_arguments_by_shared_memory(self):
        self.arguments("shared")

    def test_arguments_by_system_v_memory(self):
        self.arguments("sysv")


if __name__ == "__main__":
    support.main()
