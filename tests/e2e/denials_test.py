"""What a denial says can be copied: for each kind of denial the line that it offers, added to the
policy, lets the program run. And what it says is why."""

import os
import re
import shutil
import socket

import support
from support import IS_ROOT

PYTHON = "/usr/bin/python3"
BASE = "path allow read,execute /usr/**\npath allow read ${CWD}\n"
MOST_TURNS = 4  # a script is refused as a file, and then as a program's input

# Name, what the policy says besides, the program. It ends with 0 where the call was let through.
PATHS = [
    ("read", "", "open('f').read()"),
    ("write", "", "open('f', 'r+')"),
    ("create", "", "open('new', 'w').write('x')"),
    ("make a directory", "", "os.mkdir('d2')"),
    ("make a link", "", "os.symlink('x', 'l2')"),
    ("make a fifo", "", "os.mkfifo('p2')"),
    ("remove", "", "os.unlink('f')"),
    ("remove a directory", "", "os.rmdir('e')"),
    ("rename", "", "os.rename('f', 'g')"),
    ("rename over another", "path allow all {w}/f\n", "os.rename('f', 'old')"),
    ("link", "", "os.link('f', 'h')"),
    ("link to where more is granted", "path allow all {w}/new*\n", "os.link('f', 'newname')"),
    ("rename to where more is granted", "path allow delete {w}/f\npath allow all {w}/new*\n",
     "os.rename('f', 'newname')"),
    ("rename a directory to where more is granted", "path allow delete {w}/d\npath allow all {w}/new*/\n",
     "os.rename('d', 'newdir')"),
    ("exchange with where more is granted", "path allow create,delete {w}/old\npath allow all {w}/f\n",
     "import ctypes; assert ctypes.CDLL(None).syscall(316, -100, b'f', -100, b'old', 2) == 0"),
    ("chmod", "", "os.chmod('f', 0o600)"),
    ("fchmod", "path allow read {w}/\n", "os.fchmod(os.open('f', 0), 0o600)"),
    ("truncate", "", "os.truncate('f', 0)"),
    ("execute", "", "os.execv('prog', ['prog'])"),
    ("run a script", "", "os.execv('script', ['script'])"),
    ("map executable", "path allow read {w}/\n", "mmap.mmap(os.open('f', 0), 1, prot=5, flags=2)"),
    ("stat", "path deny stat {w}/f\n", "os.stat('f')"),
    ("readlink", "path deny stat {w}/l\n", "os.readlink('l')"),
    ("chdir", "path deny stat {w}/d\n", "os.chdir('d')"),
    ("a file without a name", "", "os.open('.', os.O_TMPFILE | os.O_RDWR)"),
    ("through a link", "", "open('l').read()"),
    ("a name that is a pattern", "", "open('a b#c*d[e]{{f,g}}h\\'i\"j$k~l!m\\\\n?o', 'w')"),
    ("a name that ends in a comma", "", "open('end,', 'w')"),
    ("a name that ends in a semicolon", "", "open('end;', 'w')"),
    ("a name with a newline", "", "open('n\\nl', 'w')"),
    ("a name that is no text", "", "open(b'\\xff\\xfe', 'w')"),
    ("a blank that is none", "", "open('\\u00a0x\\u2003', 'w')"),
    ("a kill", "path kill {w}/f\n", "open('f').read()"),
    ("another errno", "path deny as ENOENT {w}/f\n", "open('f').read()"),
]
NETWORK = [
    ("connect", "", "unheard(lambda: socket.create_connection(('127.0.0.1', 9)))"),
    ("connect by IPv6", "", "unheard(lambda: socket.create_connection(('::1', 9)))"),
    ("connect to IPv4 by IPv6", "", "unheard(lambda: socket.socket(10).connect(('::ffff:127.0.0.1', 9)))"),
    ("connect to anywhere", "", "unheard(lambda: socket.socket().connect(('0.0.0.0', 9)))"),
    ("bind", "", "socket.socket().bind(('127.0.0.1', 0))"),
    ("bind everywhere", "", "socket.socket(10).bind(('::', 0))"),
    ("listen", "network allow tcp bind *\nnetwork deny tcp listen\n",
     "s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()"),
    ("listen without an address", "network allow tcp create\n", "socket.socket().listen()"),
    ("send", "", "socket.socket(2, 2).sendto(b'x', ('127.0.0.1', 9))"),
    ("a unix socket with a name", "", "socket.socket(1).bind('newsock')"),
    ("connect to a unix socket", "", "unheard(lambda: socket.socket(1).connect('sock'))"),
    ("an abstract name", "", "socket.socket(1).bind('\\0abs tract/x*y')"),
    ("an abstract name that ends in a comma", "", "socket.socket(1).bind('\\0end,')"),
    ("an abstract name that is no text", "", "socket.socket(1).bind(b'\\0\\xff\\x00z')"),
    ("send to an abstract name", "", "unheard(lambda: socket.socket(1, 2).sendto(b'x', '\\0nobody'))"),
    ("make a unix socket", "network deny unix create\n", "socket.socket(1)"),
    ("netlink", "", "socket.socket(16, 3, 0).bind((0, 0))"),
    ("a signal to outside", "", "os.kill({parent}, 0)"),
]
CALLS = [
    ("a statement", "syscall deny mkdir\npath allow {w}/d2\n", "os.mkdir('d2')"),
    ("a statement with an argument", "syscall deny dup2 when arg1 == 77\n", "os.dup2(1, 77)"),
    ("a statement that kills", "syscall kill getpriority\n", "os.getpriority(0, 0)"),
    ("a call that must be allowed by name", "", "call(312, os.getpid(), os.getpid(), 1, 0, 0)"),  # kcmp
]
PRELUDE = """
import ctypes, mmap, os, socket
def call(*numbers):
    if ctypes.CDLL(None, use_errno=True).syscall(*numbers) == -1 and ctypes.get_errno() == 1: raise OSError(1)
def unheard(call):
    try: call()
    except ConnectionRefusedError: pass
"""


class Offered(support.WorldTest):
    def furnish(self):
        shutil.rmtree(self.work)
        self.work.mkdir()
        for name in ("f", "old"):
            (self.work / name).write_text("x")
        for name in ("d", "e"):
            (self.work / name).mkdir()
        (self.work / "d" / "inner").write_text("x")
        (self.work / "l").symlink_to("f")
        shutil.copy("/bin/true", self.work / "prog")
        (self.work / "script").write_text("#!/bin/sh\nexit 0\n")
        (self.work / "script").chmod(0o755)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.work / "sock"))

    def allowed_at_last(self, besides, program):
        text = BASE + besides.format(w=self.work)
        for _ in range(MOST_TURNS):
            self.furnish()
            outcome = self.run_gated(text, [PYTHON, "-Sc", PRELUDE + program.format(parent=os.getpid())])
            if outcome.status == 0:
                return outcome
            offered = [line for line in re.findall(r"; to allow: (.*)", outcome.errors)
                       if line not in text.splitlines()]
            self.assertTrue(offered, f"nothing new is offered\n{text}\n{outcome}")
            text += "".join(line + "\n" for line in offered)
        self.fail(f"still refused\n{text}\n{outcome}")

    def each(self, kinds):
        for name, besides, program in kinds:
            with self.subTest(name):
                first = self.run_refused(besides, program)
                self.assertIn("to allow: ", first.errors)
                self.allowed_at_last(besides, program)

    def run_refused(self, besides, program):
        self.furnish()
        outcome = self.run_gated(BASE + besides.format(w=self.work),
                                 [PYTHON, "-Sc", PRELUDE + program.format(parent=os.getpid())])
        self.assertNotEqual(outcome.status, 0, f"\n{outcome}")
        return outcome

    def test_lines_about_paths_allow(self):
        self.each(PATHS)

    def test_lines_about_sockets_and_signals_allow(self):
        self.each(NETWORK + ([("raw", "", "socket.socket(2, 3, 1)"),
                              ("packet", "", "socket.socket(17, 3, 0)")] if IS_ROOT else []))

    def test_lines_about_calls_allow(self):
        self.each(CALLS)

    def test_what_no_policy_allows_is_said_as_well(self):
        for name, call, why in [("ptrace", "call(101, 0, 0, 0, 0)", "it could undo the sandbox"),
                                ("mount", "call(165, 0, 0, 0, 0, 0)", "it could undo the sandbox"),
                                ("unshare", "call(272, 0x10000000)", "with these arguments"),
                                ("ioctl", "call(16, 0, 0x5412, 0)", "with these arguments")]:
            with self.subTest(name):
                outcome = self.run_refused("network allow all\n", call)
                self.assertIn(f"callgate: denied syscall {name} to python3", outcome.errors)
                self.assertIn(f"by callgate itself: {why}", outcome.errors)
                self.assertNotIn("to allow", outcome.errors)

    def test_what_a_kernel_may_lack_is_refused_without_a_word(self):
        program = ("import ctypes, threading\nc = ctypes.CDLL(None, use_errno=True)\n"
                   "assert c.syscall(435, 0, 0) == c.syscall(425, 8, 0) == c.syscall(1000) == -1\n"
                   "t = threading.Thread(); t.start(); t.join()\n")
        outcome = self.run_gated(BASE, [PYTHON, "-Sc", program])
        self.assertStatus(outcome, 0)
        self.assertEqual(outcome.errors, "")

    def test_a_name_that_would_grant_more_says_what_it_would_grant(self):
        outcome = self.run_refused("path allow all {w}/new*\n", "os.link('f', 'newname')")
        self.assertSays(outcome, "the new name would grant",
                        f"to allow: path allow read,write,create,delete,attributes,execute {self.work}/f",
                        f"path allow all {self.work}/new*")

    def test_what_the_policy_does_not_grant_either_is_the_policys_to_explain(self):
        # The directory holds callgate's own policy, which is no reason against listing it.
        policy = self.work / "own.policy"
        policy.write_text("path allow read,execute /usr/**\n")
        outcome = self.run_gated(policy, ["ls", "."])
        self.assertSays(outcome, f"to allow: path allow read {self.work}")
        self.assertNotIn("callgate's own files", outcome.errors)
        policy.write_text(f"path allow read,execute /usr/**\npath allow {self.work}/\n")
        outcome = self.run_gated(policy, ["sh", "-c", "rm own.policy"])
        self.assertSays(outcome, "callgate's own files are out of reach")


if __name__ == "__main__":
    support.main()
