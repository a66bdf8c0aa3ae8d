"""Random programs: under callgate they must see what they see without it.

names_fuzz makes random calls with random names and prints what each answered: the log under an
all-allowing policy equals the bare one, byte for byte. mirror_fuzz makes random descriptor, sharing
and birth operations over several tasks, while callgate compares its mirror with the kernel at every
stop. Seeds are printed with each failure and replayed by CALLGATE_FUZZ_SEED=N; CALLGATE_FUZZ_OPS is
the number of operations of the mirror (default 4000) and, divided by two, of names.
"""

import itertools
import os
import re
import shutil
import signal
import subprocess
import time

import support

OPS = int(os.environ.get("CALLGATE_FUZZ_OPS", "4000"))
SEED = os.environ.get("CALLGATE_FUZZ_SEED")
PROGRAMS = support.BUILD / "programs"
NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
CALLS_OF_A_SEED = 160
OPS_OF_A_SEED = 500
PATIENCE = 55 + OPS / 50  # seconds for one test; what is left undone then is said


def seeds(start, each, wanted):
    """Enough of them for `wanted` operations, or the one that is asked for."""
    if SEED is not None:
        return [int(SEED)]
    return list(range(start, start + max(1, wanted // each)))


def first_difference(bare, gated):
    for number, (a, b) in enumerate(itertools.zip_longest(bare.splitlines(), gated.splitlines())):
        if a != b:
            return f"line {number}:\n  bare  {a!r}\n  gated {b!r}"
    return "no line differs"


class FuzzTest(support.WorldTest):
    def tearDown(self):
        self.fresh()  # the common clean-up expects directories it may enter
        super().tearDown()

    def program(self, name):
        built = PROGRAMS / name
        if not built.exists():
            self.fail(f"not built: {built}")
        copy = self.root / name
        shutil.copy(built, copy)
        copy.chmod(0o755)
        return copy

    def fresh(self, owner=None):
        """An empty directory of the same name each time; files of odd names and modes go."""
        subprocess.run(["chmod", "-R", "u+rwx", self.work], stderr=subprocess.DEVNULL, check=False)
        subprocess.run(["rm", "-rf", "--", self.work], check=False)
        self.work.mkdir()
        self.work.chmod(0o755)
        if owner is not None:
            os.chown(self.work, owner, owner)

    def names(self, policy, *, start, before=(), after=(), owner=None):
        """`before` stands before callgate, `after` between it and the program."""
        program = self.program("names_fuzz")
        policy = self.policy(support.POLICIES[policy])
        differing = []
        deadline = time.monotonic() + PATIENCE / 5
        wanted = seeds(start, CALLS_OF_A_SEED, OPS // 2 // 3)
        for done, seed in enumerate(wanted):
            if time.monotonic() > deadline:
                print(f"names: {done} of {len(wanted)} seeds in the time there was", flush=True)
                break
            argv = [program, seed, CALLS_OF_A_SEED, self.work]
            outcomes = []
            for gate in (False, True):
                self.fresh(owner)
                inner = [*after, *argv]
                full = [*before, *(support.gated(policy, inner) if gate else inner)]
                outcomes.append(support.run(full, cwd=self.work, timeout=60))
            bare, gated = outcomes
            self.assertStatus(bare, 0)
            self.assertTrue(bare.out.endswith(b"calls done\n"), f"bare, seed {seed}\n{bare}")
            if bare != gated:
                differing.append(f"seed {seed}: status {bare.status} and {gated.status}, "
                                 f"{first_difference(bare.text, gated.text)}\n{gated.errors[:500]}")
        self.assertEqual(differing, [], "\n" + "\n".join(differing[:10]) +
                         f"\n{len(differing)} seeds differ; CALLGATE_FUZZ_SEED=N replays one")

    def test_names_answer_as_bare(self):
        self.names("judged", start=1000)

    def test_names_answer_as_bare_where_metadata_is_judged_too(self):
        self.names("watched", start=2000)

    @support.needs_root
    @support.need("setpriv")
    def test_names_answer_an_ordinary_user_as_bare(self):
        self.names("watched", start=3000, before=NOBODY, owner=65534)

    @support.needs_root
    @support.need("setpriv")
    def test_names_answer_as_bare_when_the_program_drops_to_another_user_inside(self):
        self.names("watched", start=4000, after=NOBODY, owner=65534)

    def run_to_end(self, argv, patience):
        """As support.run, but into files: whoever is left over keeps no pipe of ours open."""
        with open(self.root / "out", "w+b") as out, open(self.root / "err", "w+b") as err:
            process = subprocess.Popen(list(map(str, argv)), cwd=self.work, stdin=subprocess.DEVNULL,
                                       env=support.environment(), stdout=out, stderr=err)
            try:
                status = support.shell_status(process.wait(patience))
            except subprocess.TimeoutExpired:
                status = -1
            self.end_leftovers()
            process.wait()
            out.seek(0)
            err.seek(0)
            return support.Outcome(status, out.read(), err.read())

    def end_leftovers(self):
        """What still runs with our directory in its command line: the monitor has its own session."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    ours = os.fsencode(self.root) in file.read() and int(pid) != os.getpid()
                if ours:
                    os.kill(int(pid), signal.SIGKILL)
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                pass

    def mirror(self, *words, start, options=()):
        program = self.program("mirror_fuzz")
        policy = self.policy(support.POLICIES["judged"])
        failures = []
        deadline = time.monotonic() + PATIENCE / 2
        wanted = seeds(start, OPS_OF_A_SEED, OPS // 2)
        for done, seed in enumerate(wanted):
            if time.monotonic() > deadline:
                print(f"mirror: {done} of {len(wanted)} seeds in the time there was", flush=True)
                break
            self.fresh()
            outcome = self.run_to_end(
                support.gated(policy, [program, seed, OPS_OF_A_SEED, *words],
                              "--self-check", *options), 30)
            good = f"mirror_fuzz: {OPS_OF_A_SEED} operations, all tasks ended\n"
            if (outcome.status, outcome.text, outcome.errors) != (0, good, ""):
                failures.append(f"seed {seed}: {outcome}")
        self.assertEqual(failures, [], "\n" + "\n".join(failures[:5]) +
                         f"\n{len(failures)} seeds failed; CALLGATE_FUZZ_SEED=N replays one")

    def test_the_mirror_equals_the_kernel_one_task_at_a_time(self):
        self.mirror(start=1)

    def test_the_mirror_equals_the_kernel_with_all_tasks_at_once(self):
        self.mirror("free", start=5000)

    def test_the_programs_print_the_same_for_the_same_seed(self):
        program = self.program("names_fuzz")
        logs = []
        for _ in range(2):
            self.fresh()
            logs.append(support.run([program, 7, CALLS_OF_A_SEED, self.work], cwd=self.work).out)
        self.assertEqual(logs[0], logs[1])
        # A fuzzer whose calls all fail would compare nothing.
        answers = re.findall(rb"^#.* = (-?\d+)", logs[0], re.M)
        succeeded = sum(1 for a in answers if not a.startswith(b"-"))
        self.assertGreater(succeeded, len(answers) // 20, logs[0][-3000:])


if __name__ == "__main__":
    support.main()
