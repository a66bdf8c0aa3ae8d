#!/usr/bin/env python3
"""The front stands between the program and who started it: what the caller left to the program reaches it, and what
the caller does to the front's process happens to the program."""
import ctypes
import os
import resource
import signal
import textwrap
import time
import unittest
from pathlib import Path

import support
from support import ALLOW_ALL, gated

WATCHED = ALLOW_ALL + "path deny /nowhere/file\n"  # every open is judged


class Given(support.WorldTest):
    """What execve leaves to a program."""

    def test_ignored_children(self):
        program = ["sh", "-c", "grep SigIgn /proc/self/status; exit 3"]
        bare = support.run(program, preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
        for command in ("run", "audit"):
            with self.subTest(command):
                argv = gated(self.policy(WATCHED), program)
                if command == "audit":
                    argv = [support.CALLGATE, "audit", "--output", "/dev/null", "--", *program]
                outcome = support.run(argv, timeout=30,
                                      preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
                self.assertEqual((outcome.status, outcome.text), (3, bare.text), f"\n{outcome}")

    def test_alarm(self):
        outcome = self.run_gated(WATCHED, ["sleep", "60"], timeout=30, preexec_fn=lambda: signal.alarm(1))
        self.assertStatus(outcome, 128 + signal.SIGALRM)

    def test_timers(self):
        def arm():
            signal.setitimer(signal.ITIMER_REAL, 500, 7)
            signal.setitimer(signal.ITIMER_PROF, 600)
        outcome = self.run_gated(WATCHED, ["python3", "-c", textwrap.dedent("""
            import signal
            left, every = signal.getitimer(signal.ITIMER_REAL)
            print(400 < left <= 500, every, 500 < signal.getitimer(signal.ITIMER_PROF)[0] <= 600)
            """)], preexec_fn=arm)
        self.assertEqual(outcome.text, "True 7.0 True\n", f"\n{outcome}")

    def test_processor_time_is_not_the_monitor_s(self):
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        argv = gated(self.policy(WATCHED), ["sh", "-c", "grep TracerPid /proc/self/status; ulimit -S -t; read line"])
        child = support.subprocess.Popen(argv, stdin=support.subprocess.PIPE, stdout=support.subprocess.PIPE,
                                         preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (3, hard)))
        try:
            monitor = int(child.stdout.readline().split()[1])
            self.assertEqual(child.stdout.readline(), b"3\n")
            limits = Path(f"/proc/{monitor}/limits").read_text()
            soft = next(line for line in limits.splitlines() if line.startswith("Max cpu time")).split()[3]
            self.assertEqual(soft, "unlimited" if hard == resource.RLIM_INFINITY else str(hard))
        finally:
            child.communicate(b"\n", timeout=30)


class Done(support.WorldTest):
    """What is done to the process that was started."""

    def start(self, program, policy=WATCHED, **options):
        return support.subprocess.Popen(gated(self.policy(policy), program), stdout=support.subprocess.PIPE,
                                        cwd=self.work, **options)

    def await_stop(self, child):
        _, status = os.waitpid(child.pid, os.WUNTRACED)
        self.assertTrue(os.WIFSTOPPED(status))

    def test_stopped_and_continued_by_its_number(self):
        child = self.start(["sh", "-c", "kill -STOP $$; echo resumed"])
        try:
            self.await_stop(child)
            os.kill(child.pid, signal.SIGCONT)
            self.assertEqual(child.communicate(timeout=30)[0], b"resumed\n")
        finally:
            child.kill()

    def test_continued_once_where_the_whole_job_is(self):
        """A shell continues the group, and so the program as well: its handler runs once."""
        child = self.start(["python3", "-c", textwrap.dedent("""
            import os, signal, time
            seen = []
            signal.signal(signal.SIGCONT, lambda *_: seen.append(1))
            os.kill(os.getpid(), signal.SIGSTOP)
            time.sleep(.5)
            print(len(seen))
            """)], start_new_session=True)
        try:
            self.await_stop(child)
            os.killpg(child.pid, signal.SIGCONT)
            self.assertEqual(child.communicate(timeout=30)[0], b"1\n")
        finally:
            child.kill()

    def test_every_signal_reaches_the_program(self):
        numbers = [n for n in range(1, 65)
                   if n not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, 32, 33)]
        child = self.start(["python3", "-u", "-c", textwrap.dedent(f"""
            import signal
            numbers = {[int(n) for n in numbers]}
            signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
            print("ready")
            while numbers:
                numbers.remove(signal.sigwait(numbers))
                print(len(numbers))
            """)])
        try:
            self.assertEqual(child.stdout.readline(), b"ready\n")
            for left, number in reversed(list(enumerate(reversed(numbers)))):
                os.kill(child.pid, number)
                self.assertEqual(child.stdout.readline(), b"%d\n" % left, f"signal {number}")
            child.communicate(timeout=30)
            self.assertEqual(child.returncode, 0)
        finally:
            child.kill()

    def test_a_queued_signal_keeps_its_value(self):
        child = self.start(["python3", "-u", "-c", textwrap.dedent("""
            import ctypes, signal
            libc = ctypes.CDLL(None)
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
            print("ready")
            info = (ctypes.c_int * 32)()
            mask = (ctypes.c_ulong * 16)(1 << (signal.SIGRTMIN - 1))
            libc.sigwaitinfo(mask, info)
            print(info[2], info[6])
            """)])
        try:
            self.assertEqual(child.stdout.readline(), b"ready\n")
            self.assertEqual(ctypes.CDLL(None).sigqueue(child.pid, signal.SIGRTMIN, ctypes.c_void_p(77)), 0)
            self.assertEqual(child.communicate(timeout=30)[0], b"-1 77\n")  # SI_QUEUE
        finally:
            child.kill()

    def test_a_script_ends_its_own_group(self):
        """The front leads the group; a script names it by its own number."""
        child = self.start(["bash", "-c", "trap 'kill -- -$$' EXIT; sleep 300 & echo $!"], start_new_session=True)
        output = child.communicate(timeout=30)[0]
        self.assertEqual(child.returncode, -signal.SIGTERM)
        for _ in range(100):
            if not os.path.exists(f"/proc/{int(output)}"):
                return
            time.sleep(0.1)
        self.fail("the child in the background lives")


class Waits(support.WorldTest):
    """Some calls of one thread hold the others for a moment, which must not prolong their waits."""

    def test_waits_end_in_time(self):
        # The other thread gives up long after the longest of these has ended, and says so.
        outcome = self.run_gated(ALLOW_ALL + "network deny tcp connect 192.0.2.1\n", ["python3", "-c", textwrap.dedent("""
            import ctypes, errno, os, select, signal, socket, struct, threading, time
            libc = ctypes.CDLL(None, use_errno=True)
            done = threading.Event()
            def disturb():
                end = time.monotonic() + 60
                while not done.is_set() and time.monotonic() < end:
                    with socket.socket() as s: s.connect_ex(("127.0.0.1", 1))
                    time.sleep(.02)
                if not done.is_set(): print("gave up", flush=True); os._exit(1)
            threading.Thread(target=disturb).start()
            half = (ctypes.c_long * 2)(0, 300_000_000)
            poll = select.epoll()
            print("epoll", poll.poll(.3))
            event = ctypes.create_string_buffer(64)
            print("pwait2", libc.epoll_pwait2(poll.fileno(), event, 1, half, None))
            print("signal", signal.sigtimedwait([signal.SIGUSR1], .3))
            semaphore = libc.semget(0, 1, 0o600)
            tried = libc.semtimedop(semaphore, (ctypes.c_short * 3)(0, -1, 0), 1, half)
            print("semaphore", tried, errno.errorcode[ctypes.get_errno()])
            libc.semctl(semaphore, 0, 0)
            a, b = socket.socketpair()
            a.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 300_000))
            a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, 300_000))
            for name, call in (("receive", lambda: a.recv(1)), ("send", lambda: a.sendall(bytes(1 << 24)))):
                try: call()
                except BlockingIOError: print(name, "EAGAIN")
            done.set()
            """)], timeout=120)
        self.assertEqual(outcome.text, "epoll []\npwait2 0\nsignal None\nsemaphore -1 EAGAIN\nreceive EAGAIN\n"
                         "send EAGAIN\n", f"\n{outcome}")
        self.assertStatus(outcome, 0)

    def test_a_program_with_a_lease_on_it(self):
        """Its execution waits until the lease is given back, by a process that the monitor must serve meanwhile."""
        (self.work / "script").write_text("#!/bin/sh\necho ran\n")
        (self.work / "script").chmod(0o755)
        if not support.IS_ROOT:
            os.chmod(self.work, 0o755)
        outcome = self.run_gated(ALLOW_ALL + "path deny execute /nowhere/file\n", ["python3", "-c", textwrap.dedent("""
            import fcntl, os, signal, subprocess, time
            lease = os.open("script", os.O_RDONLY)
            def give_back(*_):
                for _ in range(20): open("/etc/hostname").close(); time.sleep(.01)
                fcntl.fcntl(lease, fcntl.F_SETLEASE, fcntl.F_UNLCK)
            signal.signal(signal.SIGIO, give_back)
            fcntl.fcntl(lease, fcntl.F_SETLEASE, fcntl.F_WRLCK)
            print("status", subprocess.Popen(["sh", "-c", "exec ./script"]).wait())
            """)], timeout=60)
        self.assertEqual(outcome.text, "ran\nstatus 0\n", f"\n{outcome}")


class Groups(support.WorldTest):
    def test_a_group_outside(self):
        for rule, said in (("signal allow all\n", "sent"), ("", "1")):
            with self.subTest(rule):
                child = support.subprocess.Popen(["sleep", "60"], start_new_session=True)
                try:
                    outcome = self.run_gated(WATCHED + rule, ["python3", "-c", textwrap.dedent(f"""
                        import os
                        try: os.killpg({child.pid}, 15); print("sent")
                        except OSError as error: print(error.errno)
                        """)])
                    self.assertEqual(outcome.text, said + "\n", f"\n{outcome}")
                    if rule:
                        self.assertEqual(child.wait(timeout=30), -15)
                    else:
                        self.assertIsNone(child.poll())
                finally:
                    child.kill()
                    child.wait()

    def test_owners_and_pidfds_as_bare(self):
        program = ["python3", "-c", textwrap.dedent("""
            import ctypes, errno, fcntl, os, signal, struct, threading
            libc = ctypes.CDLL(None, use_errno=True)
            a, b = os.pipe()
            for kind, who in ((0, threading.get_native_id()), (1, os.getpid()), (2, 0), (7, 1)):
                try:
                    fcntl.fcntl(a, 15, struct.pack("ii", kind, who))
                    found = struct.unpack("ii", fcntl.fcntl(a, 16, bytes(8)))
                    print(kind, found[0], found[1] == who)
                except OSError as error: print(kind, errno.errorcode[error.errno])
            seen = []
            signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))
            me = os.pidfd_open(os.getpid())
            wrong = (ctypes.c_int * 32)(int(signal.SIGUSR2), 0, -1)
            for info, flags in ((None, 0), (None, 2), (wrong, 0), (None, 64)):
                ctypes.set_errno(0)
                print(libc.syscall(424, me, int(signal.SIGUSR1), info, flags), ctypes.get_errno(), len(seen))
            """)]
        bare = support.run(program)
        self.assertIn("\n", bare.text)
        self.assertSame(bare, self.run_gated(WATCHED + "signal allow all\n", program))


if __name__ == "__main__":
    unittest.main()
