"""An interactive bash on a pseudo-terminal of its own: job control, ^C, ^Z, window size."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
import unittest

import support
from support import POLICIES, environment


class Terminal:
    """A program on a fresh controlling terminal; reads until a pattern appears."""

    def __init__(self, argv, cwd):
        self.log = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.chdir(cwd)
                env = environment(PS1="ready> ", PS2="", HISTFILE="", INPUTRC="/dev/null")
                os.execvpe(argv[0], [str(a) for a in argv], env)
            finally:
                os._exit(127)
        self.resize(24, 80)

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def send(self, text):
        os.write(self.fd, text.encode())

    def expect(self, pattern, timeout=20):
        """What stood before the pattern; the pattern is consumed."""
        deadline = time.monotonic() + timeout
        while True:
            match = re.search(pattern.encode(), self.log, re.DOTALL)
            if match:
                before, self.log = self.log[:match.start()], self.log[match.end():]
                return before.decode("utf-8", "replace") + match[0].decode("utf-8", "replace")
            ready, _, _ = select.select([self.fd], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise AssertionError(f"waited for {pattern!r}; have {self.log!r}")
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                data = b""
            if not data:
                raise AssertionError(f"terminal closed; waited for {pattern!r}; have {self.log!r}")
            self.log += data

    def command(self, text, pattern=None):
        """Sends a line; what comes before the next prompt. The echo is consumed first."""
        self.send(text + "\r")
        self.expect(re.escape(text))
        return self.expect(pattern or "ready> ")

    def kill(self):
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            os.close(self.fd)
        except (ProcessLookupError, ChildProcessError, OSError):
            pass

    def finish(self):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return support.shell_status(os.waitstatus_to_exitcode(status))
            ready, _, _ = select.select([self.fd], [], [], 0.05)
            if ready:
                try:
                    self.log += os.read(self.fd, 65536)
                except OSError:
                    pass
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)
        raise AssertionError(f"it does not end; have {self.log!r}")


SHELL = ["bash", "--norc", "--noprofile", "--noediting", "-i"]


class InteractiveShell(support.WorldTest):
    """Each test runs on bare bash first: what is expected there is what is demanded under callgate."""

    def each(self, session):
        for name in ("bare", *POLICIES):
            with self.subTest(name):
                argv = SHELL
                if name != "bare":
                    argv = support.gated(self.policy(POLICIES[name], f"{name}.policy"), SHELL)
                terminal = Terminal(argv, self.work)
                try:
                    terminal.expect("ready> ")
                    session(terminal)
                except BaseException:  # nothing of a failed session stays behind
                    terminal.kill()
                    raise

    def test_interrupt_and_suspend(self):
        def session(t):
            t.send("sleep 100\r")
            t.expect("sleep 100")
            self.wait_for_foreground(t, b"sleep")
            t.send("\x1a")
            t.expect(r"Stopped +sleep 100")
            t.expect("ready> ")
            self.assertIn("Stopped", t.command("jobs"))
            t.send("fg\r")
            self.wait_for_foreground(t, b"sleep")
            t.send("\x03")
            t.expect("ready> ")
            self.assertIn("130", t.command("echo status $?"))
            t.send("sleep 100\r")
            self.wait_for_foreground(t, b"sleep")
            t.send("\x1a")
            t.expect("Stopped.*ready> ")
            t.command("bg")
            self.assertIn("Running", t.command("jobs"))
            t.command("kill %1; wait")
            t.send("cat | cat\r")
            self.wait_for_foreground(t, b"cat")
            t.send("through\r")
            t.expect("through\r\n.*through")
            t.send("\x04")
            t.expect("ready> ")
            t.send("sleep 50\r")
            self.wait_for_foreground(t, b"sleep")
            t.send("\x1c")
            t.expect("ready> ")
            self.assertIn("131", t.command("echo status $?"))
            t.send("exit 7\r")
            self.assertEqual(t.finish(), 7)
        self.each(session)

    def wait_for_foreground(self, terminal, name):
        """Waits until a process of that name is the terminal's foreground group and sleeps."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            group = os.tcgetpgrp(terminal.fd)
            try:
                with open(f"/proc/{group}/stat", "rb") as file:
                    stat = file.read()
                if stat[stat.index(b"(") + 1:stat.rindex(b")")] == name:
                    if stat[stat.rindex(b")") + 2:][:1] in b"St":
                        return
            except OSError:
                pass
            time.sleep(0.01)
        raise AssertionError(f"{name!r} never was in the foreground; have {terminal.log!r}")

    def test_window_size(self):
        def session(t):
            self.assertIn("24 80", t.command("stty size"))
            t.command("trap 'echo winch' WINCH")
            t.resize(33, 101)
            t.send("\r")
            t.expect("winch")
            t.expect("ready> ")
            self.assertIn("33 101", t.command("stty size"))
            t.send("sh -c 'trap \"stty size; exit\" WINCH; echo up; while :; do sleep 0.05; done'\r")
            t.expect("up\r\n")
            t.resize(40, 90)
            t.expect("40 90")
            t.expect("ready> ")
            t.send("exit\r")
            self.assertEqual(t.finish(), 0)
        self.each(session)

    def test_terminal_is_the_own_one(self):
        def session(t):
            self.assertIn("/dev/pts/", t.command("tty"))
            t.send("read -s -p 'secret? ' x; echo got $x\r")
            t.expect("secret\\? ")
            t.expect("secret\\? ")
            t.send("hidden\r")
            t.expect("got hidden")
            t.expect("ready> ")
            self.assertIn("there", t.command("echo there > /dev/tty; test -t 0 && test -t 1; echo $?"))
            t.command("set -m; (exit 3) & wait $!; echo job $?")
            t.send("\x04")
            self.assertEqual(t.finish(), 0)
        self.each(session)

    def test_background_reader_stops(self):
        def session(t):
            t.command("cat &")
            deadline = time.monotonic() + 20
            while "Stopped" not in (said := t.command("jobs")):  # SIGTTIN
                self.assertLess(time.monotonic(), deadline, said)
            pid = int(re.search(r"pid=(\d+)", t.command("echo pid=$!"))[1])
            os.kill(pid, signal.SIGKILL)
            while os.path.exists(f"/proc/{pid}"):  # until the shell has taken note
                self.assertLess(time.monotonic(), deadline, "the shell does not reap its job")
                time.sleep(0.01)
            t.send("exit\r")
            self.assertEqual(t.finish(), 0)
        self.each(session)

    def test_hangup(self):
        """Closing the terminal ends everything, callgate included."""
        def session(t):
            t.send("sleep 300\r")
            self.wait_for_foreground(t, b"sleep")
            group = os.tcgetpgrp(t.fd)
            os.close(t.fd)
            deadline = time.monotonic() + 20
            while True:
                pid, _ = os.waitpid(t.pid, os.WNOHANG)
                if pid:
                    break
                self.assertLess(time.monotonic(), deadline, "the shell outlives its terminal")
                time.sleep(0.02)
            while os.path.exists(f"/proc/{group}") and self.alive(group):
                self.assertLess(time.monotonic(), deadline, "the job outlives its terminal")
                time.sleep(0.02)
        self.each(session)

    @staticmethod
    def alive(pid):
        try:
            with open(f"/proc/{pid}/stat") as file:
                return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
        except OSError:
            return False


if __name__ == "__main__":
    support.main()
