"""Every attack of attacks/, five ways.

bare      it must take the prey, by each of its ways alone, else it proves nothing (`bare: held` where
          the kernel forbids it)
models    under each model its head names it must take the prey, so that the lesson is true
sealed    the default: the prey stays, callgate ends properly and names the real object
twin      the same calls on what is allowed must work, so that "deny everything" cannot pass
offload   where the policy, in plain trees, can be left to Landlock: sealed and twin once more so

The judge is this driver, not the program: it owns the canary file, the listeners and the victim.
The head of each file is a contract; its keys:

    attack class severity            what, where, how bad
    models: naive canonical          falls under these
    policy:                          lines of policy; $T $S $PORT $TCP $UDP $OK_TCP $OK_UDP $TOKEN
    report: TEXT                     must appear in what callgate says (repeatable); `none`: silence
                                     is fine (the filter refused, or the kernel did)
    refused: TEXT                    a policy (escapes as in C, @64K@: as many letters) that callgate must
                                     not use: exit 125, nothing started, for each of them
    needs: root | x86 | aarch64 ...  else skipped, saying so
    launch: WORD ...                 inherit-dirfd, victim, tty, marker, late; own-files: policy and log lie
                                     in $T; pid-namespace, mount-namespace: all of it in one of its own
    prepare: COMMAND                 of the shell, in the mount namespace; a failure skips
    bits: 64, for REASON             no i386 program (attacks32_test.py); runs as this machine's alone
    time: MS                         how long a race runs at most
    bare: held                       nothing to win without a monitor
    default: held | any              `any`: the sandbox may be killed over it

A way of several (way() in tests/support/attack.h) that cannot win bare for what this kernel or user
lacks is skipped, with its reason.

What must win may take its time and ends when it has won. Sealed, a race runs twice as long as its
slowest win took, at least RACE and at most its head's `time`; CALLGATE_RACE_MS is another length.
Races want the CPUs to themselves: races_test.py and races32_test.py run them, everything else is here
and in attacks32_test.py. CALLGATE_SECOND_USER leaves out what has run for another user and is
alike for both: the models, and the twins of the races.
"""

import array
import contextlib
import errno
import os
import pty
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest
import fcntl
from pathlib import Path

import support
from support import SOURCE, BUILD, CALLGATE, IS_ROOT, environment, remove_tree, run, snapshot

MACHINE = {"x86_64": "x86", "i686": "x86"}.get(os.uname().machine, os.uname().machine)
NAMESPACES = {"pid-namespace": ("--pid", "--fork", "--kill-child", "--mount-proc"),
              "mount-namespace": ("--mount",)}
RACE = 1500  # ms
WHOLE = {"symlink-swap"}  # the race of the README: ten seconds, not one success
SECOND_USER = "CALLGATE_SECOND_USER" in os.environ
KEYS = ("attack", "class", "severity", "models", "trap", "naive", "kernel", "sealed", "source",
        "policy", "report", "refused", "needs", "launch", "prepare", "bits", "time", "bare", "default")
REQUIRED = ("attack", "class", "severity", "trap", "naive", "kernel", "sealed", "source", "policy",
            "report")
CLASSES = {"state", "names", "indirect", "races", "abi", "lifecycle", "seccomp", "effects", "input"}


def read_head(path):
    """The fixed comment at the top of an attack, as {key: [lines]}."""
    head, key = {}, None
    for line in path.read_text().splitlines():
        if not line.startswith("//"):
            break
        match = re.match(r"// ([a-z]+): ?(.*)$", line) or re.match(r"// ([a-z]+):$", line)
        if match and match[1] in KEYS:
            key = match[1]
            head.setdefault(key, [])
            if match[2]:
                head[key].append(match[2].strip())
        elif key:
            head[key].append(line[2:].strip())
    return head


class Prey:
    """The secret tree, the listeners and the victim; remembers every contact."""

    def __init__(self, root, launch):
        self.token = "canary-" + secrets.token_hex(16)
        self.t, self.s = root / "t", root / "s"
        self.t.mkdir()
        (self.s / "sub").mkdir(parents=True)
        (self.t / "ok.dat").write_text("harmless\n")
        (self.s / "key").write_text(self.token + "\n")
        (self.s / "run").write_text(f"#!/bin/sh\necho {self.token}\n")
        (self.s / "line").write_text(f"#!/usr/bin/echo {self.token}\n")
        for script in ("run", "line"):
            os.chmod(self.s / script, 0o755)
        shutil.copy("/bin/echo", self.s / "program")
        os.chmod(self.s / "key", 0o600)
        inner = Path(str(self.s / "root") + str(self.t))  # what a chroot to $S/root would see as $T
        inner.mkdir(parents=True)
        (inner / "ok.dat").write_text(self.token + "\n")
        self.contacts, self.sockets, self.victim, self.own = [], [], None, {}
        self.stop = False
        self.tcp = self._inet(socket.SOCK_STREAM, "tcp")
        self.udp = self._inet(socket.SOCK_DGRAM, "udp")
        self.ok_tcp = self._inet(socket.SOCK_STREAM, None)
        self.ok_udp = self._inet(socket.SOCK_DGRAM, None)
        self._unix(socket.SOCK_STREAM, str(self.s / "broker.sock"), "broker")
        self._unix(socket.SOCK_DGRAM, str(self.s / "dgram.sock"), "dgram")
        self._unix(socket.SOCK_STREAM, "\0" + self.token, "abstract")
        self._unix(socket.SOCK_DGRAM, "\0" + self.token + "-dgram", "abstract-dgram")
        self._unix(socket.SOCK_STREAM, str(self.t / "giver.sock"), None, self._give)
        self._unix(socket.SOCK_STREAM, str(self.t / "ok.sock"), None)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        if "victim" in launch:
            # In a group of its own, where no other user's process is.
            self.victim = subprocess.Popen(["sleep", "600"], stdin=subprocess.PIPE, process_group=0)
            self.victim.stdin.write(self.token.encode() + b"\n")  # which it never reads
            self.victim.stdin.flush()
        self.before = snapshot(self.s)

    def _serve(self, sock, name, reply):
        sock.settimeout(0.2)
        self.sockets.append(sock)

        def loop():
            while not self.stop:
                try:
                    if sock.type == socket.SOCK_STREAM:
                        peer, _ = sock.accept()
                        if name:
                            self.contacts.append(name)
                        with peer:
                            reply(peer)
                    else:
                        sock.recv(65536)
                        if name:
                            self.contacts.append(name)
                except TimeoutError:
                    continue
                except OSError as error:
                    if error.errno == errno.EBADF:
                        return
        threading.Thread(target=loop, daemon=True).start()

    def _inet(self, kind, name):
        """The same port on 127.0.0.1 and, where there is IPv6, on ::1."""
        while True:
            four = socket.socket(socket.AF_INET, kind)
            four.bind(("127.0.0.1", 0))
            port = four.getsockname()[1]
            six = None
            try:
                six = socket.socket(socket.AF_INET6, kind)
                six.bind(("::1", port))
            except OSError as error:
                if six:
                    six.close()
                if error.errno == errno.EADDRINUSE:
                    four.close()
                    continue
                six = None
            for sock in filter(None, (four, six)):
                if kind == socket.SOCK_STREAM:
                    sock.setsockopt(socket.IPPROTO_TCP, 23, 16)  # TCP_FASTOPEN
                    sock.listen(64)
                self._serve(sock, name, self._answer if name else self._greet)
            return port

    def _unix(self, kind, address, name, reply=None):
        sock = socket.socket(socket.AF_UNIX, kind)
        sock.bind(address)
        if not address.startswith("\0"):
            os.chmod(address, 0o777)
        if kind == socket.SOCK_STREAM:
            sock.listen(64)
        self._serve(sock, name, reply or (self._answer if name else self._greet))

    def _answer(self, peer):
        peer.sendall(self.token.encode() + b"\n")

    def _greet(self, peer):
        peer.sendall(b"hello\n")

    def _give(self, peer):
        directory = os.open(self.s, os.O_RDONLY | os.O_DIRECTORY)
        peer.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [directory]))])
        os.close(directory)

    def survivors(self):
        """What a run has left behind, if support.adopt_orphans() came first."""
        return support.orphans([self.victim.pid] if self.victim else [])

    def close(self):
        self.stop = True
        for sock in self.sockets:
            sock.close()
        if self.victim:
            self.victim.kill()
            self.victim.wait()
            self.victim.stdin.close()

    def expand(self, text):
        values = {"T": self.t, "S": self.s, "PORT": self.port, "TCP": self.tcp, "UDP": self.udp,
                  "OK_TCP": self.ok_tcp, "OK_UDP": self.ok_udp, "TOKEN": self.token}
        return re.sub(r"\$([A-Z_]+)", lambda m: str(values.get(m[1], m[0])), text)

    def environment(self, milliseconds):
        return environment(
            ATTACK_T=str(self.t), ATTACK_S=str(self.s), ATTACK_MS=str(milliseconds),
            ATTACK_PORT=str(self.port), ATTACK_TCP=str(self.tcp), ATTACK_UDP=str(self.udp),
            ATTACK_OK_TCP=str(self.ok_tcp), ATTACK_OK_UDP=str(self.ok_udp),
            ATTACK_ABSTRACT=self.token,  # the name; the prey of those listeners is the contact
            ATTACK_VICTIM=str(self.victim.pid if self.victim else 0), TMPDIR=str(self.t))

    def lost(self, outcome):
        """What the attack got, or None."""
        if b"PREY-TAKEN" in outcome.out:
            return "the token was printed: " + outcome.text[-300:]
        if self.contacts:
            return f"contacted: {self.contacts}"
        after = snapshot(self.s)
        if after != self.before:
            return f"the secret tree changed: {set(after.items()) ^ set(self.before.items())}"
        if self.victim and self.victim.poll() is not None:
            return "the victim was killed"
        for path, begins in self.own.items():
            text = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            if not text.startswith(begins) or (path.suffix == ".policy" and text != begins):
                return f"callgate's own file {path.name} was changed"
        return None

    def place_own_files(self, policy):
        """The policy, a part of it and the log, where the program may write."""
        self.own = {self.t / "attack.policy": (policy + f"include {self.t}/part.policy\n").encode(),
                    self.t / "part.policy": b"network deny all\n",
                    self.t / "callgate.log": b'{"earlier":"record"}\n'}
        for path, text in self.own.items():
            path.write_bytes(text)
        (self.t / "link.policy").symlink_to("attack.policy")
        return self.t / "link.policy"


def run_on_tty(argv, env, timeout):
    """Runs on a pseudo-terminal of its own, as the controlling one; stderr stays apart."""
    master, slave = pty.openpty()
    flags = termios.tcgetattr(slave)
    flags[3] &= ~termios.ECHO
    termios.tcsetattr(slave, termios.TCSANOW, flags)

    def own_terminal():
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    process = subprocess.Popen(
        [str(a) for a in argv], env=env, stdin=slave, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, start_new_session=True, preexec_fn=own_terminal)
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        process.kill()
        os.close(slave)
        os.close(master)
    return support.Outcome(support.shell_status(process.returncode), out, err)


def in_plain_trees(text, prey):
    """The policy as Landlock could have it, granting the same of what the attack touches."""
    text = text.replace("read,execute /usr/**", "read,execute /usr/")
    text = text.replace(f"path allow {prey.t}/\n", f"path allow read {prey.t}\npath allow {prey.t}/**\n")
    return (f"runtime none\npath allow read,execute /usr/ {BUILD}/\npath allow read /etc/\n"
            "path allow read,write /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty\n" + text)


def hostile(text):
    """The bytes of a policy that is written with escapes."""
    return text.encode().decode("unicode_escape").encode("latin-1").replace(b"@64K@", b"x" * 65536)


class Attack:
    programs = "attacks"  # the folder of the build tree

    def __init__(self, path):
        self.path, self.id, self.head = path, path.stem, read_head(path)
        self.program = BUILD / self.programs / self.id
        self.models = " ".join(self.head.get("models", [])).split()
        self.needs = " ".join(self.head.get("needs", [])).split()
        self.launch = " ".join(self.head.get("launch", [])).split()
        self.reports = self.head.get("report", [])
        self.most = int(self.head.get("time", ["3000"])[0])
        self.slowest_win = 0  # ms
        self.race = self.head["class"] == ["races"] or ("time" in self.head and bool(self.models))

    def check_needs(self, test):
        for machine in ("x86", "aarch64"):
            if machine in self.needs and machine != MACHINE:
                test.skipTest(f"needs an {machine} machine")
        if not self.program.exists():
            test.skipTest(f"not built: {self.program}")
        if "root" in self.needs and not IS_ROOT:
            test.skipTest("needs root to set up")
        if "user" in self.needs and IS_ROOT:
            test.skipTest("shown only to an ordinary user")
        if "ipv6" in self.needs and not os.path.exists("/proc/net/if_inet6"):
            test.skipTest("needs IPv6")
        if "user-namespace" in self.needs and subprocess.run(["unshare", "--user", "--mount", "true"], capture_output=True).returncode:
            test.skipTest("needs a user namespace, and none is to be had")
        if self.namespace():
            probe = subprocess.run([*self.namespace(), "true"], capture_output=True, text=True)
            if probe.returncode != 0:
                test.skipTest(f"no namespace to be had: {probe.stderr.strip()}")

    def namespace(self):
        """What a command line begins with where the launch asks for a namespace."""
        flags = [flag for word in self.launch for flag in NAMESPACES.get(word, ())]
        own_user = () if IS_ROOT else ("--user", "--map-root-user")
        return ["unshare", *own_user, *flags] if flags else []

    def in_namespace(self, prey, argv):
        if "prepare" not in self.head:
            return [*self.namespace(), *argv]
        commands = prey.expand(" && ".join(self.head["prepare"]))
        script = f'{{ {commands}; }} 2>&1 || {{ echo "SKIP the set-up failed"; exit 77; }}; exec "$@"'
        return [*self.namespace(), "sh", "-c", script, "sh", *argv]

    def milliseconds(self, mode, must_win):
        """How long a race of this run may take."""
        if must_win:
            return max(self.most * 10, 60000)
        if os.environ.get("CALLGATE_RACE_MS"):
            return int(os.environ["CALLGATE_RACE_MS"])
        if mode == "twin":
            return min(self.most, 1000)
        if self.id in WHOLE:
            return self.most
        return min(self.most, max(RACE, 2 * self.slowest_win))

    def play(self, mode, model=None, gated=True, refused=None, way=None, offload=False):
        """One run in a fresh world: (outcome, what was lost). `refused` replaces the policy, `way` asks
        for one way alone, or by "?" for their names. `offload`: (None, why) where it is not to be had."""
        root = Path(os.path.realpath(tempfile.mkdtemp(prefix="callgate-attack-")))
        os.chmod(root, 0o755)
        prey = Prey(root, self.launch)
        must_win = mode == "attack" and (model or not gated) and "bare" not in self.head
        milliseconds = self.milliseconds(mode, must_win)
        if offload:  # the kernel judges as it acts: there is no window to wait for
            milliseconds = min(milliseconds, 500)
        env = prey.environment(milliseconds)
        if way is not None:
            env["ATTACK_WAY"] = way
        argv, extra = [str(self.program), mode], {}
        text = "".join(prey.expand(line) + "\n" for line in self.head["policy"])
        policy = root / "attack.policy"
        if "own-files" in self.launch:
            policy = prey.place_own_files(text)
        else:
            if offload:
                text = in_plain_trees(text, prey)
            policy.write_bytes(text.encode() if refused is None else hostile(prey.expand(refused)))
        if gated:
            argv = [CALLGATE, "run", "--policy", str(policy),
                    *(["--model", model] if model else []), *(["--quiet"] if offload else []),
                    *(["--log", str(prey.t / "callgate.log")] if "own-files" in self.launch else []),
                    *(["--inherit-fds"] if "inherit-dirfd" in self.launch else []), "--", *argv]
        argv = self.in_namespace(prey, argv)
        opened = []
        if "inherit-dirfd" in self.launch:
            fd = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
            opened.append(fd)
            env["ATTACK_DIRFD"] = str(fd)
            extra["pass_fds"] = (fd,)
        if "marker" in self.launch:
            env["CALLGATE_E2E_MARKER"] = prey.token
        try:
            if offload and "Landlock (with --quiet)" not in run([CALLGATE, "check", "--show", policy]).text:
                return None, "its policy is not one of plain trees", []
            limit = 60 + max(milliseconds, self.most) / 1000
            began = time.monotonic()
            if "tty" in self.launch:
                outcome = run_on_tty(argv, env, limit)
            else:
                outcome = run(argv, cwd=prey.t, env=env, timeout=limit, **extra)
            if must_win:
                self.slowest_win = max(self.slowest_win, int((time.monotonic() - began) * 1000))
            if "late" in self.launch:  # survivors show themselves until the last of them has ended
                deadline = time.monotonic() + 60
                while (left := prey.survivors()) and not prey.lost(outcome):
                    if time.monotonic() > deadline:
                        raise AssertionError(f"who survived lives on: {left}")
                    time.sleep(0.02)
            time.sleep(0.02)  # a datagram on its way to a listener thread
            return outcome, prey.lost(outcome), [prey.expand(r) for r in self.reports]
        finally:
            for pid in prey.survivors():
                with contextlib.suppress(PermissionError):
                    os.kill(pid, signal.SIGKILL)
            prey.close()
            for fd in opened:
                os.close(fd)
            remove_tree(root)


class AttackTest(unittest.TestCase):
    attack: Attack

    def setUp(self):
        self.attack.check_needs(self)

    def gate(self):
        if not os.path.exists(CALLGATE):
            self.skipTest(f"callgate is not built: {CALLGATE}")

    def not_skipped(self, outcome, gated=True):
        """Skips what this machine cannot show: what it cannot show without callgate either."""
        if outcome.status == 77 and gated:
            outcome = self.attack.play("attack", gated=False)[0]
        if outcome.status == 77:
            self.skipTest(outcome.text.strip())

    def test_0_head(self):
        head = self.attack.head
        self.assertEqual([k for k in REQUIRED if not head.get(k)], [])
        self.assertEqual(head["attack"], [self.attack.id])
        self.assertEqual(head["class"], [self.attack.path.parent.name])
        self.assertIn(head["class"][0], CLASSES)
        self.assertIn(head["severity"][0], ("critical", "high", "medium", "low"))

    def test_1_bare(self):
        if self.attack.head.get("bare") == ["held"]:
            outcome, lost, _ = self.attack.play("attack", gated=False)
            self.not_skipped(outcome, gated=False)
            self.assertEqual(outcome.status, 1, f"\n{outcome}")
            self.assertIsNone(lost)
            return
        outcome, lost, _ = self.attack.play("attack", gated=False, way="?")
        ways = list(dict.fromkeys(re.findall(r"^WAY (.+)$", outcome.text, re.MULTILINE)))
        if not ways:
            self.not_skipped(outcome, gated=False)
            self.assertIsNotNone(lost, f"the attack is void: bare, it got nothing\n{outcome}")
            return
        lacking = {}
        for way in ways:
            with self.subTest(way=way):
                outcome, lost, _ = self.attack.play("attack", gated=False, way=way)
                if outcome.status == 77 and lost is None:
                    lacking[way] = re.sub(r"^.*SKIP ", "", outcome.text.strip(), flags=re.DOTALL)
                else:
                    self.assertIsNotNone(lost, f"the way is void: bare, it got nothing\n{outcome}")
        print(f"\n{self.attack.id}: {len(ways) - len(lacking)} of {len(ways)} ways tried bare")
        for way, reason in lacking.items():
            print(f"  {self.attack.id}, {way}: skipped {reason!r}")
        if len(lacking) == len(ways):
            self.skipTest("; ".join(sorted(set(lacking.values()))))

    def alike(self):
        if SECOND_USER:
            self.skipTest("alike for every user, and has run for another")

    def test_2_models(self):
        self.gate()
        if self.attack.models:
            self.alike()
        for model in self.attack.models:
            with self.subTest(model=model):
                outcome, lost, _ = self.attack.play("attack", model)
                self.not_skipped(outcome)
                self.assertIsNotNone(lost, f"the {model} model held, its head says it falls\n{outcome}")

    def test_3_sealed(self):
        self.gate()
        outcome, lost, reports = self.attack.play("attack")
        self.not_skipped(outcome)
        self.assertIsNone(lost, f"\n{outcome}")
        if self.attack.head.get("default") != ["any"]:
            self.assertIn(outcome.status, (1, 77), f"callgate or the program did not end properly\n{outcome}")
            self.assertRegex(outcome.text, "HELD|SKIP", f"\n{outcome}")
        self.assertLess(len(outcome.err), 1 << 20, "the report can be flooded")
        raw = set(outcome.err) - set(range(0x20, 0x7f)) - {0x0a}
        self.assertEqual(raw, set(), f"bytes that speak to a terminal\n{outcome.err!r}")
        for report in reports:
            if report != "none":
                self.assertIn(report, outcome.errors, f"the report does not say it\n{outcome}")

    def test_4_twin(self):
        if self.attack.race:
            self.alike()
        bare, lost, _ = self.attack.play("twin", gated=False)
        self.not_skipped(bare, gated=False)
        self.assertEqual((bare.status, "TWIN-OK" in bare.text), (0, True), f"bare twin\n{bare}")
        self.gate()
        outcome, lost, _ = self.attack.play("twin")
        self.assertEqual((outcome.status, "TWIN-OK" in outcome.text), (0, True), f"\n{outcome}")
        self.assertIsNone(lost, f"\n{outcome}")

    def test_6_offload(self):
        self.gate()
        if IS_ROOT:
            self.skipTest("nothing is left to Landlock where callgate is privileged")
        if self.attack.launch != [word for word in self.attack.launch if word in ("victim", "marker")]:
            self.skipTest("its launch is another's test")
        outcome, lost, _ = self.attack.play("attack", offload=True)
        if outcome is None:
            self.skipTest(lost)
        self.assertIsNone(lost, f"\n{outcome}")
        if self.attack.head.get("default") != ["any"]:
            self.assertIn(outcome.status, (1, 77), f"callgate or the program did not end properly\n{outcome}")
        outcome, lost, _ = self.attack.play("twin", offload=True)
        self.assertIsNone(lost, f"\n{outcome}")
        if "SKIP" not in outcome.text:
            self.assertEqual((outcome.status, "TWIN-OK" in outcome.text), (0, True), f"\n{outcome}")

    def test_5_refused(self):
        self.gate()
        for text in self.attack.head.get("refused", []):
            with self.subTest(policy=text):
                outcome, lost, _ = self.attack.play("attack", refused=text)
                self.assertEqual((outcome.status, outcome.text), (125, ""), f"\n{outcome}")
                self.assertRegex(outcome.errors, r"attack\.policy:\d+:\d+: ", f"\n{outcome}")
                self.assertIsNone(lost)


def load_tests(loader, _tests, _pattern, kind=Attack, races=False):
    support.adopt_orphans()
    suite = unittest.TestSuite()
    wanted = os.environ.get("CALLGATE_ATTACKS", "").split()
    paths = sorted((SOURCE / "attacks").glob("*/*.cc"))
    for path in paths:
        attack = kind(path)
        if attack.id not in wanted if wanted else attack.race != races:
            continue
        case = type(path.stem.replace("-", "_"), (AttackTest,), {"attack": attack})
        suite.addTests(loader.loadTestsFromTestCase(case))
    return suite


if __name__ == "__main__":
    support.main()
