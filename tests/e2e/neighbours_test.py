"""What else runs on the machine, and what a program's privileges would let it do there: another
sandbox of the same user, processes outside, network interfaces, callgate's own memory."""

import os
import subprocess
import textwrap
import unittest
from pathlib import Path

import support
from support import BUILD, CALLGATE, IS_ROOT, environment, need, needs_root

BASE = "path allow read,execute /usr/** /etc/**\n"
AREA = 64 << 20  # bytes of an argument area

# Every argument area that it finds: whether it can be made writable, and attached so.
SEGMENTS = r"""
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
libc.shmat.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
libc.shmdt.argtypes = (ctypes.c_void_p,)
IPC_PRIVATE, IPC_RMID, IPC_SET, IPC_STAT, SHM_STAT, SHM_INFO, SHM_DEST = 0, 0, 1, 2, 13, 14, 0o1000
NOBODY = ctypes.c_void_p(-1).value

class Segment(ctypes.Structure):  # shmid64_ds
    _fields_ = [("key", ctypes.c_int), *((name, ctypes.c_uint) for name in ("uid", "gid", "cuid", "cgid")),
                ("mode", ctypes.c_uint), ("seq", ctypes.c_ushort), ("unused", ctypes.c_ulong * 2),
                ("size", ctypes.c_size_t), ("rest", ctypes.c_ulong * 20)]

def change(number, mode):
    state = Segment()
    if libc.shmctl(number, IPC_STAT, ctypes.byref(state)) < 0:
        return "refused"
    state.mode = mode
    return "changed" if libc.shmctl(number, IPC_SET, ctypes.byref(state)) == 0 else "refused"

def attach(number, address):
    at = libc.shmat(number, address, 0)
    if at == NOBODY:
        return "refused"
    libc.shmdt(at)
    return "attached"

found = 0
for index in range(libc.shmctl(0, SHM_INFO, ctypes.byref(Segment())) + 1):
    state = Segment()
    number = libc.shmctl(index, SHM_STAT, ctypes.byref(state))
    if number >= 0 and state.size == 64 << 20 and state.mode & SHM_DEST:
        found += 1
        print(f"area {number}:", change(number, 0o777), change(number, state.mode & 0o777),
              *(attach(number, address) for address in (None, 0x6000_0000, 1 << 40)))
for size in (4096, 64 << 20):
    own = libc.shmget(IPC_PRIVATE, size, 0o1600)  # IPC_CREAT
    print("own:", change(own, 0o640), *(attach(own, address) for address in (None, 0x6000_0000, 1 << 40)))
    libc.shmctl(own, IPC_RMID, None)
print("found", found)
"""


def areas():
    """The rights of every argument area there is, by its number, as the kernel tells anybody."""
    lines = [line.split() for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]]
    return {int(line[1]): int(line[2], 8) & 0o777 for line in lines if int(line[3]) == AREA}


class Started(support.WorldTest):
    def start(self, argv, **options):
        process = subprocess.Popen([str(a) for a in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   cwd=self.work, env=environment(), **options)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            stream.close()


class AnotherSandbox(Started):
    def test_its_argument_area_is_not_made_writable(self):
        policy = self.policy(BASE + "network deny all\n")
        other = self.start(support.gated(policy, ["sh", "-c", "echo ready; read line"]))
        other.stdout.readline()
        before = areas()
        outcome = self.run_gated(policy, ["python3", "-Sc", SEGMENTS])
        lines = outcome.text.splitlines()
        self.assertStatus(outcome, 0)
        self.assertGreaterEqual(int(lines[-1].removeprefix("found ")), 2, f"\n{outcome}")  # and its own
        for line in lines[:-3]:
            self.assertEqual(line.partition(": ")[2], " ".join(["refused"] * 5), f"\n{outcome}")
        self.assertEqual(lines[-3:-1], ["own: changed attached attached attached"] * 2, f"\n{outcome}")
        self.assertSays(outcome, "argument area")
        after = areas()
        self.assertEqual([(number, oct(mode)) for number, mode in after.items() if mode & 0o222], [])
        self.assertEqual({number: after.get(number, mode) for number, mode in before.items()}, before)

    @unittest.skipIf(IS_ROOT, "who is root runs what becomes another user")
    def test_an_area_is_nobody_else_s_to_read(self):
        policy = self.policy(BASE + "network deny all\n")
        other = self.start(support.gated(policy, ["sh", "-c", "echo ready; read line"]))
        other.stdout.readline()
        self.assertIn(0o500, areas().values())


class Privileges(support.WorldTest):
    @needs_root
    @need("setpriv")
    def test_the_area_s_file_is_out_of_reach_of_any_capability(self):
        """/proc/self/map_files opens what is mapped for some that are not root."""
        policy = self.policy("path allow all /**\nnetwork deny all\n")
        for each in (self.work / "ok.dat", self.root / "key"):
            each.write_text("harmless\n")
        env = environment(ATTACK_T=str(self.work), ATTACK_S=str(self.root), TMPDIR=str(self.work))
        for capability in ("checkpoint_restore", "sys_admin", "dac_override"):
            held = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps",
                    f"+{capability}", "--ambient-caps", f"+{capability}"]
            with self.subTest(capability):
                if support.run([*held, "true"]).status != 0:
                    self.skipTest(f"no {capability} to be had")
                outcome = support.run([*held, *support.gated(policy, [BUILD / "attacks/area-map-files", "attack"])],
                                      cwd=self.work, env=env)
                self.assertStatus(outcome, 1)
                self.assertIn("HELD", outcome.text, f"\n{outcome}")
                if capability != "dac_override":  # without the others it does not even follow the link
                    self.assertSays(outcome, "argument area")

    INTERFACE = textwrap.dedent("""
        import fcntl, socket, struct
        for family, kind in ((1, 2), (2, 2)):
            try: held = socket.socket(family, kind)
            except OSError as error: print("socket", error.errno); continue
            def ask(command, value=0): return fcntl.ioctl(held, command, struct.pack("16si20x", b"lo", value))
            length = struct.unpack_from("i", ask(0x8942), 16)[0]  # SIOCGIFTXQLEN
            for name, command, value in (("length", 0x8943, length + 1), ("flags", 0x8914, 0), ("mtu", 0x8922, 9999)):
                try: ask(command, value); print(name, "set")
                except OSError as error: print(name, error.errno)
            print(struct.unpack_from("i", ask(0x8942), 16)[0] - length)
        """)

    @needs_root
    def test_no_interface_is_changed_where_the_network_is_denied(self):
        """By a socket of another family too, which asks no rule."""
        for rule, expected in (("deny", "length 1\nflags 1\nmtu 1\n0\nsocket 13\n"),
                               ("allow", "length set\nflags set\nmtu set\n1\n" * 2)):
            policy = self.policy(BASE + f"network {rule} all\n")
            outcome = support.run(["unshare", "--net", *support.gated(policy, ["python3", "-Sc", self.INTERFACE])],
                                  cwd=self.work)
            self.assertEqual(outcome.text, expected, f"\n{outcome}")

    @needs_root
    def test_no_packet_brings_an_address_of_its_own(self):
        program = textwrap.dedent("""
            import socket
            def attempt(what, call):
                try: print(what, call())
                except OSError as error: print(what, "error", error.errno)
            for family, level, option in ((2, 0, 3), (10, 41, 36)):
                attempt("raw", lambda: socket.socket(family, 3, 255).close())
                held = socket.socket(family, 3, 1 if family == 2 else 58)
                attempt("header", lambda: held.setsockopt(level, option, 1))
                attempt("ttl", lambda: held.setsockopt(0, 2, 9) if family == 2 else None)
                if family == 2:
                    attempt("there", lambda: held.sendto(b"\\x08\\0\\xf7\\xff" + bytes(4), ("127.0.0.1", 0)))
                    attempt("elsewhere", lambda: held.sendto(b"\\x08\\0\\xf7\\xff" + bytes(4), ("127.0.0.2", 0)))
            """)
        named = ["raw error 1", "header error 1", "ttl None", "there 8", "elsewhere error 13",
                 "raw error 1", "header error 1", "ttl None"]
        everything = ["raw None", "header None", "ttl None"] * 2
        for more, expected in (("network deny all\nnetwork allow raw send 127.0.0.1 [::1]:*\n", named),
                               ("network allow all\n", everything)):
            outcome = self.run_gated(BASE + more, ["python3", "-Sc", program])
            lines = outcome.text.splitlines()
            if more == "network allow all\n":  # with its own header this is no packet, or goes nowhere
                lines = [line for line in lines if not line.startswith(("there", "elsewhere"))]
            self.assertEqual(lines, expected, f"\n{outcome}")


# Outside of callgate, in a pid namespace: starts it, and gives a number that the program has made
# free to a process of its own.
OUTSIDE = r"""
import os, signal, subprocess, sys
inside = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
reached = reborn = 0
for line in inside.stdout:
    what, _, number = line.strip().partition(" ")
    if what != "free":
        print(line.strip(), flush=True)
        continue
    with open("/proc/sys/kernel/ns_last_pid", "w") as last:
        last.write(str(int(number) - 1))
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pause()
    reborn += child == int(number)
    print("next", file=inside.stdin, flush=True)
    assert inside.stdout.readline() == "sent\n"
    ended = os.waitpid(child, os.WNOHANG)[0] or os.kill(child, signal.SIGKILL) or 0
    reached += ended == child
    if not ended:
        reached += os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGTERM
    print("next", file=inside.stdin, flush=True)
print("reborn", reborn > 0, "reached", reached, "status", inside.wait(), flush=True)
"""

# The killer is the least urgent process of a busy CPU: its victim is gone before it goes on.
INSIDE = r"""
import mmap, os, signal, struct, sys, time
shared = mmap.mmap(-1, 4096)
BUSY, CALLING = 0, 1
asked, ask = os.pipe()
answered, answer = os.pipe()
cpus = sorted(os.sched_getaffinity(0))
parent = os.getpid()
hog = os.fork()
if hog == 0:
    os.sched_setaffinity(0, cpus[:1])
    while os.getppid() == parent:
        while shared[BUSY]: pass
        time.sleep(0.0002)
killer = os.fork()
if killer == 0:
    os.sched_setaffinity(0, cpus[:1])
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    while question := os.read(asked, 4):
        victim = struct.unpack("i", question)[0]
        shared[CALLING] = 1
        try: os.kill(victim, signal.SIGTERM)
        except OSError: pass
        os.write(answer, b"x")
os.sched_setaffinity(0, cpus[-1:])
for _ in range(int(sys.argv[1])):
    victim = os.fork()
    if victim == 0:
        signal.pause()
    shared[CALLING] = 0
    shared[BUSY] = 1
    os.write(ask, struct.pack("i", victim))
    while not shared[CALLING]: os.sched_yield()
    time.sleep(0.001)
    os.kill(victim, signal.SIGKILL)
    os.waitpid(victim, 0)
    print("free", victim, flush=True)
    sys.stdin.readline()
    shared[BUSY] = 0
    os.read(answered, 1)
    print("sent", flush=True)
    sys.stdin.readline()
for helper in (killer, hog):
    os.kill(helper, signal.SIGKILL)
    os.waitpid(helper, 0)
try: os.kill(1, 0); print("init reached")
except PermissionError: print("init out of reach")
print("all sent", flush=True)
"""


class ProcessNumbers(Started):
    def test_a_signal_does_not_reach_who_is_given_the_number_meanwhile(self):
        own = [] if IS_ROOT else ["--user", "--map-root-user"]
        namespace = ["unshare", *own, "--pid", "--fork", "--kill-child", "--mount-proc"]
        probe = support.run([*namespace, "sh", "-c", "echo 100 > /proc/sys/kernel/ns_last_pid"])
        if probe.status != 0:
            self.skipTest(f"no pid namespace to be had: {probe.errors.strip()}")
        policy = self.policy(BASE + "network deny all\n")
        outcome = support.run([*namespace, "python3", "-Sc", OUTSIDE,
                               *support.gated(policy, ["python3", "-Sc", INSIDE, "6"])], cwd=self.work)
        self.assertEqual(outcome.text, "init out of reach\nall sent\nreborn True reached 0 status 0\n", f"\n{outcome}")


if __name__ == "__main__":
    support.main()
