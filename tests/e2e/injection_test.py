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
import subprocess
import unittest

import support

STRIDE = int(os.environ.get("CALLGATE_INJECT_STRIDE", "17"))
PROGRAMS = support.BUILD / "programs"
KINDS = ("open", "change", "connect", "bind", "send", "exec", "clone", "signal")


class InjectionTest(support.WorldTest):
    def setUp(self):
        super().setUp()
        for name in ("inject", "inject_victim"):
            if not (PROGRAMS / name).exists():
                self.fail(f"not built: {PROGRAMS / name}")
        inner, secret = self.root / "t", self.root / "s"
        (inner / "dir").mkdir(parents=True)
        secret.mkdir()
        for name in ("me", "plain", "dir/inner"):
            (inner / name).write_text("harmless\n")
        for name in ("key", "inner"):
            (secret / name).write_text("canary\n")
        for name in ("t/program", "t/victim", "s/program"):
            shutil.copy(PROGRAMS / "inject_victim", self.root / name)
            (self.root / name).chmod(0o755)
        (inner / "way").symlink_to(secret / "key")
        for name, target in (("me", "key"), ("dir", ""), ("program", "program"), ("server", "server")):
            (inner / f"link-{name}").symlink_to(secret / target)

    def sweep(self, kind, action, stride=STRIDE):
        offset = 1 + hash((kind, action)) % min(stride, 7) if stride > 1 else 1
        outcome = support.run([PROGRAMS / "inject", kind, action, stride, offset, self.root, "--",
                               support.CALLGATE], cwd=self.root, timeout=3600)
        print(outcome.text.strip(), flush=True)
        self.assertStatus(outcome, 0)


if __name__ == "__main__":
    support.main()
