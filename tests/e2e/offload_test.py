"""Landlock in the monitor's place: plain trees, --quiet, an ordinary user."""

import os
import shutil
import unittest

import support
from support import CALLGATE, IS_ROOT, need

TREES = """runtime none
path allow read,execute /usr/
path allow read /etc/ {work}
path allow {work}/**
path allow read,write /dev/null /dev/zero /dev/urandom /dev/tty
network deny all
"""

# Opens a file over and over; the kernel counts a stop as a voluntary switch.
SWITCHES = """
import os, resource
before = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
for _ in range(2000):
    os.close(os.open("/etc/passwd", os.O_RDONLY))
print(resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - before)
"""

# A tree in which names may be moved, and within it one that may be written too: what the kernel
# grants to the one would go where the name goes.
FENCED = """runtime none
path allow read,execute /usr/
path allow read /etc/ {work}/f
path allow read,create,delete {work}/f/**
path allow read,write,create,delete {work}/f/x/**
network deny all
"""
MOVES = r"""
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)

def say(what, call):
    try:
        call()
        print(what, "-> done")
    except OSError as error:
        print(what, "->", errno.errorcode[error.errno])

def write(name):
    fd = os.open(name, os.O_WRONLY)
    os.write(fd, b"mine")
    os.close(fd)

def exchange(one, other):
    if libc.renameat2(-100, one.encode(), -100, other.encode(), 2) < 0:
        raise OSError(ctypes.get_errno(), "")

os.chdir("f")
say("write x", lambda: write("x/file"))
say("write conf", lambda: write("conf/file"))
say("write conf.new", lambda: write("conf/new"))
say("exchange", lambda: exchange("x", "conf"))
say("exchange the other way", lambda: exchange("conf", "x"))
say("write conf", lambda: write("conf/file"))
say("move conf into x", lambda: os.rename("conf", "x/conf"))
say("write it there", lambda: write("x/conf/file"))
say("move x away", lambda: os.rename("x", "z"))
say("move conf there", lambda: os.rename("conf", "x"))
say("write it there", lambda: write("x/file"))
say("write where x went", lambda: write("z/file"))
"""

# Each line: what was tried, and how it was answered.
CALLS = r"""
import ctypes, errno, mmap, os, socket, stat, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
work = os.getcwd()

def say(what, call):
    try:
        got = call()
        if isinstance(got, int) and got > 2 and what.startswith("open"):
            os.close(got)
            got = "descriptor"
        print(what, "->", got if isinstance(got, (str, bytes)) else "done")
    except OSError as error:
        print(what, "->", errno.errorcode[error.errno])

def raw(number, *arguments):
    got = libc.syscall(number, *arguments)
    if got < 0:
        raise OSError(ctypes.get_errno(), "")
    return got

def openat2(path, flags, resolve=0):
    how = ctypes.create_string_buffer(struct.pack("QQQ", flags, 0, resolve))
    return raw(437, -100, path.encode(), how, 24)

with open("file", "w") as file:
    file.write("text")
os.mkdir("dir"); os.mkdir("sub"); os.symlink("/usr/lib/os-release", "link")
os.symlink("/var", "out"); os.symlink("file", "in"); os.mkfifo("pipe")
places = ["file", "in", "link", "out", "dir", "dir/../file", "none", "sub/none", "file/", "pipe",
          "/usr/lib/os-release", "/usr/none", "/usr/bin", "/etc/passwd", "/var", "/var/lib", "/", "/none",
          "/root", "/dev/null", "/dev/full", "/proc/self/status", "/proc/self/maps", "/proc/1/environ",
          "/sys/kernel", work, os.path.dirname(work), work + "/../x", "x" * 300, ""]
flags = {"read": os.O_RDONLY, "write": os.O_WRONLY, "both": os.O_RDWR, "create": os.O_WRONLY | os.O_CREAT,
         "only create": os.O_RDONLY | os.O_CREAT, "anew": os.O_WRONLY | os.O_CREAT | os.O_EXCL,
         "truncate": os.O_WRONLY | os.O_TRUNC, "read and truncate": os.O_RDONLY | os.O_TRUNC,
         "directory": os.O_RDONLY | os.O_DIRECTORY, "path": os.O_PATH, "nofollow": os.O_RDONLY | os.O_NOFOLLOW,
         "path nofollow": os.O_PATH | os.O_NOFOLLOW, "tmpfile": os.O_RDWR | os.O_TMPFILE}
for place in places:
    for name, flag in flags.items():
        say(f"open {name} {place}", lambda: os.open(place, flag | os.O_NONBLOCK, 0o600))
        if place == "none" and os.path.exists("none"):
            os.unlink("none")
        if place == "sub/none" and os.path.exists("sub/none"):
            os.unlink("sub/none")
    say(f"openat2 {place}", lambda: f"descriptor {os.close(openat2(place, os.O_RDONLY | os.O_NONBLOCK))}")
    say(f"list {place}", lambda: str(len(os.listdir(place)) > 0))
    say(f"truncate {place}", lambda: os.truncate(place, 3))
    say(f"mkdir {place}", lambda: os.mkdir(place))
    say(f"rmdir {place}", lambda: os.rmdir(place) if place not in ("dir", work) else None)
    say(f"unlink {place}", lambda: os.unlink(place) if place in ("dir", "none") or place[:1] == "/" else None)
    say(f"chmod {place}", lambda: os.chmod(place, 0o644))
    say(f"utime {place}", lambda: os.utime(place, (1, 1)))
    say(f"rename {place}", lambda: os.rename(place, "sub/moved"))
    if os.path.lexists("sub/moved"):
        os.rename("sub/moved", place)
    say(f"link {place}", lambda: os.link(place, "sub/linked"))
    if os.path.lexists("sub/linked"):
        os.unlink("sub/linked")
    say(f"rename to {place}", lambda: os.rename("file", place) if place[:1] == "/" else None)
    say(f"symlink {place}", lambda: os.symlink("x", place))
    say(f"fifo {place}", lambda: os.mkfifo(place))
    for made in ("none", "sub/none"):
        if os.path.lexists(made):
            os.unlink(made)
say("rename outside", lambda: os.rename("file", "../file"))
say("link into the tree", lambda: os.link("/etc/passwd", "passwd"))
for name, flags_of_move in (("no replace", 1), ("exchange", 2), ("whiteout", 4), ("unknown", 8)):
    for other in ("in", "sub/none", "/etc/passwd", "/var", "dir"):
        say(f"{name} {other}", lambda: raw(316, -100, b"file", -100, other.encode(), flags_of_move))
        if not os.path.isfile("file") or os.path.islink("file"):
            say("back", lambda: raw(316, -100, other.encode(), -100, b"file", 2 if os.path.lexists("file") else 0))
say("device", lambda: os.mknod("device", stat.S_IFCHR | 0o600, os.makedev(1, 3)))
held = os.open("/etc", os.O_RDONLY)
say("open beside a descriptor", lambda: os.open("../root", os.O_RDONLY, dir_fd=held))
say("open below a descriptor", lambda: os.open("passwd", os.O_RDONLY, dir_fd=held))
say("open out of /etc", lambda: os.open("../var/lib", os.O_RDONLY, dir_fd=held))
os.chdir("/var/lib")
say("open where nothing is granted", lambda: os.open(".", os.O_RDONLY))
say("open by ..", lambda: os.open("../../etc/passwd", os.O_RDONLY))
os.chdir(work)
say("run what may not run", lambda: os.execv(work + "/program", ["program"]))
with open("/usr/lib/os-release", "rb") as file:
    say("map for execution", lambda: mmap.mmap(file.fileno(), 100, prot=mmap.PROT_READ | mmap.PROT_EXEC) and None)
with open("program", "rb") as file:
    say("map a program for execution",
        lambda: mmap.mmap(file.fileno(), 100, prot=mmap.PROT_READ | mmap.PROT_EXEC) and None)
with open("gone", "w") as gone:
    gone.write("gone")
held_by = {"a file": os.open("file", os.O_RDONLY), "what may be read": os.open("/etc/passwd", os.O_RDONLY),
           "nothing but a name": os.open("file", os.O_PATH), "a deleted file": os.open("gone", os.O_RDONLY),
           "a directory": os.open("/etc", os.O_RDONLY), "a pipe": os.pipe()[0], "memory": os.memfd_create("x"),
           "a socket pair": socket.socketpair()[0].detach(), "a namespace": None, "an image": None, "a root": None}
os.unlink("gone")
for what, fd in held_by.items():
    name = {"a namespace": "/proc/self/ns/mnt", "an image": "/proc/self/exe",
            "a root": "/proc/self/root/etc/passwd"}.get(what, f"/proc/self/fd/{fd}")
    for how, flag in flags.items():
        if how in ("tmpfile", "anew"):
            continue
        say(f"open {how} by a link of /proc, {what}", lambda: os.open(name, flag | os.O_NONBLOCK, 0o600))
        say(f"open {how} by /dev/fd, {what}",
            lambda: os.open(f"/dev/fd/{fd}", flag | os.O_NONBLOCK, 0o600) if fd is not None else None)
say("list /proc/self/fd", lambda: str(len(os.listdir("/proc/self/fd")) > 0))
say("open /proc of the parent", lambda: os.open(f"/proc/{os.getppid()}/root/etc/passwd", os.O_RDONLY))
say("open by /proc of the parent", lambda: os.open(f"/proc/{os.getppid()}/fd/0", os.O_RDONLY | os.O_NONBLOCK))
say("socket", lambda: socket.socket().close())
say("work itself", lambda: os.rmdir(work))
say("move work", lambda: os.rename(work, work + "2"))
print(sorted(os.listdir(".")), open("file").read())
"""


def alike(judged, offloaded):
    """Whether this is a difference that docs/architecture.md names."""
    what, _, policy = judged.partition(" -> ")
    kernel = offloaded.partition(" -> ")[2]
    # What is refused and would fail besides: the kernel may say the other reason.
    others = ("EISDIR", "ENOTDIR", "ELOOP", "EINVAL", "EPERM", "EXDEV", "ENOTEMPTY")
    if policy in ("EACCES", "EXDEV") and kernel in others:
        return True
    # Memory is no file to Landlock.
    if what.endswith("memory") and (policy, kernel) == ("EACCES", "descriptor"):
        return True
    # Neither a name nor a descriptor leads to it, in a domain without a keeper.
    return what.startswith("open path by") and what.endswith("a namespace") and kernel == "EACCES"


@unittest.skipIf(IS_ROOT and shutil.which("setpriv") is None, "needs setpriv to be an ordinary user")
class OffloadTest(support.WorldTest):
    def setUp(self):
        super().setUp()
        # Nothing is left to Landlock where callgate is root.
        self.as_user = support.NOBODY if IS_ROOT else []
        self.fresh()
        self.trees = self.policy(TREES.format(work=self.work))
        shown = support.run([*self.as_user, CALLGATE, "check", "--show", self.trees])
        if "Landlock (with --quiet)" not in shown.text:
            reason = [line for line in shown.text.splitlines() if "takes nothing over" in line]
            self.skipTest(" ".join(reason).replace(str(self.root), "..."))

    def fresh(self):
        support.remove_tree(self.work)
        self.work.mkdir()
        shutil.copy("/bin/true", self.work / "program")
        if IS_ROOT:
            for path in (self.work, self.work / "program"):
                os.chown(path, 65534, 65534)

    def gated(self, argv, *options, policy=None):
        return support.run([*self.as_user, *support.gated(policy or self.trees, argv, *options)], cwd=self.work)

    def switches(self, *options):
        outcome = self.gated(["python3", "-c", SWITCHES], *options)
        self.assertStatus(outcome, 0)
        return int(outcome.text)

    def test_opens_do_not_stop(self):
        self.assertLess(self.switches("--quiet"), 200)

    def test_they_stop_where_somebody_is_to_hear_of_them(self):
        log = self.root / "log"
        log.touch()
        if IS_ROOT:
            os.chown(log, 65534, 65534)
        for options in ((), ("--quiet", "--no-offload"), ("--quiet", "--log", log)):
            with self.subTest(options=options):
                self.assertGreaterEqual(self.switches(*options), 2000)

    def test_every_call_is_answered_as_the_monitor_answers_it(self):
        answers = []
        for options in (("--quiet", "--no-offload"), ("--quiet", "--self-check"), ("--quiet",)):
            self.fresh()
            outcome = self.gated(["python3", "-c", CALLS], *options)
            self.assertEqual((outcome.status, outcome.errors), (0, ""), f"\n{outcome}")
            answers.append((outcome.text.splitlines(), support.snapshot(self.work)))
        (judged, left), *offloaded = answers
        self.assertGreater(len(judged), 700)
        for lines, tree in offloaded:
            self.assertEqual([line.partition(" -> ")[0] for line in lines],
                             [line.partition(" -> ")[0] for line in judged])
            different = [f"{a}   | Landlock: {b}" for a, b in zip(judged, lines) if a != b and not alike(a, b)]
            self.assertEqual(different, [], "\n".join(different))
            self.assertEqual(tree, left)

    def test_a_grant_goes_nowhere_with_what_is_moved(self):
        policy = self.policy(FENCED.format(work=self.work), "fenced.policy")
        answers = []
        for options in (("--quiet", "--no-offload"), ("--quiet",), ()):
            self.fresh()
            for name in ("x", "conf"):
                (self.work / "f" / name).mkdir(parents=True)
                (self.work / "f" / name / "file").write_text("theirs")
            if IS_ROOT:
                support.run(["chown", "-R", "65534:65534", self.work])
            shown = support.run([*self.as_user, CALLGATE, "check", "--show", policy]).text
            self.assertIn("with which it may be moved", shown[shown.find("Landlock"):][:300])
            with open(self.work / "f/conf/file") as conf, open(self.work / "f/x/file") as x:
                outcome = self.gated(["python3", "-c", MOVES], *options, policy=policy)
                self.assertStatus(outcome, 0)
                self.assertEqual((conf.read(), x.read()), ("theirs", "miners"), f"\n{outcome}")
            answers.append((outcome.text.splitlines(), support.snapshot(self.work)))
        self.assertEqual(answers[0], answers[1])
        self.assertEqual(answers[0], answers[2])
        self.assertEqual(answers[0][0][:4], ["write x -> done", "write conf -> EACCES", "write conf.new -> ENOENT",
                                             "exchange -> EXDEV"])

    def test_who_enforces_is_told(self):
        def shown(text):
            outcome = support.run([*self.as_user, CALLGATE, "check", "--show", self.policy(text, "other.policy")])
            self.assertStatus(outcome, 0)
            return outcome.text
        plain = TREES.format(work=self.work)
        self.assertIn("path allow read,execute /usr/    [Landlock (with --quiet), monitor]", shown(plain))
        self.assertIn("network deny all    [monitor]", shown(plain))
        text = shown(plain + "syscall deny personality\nlimit nofile 64\npath deny /etc/passwd\n")
        self.assertIn("syscall deny personality    [filter]", text)
        self.assertIn("limit nofile 64    [at the start]", text)
        self.assertIn("path allow read,execute /usr/    [monitor]", text)
        self.assertIn("other.policy:9: it makes an exception", text)
        for statement, reason in (
                (f"path allow read {self.root}\npath allow {self.root}/**", "the policy itself lies in it"),
                ("path allow read /none/", "/none: No such file or directory"),
                (f"path allow read {self.root}/one", "it grants a single file"),
                ("path allow read /", "it grants a directory without what is below it"),
                ("path allow read /proc/", "a proc file system lies in it")):
            (self.root / "one").touch()
            with self.subTest(statement=statement):
                told = shown(plain + statement + "\n")
                self.assertIn("other.policy:", told.rpartition("takes nothing over")[2])
                self.assertIn(reason, told)

    @support.needs_root
    def test_nothing_is_left_to_landlock_where_callgate_is_privileged(self):
        outcome = support.run([CALLGATE, "check", "--show", self.trees])
        self.assertIn("takes nothing over from the monitor: a privileged program", outcome.text)
        outcome = support.run(support.gated(self.trees, ["python3", "-c", SWITCHES], "--quiet"), cwd=self.work)
        self.assertGreaterEqual(int(outcome.text), 2000)

    @need("gcc")
    def test_the_shipped_profile_is_one_of_plain_trees(self):
        env = support.environment(TMPDIR=str(self.work))
        shown = support.run([*self.as_user, CALLGATE, "check", "--show", "plain-trees"], cwd=self.work, env=env)
        self.assertIn("Landlock (with --quiet)", shown.text)
        (self.work / "main.c").write_text("int main(void) { return 7; }\n")
        argv = ["sh", "-c", "gcc -o built main.c && ./built"]
        built = support.run([*self.as_user, *support.gated("plain-trees", argv, "--quiet")], cwd=self.work, env=env)
        self.assertEqual((built.status, built.errors), (7, ""))

    @need("gcc", "make", "tar", "git")
    def test_real_programs_work_as_bare(self):
        script = """
set -e
mkdir tmp; export TMPDIR=$PWD/tmp
printf '#include <stdio.h>\\nint main(void) { puts("built"); }\\n' > main.c
printf 'all: main other.o\\nmain: main.c\\nother.o: main.c\\n\\tcc -c -o $@ $<\\n' > Makefile
make -s -j2
tar cf all.tar main.c Makefile
mkdir copy && tar xf all.tar -C copy && ls copy
git init -q . && git add main.c && git -c user.name=a -c user.email=b commit -qm one && git log --format=%s
mv main.c moved.c && ln moved.c hard.c && ln -s hard.c soft.c && cat soft.c && chmod 600 moved.c
./main
python3 -c 'import json, subprocess; print(subprocess.check_output(["cat", "moved.c"]))'
rm -r copy .git main other.o all.tar
"""
        policy = self.policy(TREES.format(work=self.work) + f"path allow execute {self.work}/**\n", "built.policy")
        outcomes = []
        for gated in (False, True):
            self.fresh()
            argv = ["sh", "-c", script]
            outcome = (self.gated(argv, "--quiet", policy=policy) if gated
                       else support.run([*self.as_user, *argv], cwd=self.work))
            outcomes.append((outcome.status, outcome.text, support.snapshot(self.work)))
        self.assertEqual(outcomes[0][0], 0, outcomes[0])
        self.assertSame(*outcomes)


if __name__ == "__main__":
    support.main()
