"""Something happens in the middle of every step that the monitor makes.

tests/programs/inject.cc runs callgate with its monitor under ptrace and stops it at each of its own
system calls while a victim in the sandbox makes allowed and denied calls. At one of these steps a
round, the victim is killed, stopped, or execs in another thread; its names become links, its
arguments other arguments; callgate's own processes die; a call of the monitor fails. Whatever is
injected: nothing denied is carried out, nothing hangs, nobody is left behind, and the calls after it
are answered as before, or all has ended with a word about it.

A test takes every CALLGATE_INJECT_STRIDE-th step (else 17); 1 takes them all.
"""

import os
import shutil

import support

STRIDE = int(os.environ.get("CALLGATE_INJECT_STRIDE", "17"))
PROGRAMS = support.BUILD / "programs"
KINDS = ("open", "change", "connect", "bind", "send", "exec", "clone", "signal", "launch")


class InjectionTest(support.WorldTest):
    VICTIM = "inject_victim"

    def setUp(self):
        super().setUp()
        for name in ("inject", "inject_victim"):
            if not (PROGRAMS / name).exists():
                self.fail(f"not built: {PROGRAMS / name}")
        if not (PROGRAMS / self.VICTIM).exists():
            self.skipTest("not built for want of a 32-bit compiler: " + self.VICTIM)
        if self.VICTIM.endswith("32"):
            support.need_32_bits(self, PROGRAMS / self.VICTIM)
        inner, secret = self.root / "t", self.root / "s"
        (inner / "dir").mkdir(parents=True)
        secret.mkdir()
        for name in ("me", "plain", "dir/inner"):
            (inner / name).write_text("harmless\n")
        for name in ("key", "inner"):
            (secret / name).write_text("canary\n")
        for name in ("t/program", "t/victim", "s/program"):
            shutil.copy(PROGRAMS / self.VICTIM, self.root / name)
            (self.root / name).chmod(0o755)
        (inner / "way").symlink_to(secret / "key")
        for name, target in (("me", "key"), ("dir", "."), ("program", "program"),
                             ("server", "server")):
            (inner / f"link-{name}").symlink_to(secret / target)

    def sweep(self, kind, *actions, stride=STRIDE):
        for number, action in enumerate(actions):
            offset = 1 + (KINDS.index(kind) + number) % min(stride, 7)
            outcome = support.run([PROGRAMS / "inject", kind, action, stride, offset, self.root,
                                   "--", support.CALLGATE], cwd=self.root,
                                  timeout=300 if STRIDE > 1 else 7200)
            print(outcome.text.strip(), flush=True)
            with self.subTest(kind=kind, action=action):
                self.assertStatus(outcome, 0)


TRACEE = ("kill", "stop", "exec", "swap", "flip", "keeper")
FAULTS = ("EMFILE", "ENOMEM", "EIO", "ESRCH")
WHOLE = ("rootkill", "front", "monitor")


class InjectionTest32(InjectionTest):
    """The same victim with calls of the i386 ABI."""
    VICTIM = "inject_victim_32"


def test_of(kind, actions, factor):
    """`factor`: these cost a run of callgate each, so fewer of them are taken."""
    # A name that is bound keeps the program's spelling, and what someone outside the sandbox does
    # to the directories meanwhile is theirs to do (docs/threats.md): storms_test has those inside.
    chosen = [a for a in actions if (kind, a) != ("bind", "swap")]
    stride = 1 if STRIDE == 1 else STRIDE * factor
    return lambda self: self.sweep(kind, *chosen, stride=stride)


for _kind in KINDS[:-1]:
    setattr(InjectionTest, f"test_{_kind}_tracee", test_of(_kind, TRACEE, 1))
    setattr(InjectionTest, f"test_{_kind}_faults", test_of(_kind, FAULTS, 1))
    setattr(InjectionTest, f"test_{_kind}_processes", test_of(_kind, WHOLE, 3))
    # Inherited tests would run twice; of these calls it is the tracee's side that differs.
    setattr(InjectionTest32, f"test_{_kind}_tracee", test_of(_kind, (*TRACEE, "EIO"), 2))
    for _side in ("faults", "processes"):
        setattr(InjectionTest32, f"test_{_kind}_{_side}", None)
setattr(InjectionTest, "test_launch_faults", test_of("launch", FAULTS, 2))
setattr(InjectionTest, "test_launch_processes", test_of("launch", WHOLE, 2))
InjectionTest32.test_launch_faults = InjectionTest32.test_launch_processes = None


if __name__ == "__main__":
    support.main()
