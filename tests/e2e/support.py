"""What the end-to-end tests share: where things are, running a program bare and gated, comparing.

CALLGATE, CALLGATE_SOURCE and CALLGATE_BUILD come from CTest; without them the newest build in the
source tree is used, so that a file can be run by hand: python3 tests/e2e/policy_test.py -v
"""

import contextlib
import ctypes
import functools
import hashlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(os.environ.get("CALLGATE_SOURCE", Path(__file__).resolve().parents[2]))


def _newest_build():
    built = sorted(SOURCE.glob("build*/**/callgate"), key=lambda p: p.stat().st_mtime)
    return built[-1].parent if built else SOURCE / "build" / "dev"


BUILD = Path(os.environ.get("CALLGATE_BUILD") or _newest_build())
CALLGATE = os.environ.get("CALLGATE") or str(BUILD / "callgate")
IS_ROOT = os.geteuid() == 0
# In front of a command: as an ordinary user, where root runs the tests.
NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]

# Policies under which nothing is denied. `open` traps almost nothing; `judged` makes every path
# call and every socket call be judged and redirected; `watched` adds stat and attributes.
ALLOW_ALL = "path allow all /**\nnetwork allow all\n"
JUDGED = ALLOW_ALL + (
    "path deny /nonexistent/canary/**\nnetwork deny tcp connect 203.0.113.1:9\n")
WATCHED = JUDGED + "path deny stat,attributes,execute /nonexistent/canary/**\n"
POLICIES = {"open": ALLOW_ALL, "judged": JUDGED, "watched": WATCHED}


def need(*programs):
    """Decorator: skips, saying so, where a program is not installed."""
    missing = [p for p in programs if shutil.which(p) is None]
    return unittest.skipIf(missing, f"not installed: {', '.join(missing)}")


needs_root = unittest.skipUnless(IS_ROOT, "needs root to change users")


@functools.cache
def runs_32_bits():
    """Whether the kernel starts an i386 program at all (IA32 emulation)."""
    with tempfile.TemporaryDirectory() as directory:
        source, program = Path(directory, "bits.c"), Path(directory, "bits")
        source.write_text("int main(void) { return 0; }\n")
        built = subprocess.run(["gcc", "-m32", "-static", "-o", program, source], capture_output=True, check=False)
        try:
            return built.returncode == 0 and subprocess.run([program], check=False).returncode == 0
        except OSError:  # ENOEXEC
            return False


class Outcome(NamedTuple):
    status: int  # as a shell says it: 128 + signal for a killed program
    out: bytes
    err: bytes

    @property
    def text(self):
        return self.out.decode("utf-8", "replace")

    @property
    def errors(self):
        return self.err.decode("utf-8", "replace")

    def __str__(self):
        return f"status {self.status}\n--- stdout\n{self.text}\n--- stderr\n{self.errors}"


def shell_status(returncode):
    return 128 - returncode if returncode < 0 else returncode


def is_sanitized():
    """Whether callgate is built with AddressSanitizer."""
    return b"__asan_init" in Path(CALLGATE).read_bytes()


def environment(**extra):
    """A small, fixed environment: the same bytes bare and gated."""
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8",
           "HOME": "/nonexistent", "TERM": "xterm", "USER": "tester",
           "GIT_CONFIG_NOSYSTEM": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
        if name in os.environ:
            env[name] = os.environ[name]
    env.update(extra)
    return env


def traced_environment():
    """For callgate under another tracer, where LeakSanitizer, which is a tracer too, cannot work."""
    return environment(ASAN_OPTIONS="detect_leaks=0")


def session_of(leader):
    """Every process of the session that `leader` began, with what it is and does."""
    found = {}
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = int(entry)
            if os.getsid(pid) == leader:
                stat_text = Path(f"/proc/{pid}/stat").read_text()
                command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
                state = stat_text[stat_text.rindex(")") + 2]
                channel = Path(f"/proc/{pid}/wchan").read_text()
                found[pid] = f"{state} {channel} {command[:200]!r}"
    return found


def adopt_orphans():
    """Whoever is orphaned below this process becomes its child, so that a leftover is found."""
    set_child_subreaper = 36
    ctypes.CDLL(None, use_errno=True).prctl(set_child_subreaper, 1, 0, 0, 0)


def children():
    """(pid, /proc/<pid>/stat) of each child of this process."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit():
                status = (entry / "stat").read_text()
                if int(status.rpartition(")")[2].split()[1]) == os.getpid():
                    found.append((int(entry.name), status))
    return found


def orphans(but=()):
    """The children that live; `but` are known. The dead among the others are reaped."""
    return {pid: status for pid, status in children()
            if pid not in but and os.waitpid(pid, os.WNOHANG)[0] == 0}


def run(argv, *, cwd=None, env=None, stdin=b"", timeout=120, **popen):
    """Runs in a session of its own, kills all of it on time-out."""
    process = subprocess.Popen(
        [str(a) for a in argv], cwd=cwd, env=environment() if env is None else env,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True, **popen)
    try:
        out, err = process.communicate(stdin, timeout=timeout)
    except subprocess.TimeoutExpired as late:
        holders = session_of(process.pid)
        for pid in holders:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            out, err = process.communicate(timeout=10)
        except subprocess.TimeoutExpired as held:  # someone outside the session holds the pipe
            out, err = held.stdout or late.stdout or b"", held.stderr or late.stderr or b""
        raise AssertionError(
            f"still running after {timeout} s: {argv}\nits session: {holders}\n"
            f"{Outcome(-1, out, err)}") from None
    return Outcome(shell_status(process.returncode), out, err)


def gated(policy, argv, *options):
    """The argv that runs `argv` under a policy file (a path) or a shipped profile."""
    return [CALLGATE, "run", "--policy", str(policy), *options, "--", *map(str, argv)]


def snapshot(root):
    """Everything a program left behind, without times and inode numbers."""
    seen = {}
    for directory, names, files in os.walk(root):
        for name in sorted(names) + sorted(files):
            path = os.path.join(directory, name)
            status = os.lstat(path)
            kind = stat.S_IFMT(status.st_mode)
            content = None
            if kind == stat.S_IFREG:
                with open(path, "rb") as file:
                    content = hashlib.sha256(file.read()).hexdigest()
            elif kind == stat.S_IFLNK:
                content = os.readlink(path)
            links = status.st_nlink if kind == stat.S_IFREG else None
            seen[os.path.relpath(path, root)] = (
                oct(status.st_mode), status.st_uid, status.st_gid, links, content)
    return seen


class WorldTest(unittest.TestCase):
    """A fresh directory per test: self.root; policy files lie outside self.work."""

    @classmethod
    def setUpClass(cls):
        if not os.path.exists(CALLGATE):
            raise unittest.SkipTest(f"callgate is not built: {CALLGATE}")

    def setUp(self):
        self.root = Path(os.path.realpath(tempfile.mkdtemp(prefix="callgate-e2e-")))
        os.chmod(self.root, 0o755)
        self.addCleanup(remove_tree, self.root)
        self.work = self.root / "work"
        self.work.mkdir()

    def policy(self, text, name="test.policy"):
        path = self.root / name
        path.write_text(text)
        return path

    def run_bare(self, argv, **options):
        return run(argv, cwd=options.pop("cwd", self.work), **options)

    def run_gated(self, policy, argv, *options, **kwargs):
        """`policy` is policy text, or a Path, or the name of a profile (one word)."""
        if isinstance(policy, str) and ("\n" in policy or " " in policy or policy == ""):
            policy = self.policy(policy)
        return run(gated(policy, argv, *options), cwd=kwargs.pop("cwd", self.work), **kwargs)

    def assertStatus(self, outcome, status):
        self.assertEqual(outcome.status, status, f"\n{outcome}")

    def assertSays(self, outcome, *words):
        for word in words:
            self.assertIn(word, outcome.errors, f"\n{outcome}")

    def assertSame(self, bare, seen):
        if bare != seen:
            self.fail(f"\n=== bare: {bare}\n=== gated: {seen}")


def remove_tree(path):
    def retry(function, name, _):
        with contextlib.suppress(OSError):
            os.chmod(os.path.dirname(name), 0o700)
            os.chmod(name, 0o700)
            function(name)
    shutil.rmtree(path, onerror=retry)
    if os.path.exists(path):
        subprocess.run(["rm", "-rf", str(path)], check=False, stderr=subprocess.DEVNULL)


MINIMAL_PDF_TEXT = "Hello from callgate"


def make_pdf(path, text=MINIMAL_PDF_TEXT):
    """A small, valid PDF of one page, cross-reference table and all."""
    stream = f"BT /F1 24 Tf 72 700 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    body = b"%PDF-1.4\n"
    offsets = []
    for number, content in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(body)
    body += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    body += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    body += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1, start)
    Path(path).write_bytes(body)


def main():
    unittest.main(module=sys.modules["__main__"])
