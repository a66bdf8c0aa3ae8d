"""Random programs: under callgate they must see what they see without it.

names_fuzz makes random calls with random names and prints what each answered: the log under an
all-allowing policy equals the bare one, byte for byte; under a random policy it equals that of a run
without callgate in which an independent oracle says which calls are refused. mirror_fuzz makes
random descriptor, sharing and birth operations over several tasks, while callgate compares its
mirror with the kernel at every stop. Seeds are printed with each failure and replayed by
CALLGATE_FUZZ_SEED=N. How many operations ran is printed.

Each test runs for a few seconds, or, with CALLGATE_FUZZ_OPS=N, until it has made N operations (and
not longer than CALLGATE_FUZZ_TIME=SECONDS, where that is given). CALLGATE_FUZZ_ROUND=N takes other
seeds for each N, so that a later run goes where no earlier one was.
"""

import itertools
import os
import re
import shutil
import signal
import subprocess
import time

import support

OPS = os.environ.get("CALLGATE_FUZZ_OPS")
TIME = os.environ.get("CALLGATE_FUZZ_TIME")
SEED = os.environ.get("CALLGATE_FUZZ_SEED")
ROUND = int(os.environ.get("CALLGATE_FUZZ_ROUND") or 0)
PROGRAMS = support.BUILD / "programs"
CALLS_OF_A_SEED = 160
OPS_OF_A_SEED = 500
FEW_SEEDS = 8  # without CALLGATE_FUZZ_OPS; a few thousand operations of the mirror
LONGEST = 300  # seconds for one program: beyond it somebody hangs


def seeds(start, each):
    """Enough of them for the operations that are wanted, or the one that is asked for."""
    if SEED is not None:
        return [int(SEED)]
    start += ROUND * 1_000_000  # the tests' ranges stay apart
    return list(range(start, start + (max(1, -(-int(OPS) // each)) if OPS else FEW_SEEDS)))


def first_difference(one, other, names=("bare", "gated")):
    lines = itertools.zip_longest(one.splitlines(), other.splitlines())
    for number, (a, b) in enumerate(lines):
        if a != b:
            return f"line {number}:\n  {names[0]:6} {a!r}\n  {names[1]:6} {b!r}"
    return "no line differs"


def proc(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError as error:
        return f"({error.strerror})"


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

    def each_seed(self, what, wanted, patience, differs):
        """Calls differs(seed), which returns None or the difference, as long as there is time;
        returns how many were done."""
        differing = []
        limit = float(TIME) if TIME else None if OPS else patience
        start = time.monotonic()
        done = 0
        for done, seed in enumerate(wanted, 1):
            difference = differs(seed)
            if difference is not None:
                differing.append(f"seed {seed}: {difference}")
                print(f"{what}: seed {seed} differs", flush=True)
            if done % 200 == 0:
                print(f"{what}: {done} of {len(wanted)} seeds so far", flush=True)
            if limit is not None and time.monotonic() - start > limit:
                break
        print(f"{what}: {done} of {len(wanted)} seeds, {len(differing)} differ", flush=True)
        self.assertEqual(differing, [], "\n" + "\n".join(differing[:10]) +
                         f"\n{len(differing)} seeds differ; CALLGATE_FUZZ_SEED=N replays one")
        return done

    # ---- names, where everything is allowed

    def names(self, policy, *, start, before=(), after=(), owner=None):
        """`before` stands before callgate, `after` between it and the program."""
        program = self.program("names_fuzz")
        policy = self.policy(support.POLICIES[policy])

        def differs(seed):
            argv = [*after, program, seed, CALLS_OF_A_SEED, self.work]
            outcomes = []
            for full in (argv, support.gated(policy, argv)):
                self.fresh(owner)
                outcomes.append(support.run([*before, *full], cwd=self.work, timeout=LONGEST))
            bare, gated = outcomes
            self.assertStatus(bare, 0)
            self.assertTrue(bare.out.endswith(b"calls done\n"), f"bare, seed {seed}\n{bare}")
            if bare == gated:
                return None
            return (f"status {bare.status} and {gated.status}, "
                    f"{first_difference(bare.text, gated.text)}\n{gated.errors[:500]}")

        done = self.each_seed("names", seeds(start, CALLS_OF_A_SEED), 4, differs)
        print(f"names: {done * CALLS_OF_A_SEED} calls answered as bare", flush=True)

    def test_names_answer_as_bare(self):
        self.names("judged", start=1000)

    def test_names_answer_as_bare_where_metadata_is_judged_too(self):
        self.names("watched", start=2000)

    @support.needs_root
    @support.need("setpriv")
    def test_names_answer_an_ordinary_user_as_bare(self):
        self.names("watched", start=3000, before=support.NOBODY, owner=65534)

    @support.needs_root
    @support.need("setpriv")
    def test_names_answer_as_bare_when_the_program_drops_to_another_user_inside(self):
        self.names("watched", start=4000, after=support.NOBODY, owner=65534)

    # ---- names, where Landlock answers in the monitor's place

    @support.need("setpriv")
    def test_names_are_answered_behind_a_fence_as_by_the_monitor(self):
        program = self.program("names_fuzz")
        trees = [entry.path for entry in os.scandir("/")
                 if entry.is_dir(follow_symlinks=False) and entry.name != "proc"]
        policy = self.policy(
            "runtime none\n" + "".join(f"path allow read,execute {tree}/\n" for tree in trees) +
            f"path allow all {self.work}/**\npath allow read,write /dev/null /dev/zero\nnetwork allow all\n")
        before, owner = (support.NOBODY, 65534) if support.IS_ROOT else ((), None)
        self.fresh(owner)
        shown = support.run([*before, support.CALLGATE, "check", "--show", policy])
        if "Landlock (with --quiet)" not in shown.text:
            self.skipTest(shown.text.rpartition("takes nothing over")[2].strip())
        answer = re.compile(rb" = (-\d+) [A-Z]+(?: \"\")?$", re.M)
        answered = 0

        def differs(seed):
            nonlocal answered
            outcomes = []
            for options in (("--quiet", "--no-offload"), ("--quiet",)):
                self.fresh(owner)
                argv = support.gated(policy, [program, seed, CALLS_OF_A_SEED, self.work], *options)
                outcomes.append(support.run([*before, *argv], cwd=self.work, timeout=LONGEST))
            monitor, fence = outcomes
            self.assertStatus(monitor, 0)
            answered += len(answer.findall(fence.out))
            # Of two reasons for which a call fails either may be told (docs/architecture.md).
            if monitor.status == fence.status and answer.sub(b" failed", monitor.out) == answer.sub(b" failed", fence.out):
                return None
            return (f"status {monitor.status} and {fence.status}, "
                    f"{first_difference(monitor.text, fence.text, ('monitor', 'fence'))}\n{fence.errors[:500]}")

        done = self.each_seed("names behind a fence", seeds(6000, CALLS_OF_A_SEED), 4, differs)
        print(f"fence: {done * CALLS_OF_A_SEED} calls answered as by the monitor, {answered} of them failed", flush=True)

    # ---- names, under random policies

    def names_by_the_oracle(self, *, start, before=(), owner=None, drops=False):
        program = self.program("names_fuzz")
        log = self.root / "log"
        monitor = "root" if support.IS_ROOT and not before else "user"
        extra = {"NAMES_FUZZ_USER": str(owner)} if drops else {}
        counts = dict.fromkeys(("asked", "refused", "uncertain", "uncertain_refused"), 0)

        def run(seed, part, *words, prefix=(), env=None):
            argv = [*prefix, program, part, seed, CALLS_OF_A_SEED, self.work, *words]
            return support.run(argv, cwd=self.work, env=env, timeout=LONGEST)

        def differs(seed):
            policy = self.policy(run(seed, "policy").text)
            seen = []
            for watched in (True, False):
                self.fresh(owner)
                planted = run(seed, "plant", prefix=support.NOBODY if owner is not None else ())
                self.assertStatus(planted, 0)
                words = () if watched else ("predict", policy, log, monitor)
                gate = support.gated(policy, []) if watched else ()
                called = run(seed, "calls", *words, prefix=[*before, *gate],
                             env=support.environment(**extra))
                if watched:
                    log.write_bytes(called.out)
                seen.append((called, run(seed, "list")))
            (gated, left), (oracle, predicted) = seen
            said = re.search(r"asked (\d+), refused (\d+), uncertain (\d+), of these refused (\d+)",
                             oracle.errors)
            self.assertIsNotNone(said, str(oracle))
            for key, value in zip(counts, said.groups()):
                counts[key] += int(value)
            if gated.status == 0 and gated.out == oracle.out and left.out == predicted.out:
                return None
            difference = first_difference(oracle.text + predicted.text, gated.text + left.text,
                                          ("oracle", "gated"))
            return (f"status {gated.status}, {difference}\n{policy.read_text()}"
                    f"{gated.errors[-1500:]}")

        wanted = seeds(start, CALLS_OF_A_SEED)
        done = self.each_seed("names by the oracle", wanted, 6, differs)
        print(f"oracle: {done * CALLS_OF_A_SEED} calls,",
              ", ".join(f"{value} {key}" for key, value in counts.items()), flush=True)
        # A policy that refuses nothing, or moves that are all uncertain, prove little.
        if SEED is None and done >= FEW_SEEDS:
            self.assertGreater(counts["refused"] * 200, counts["asked"])
            self.assertLess(counts["uncertain"] * 100, counts["asked"])

    def test_names_are_refused_as_the_oracle_says(self):
        self.names_by_the_oracle(start=10_000)

    @support.needs_root
    @support.need("setpriv")
    def test_names_are_refused_to_an_ordinary_user_as_the_oracle_says(self):
        self.names_by_the_oracle(start=20_000, before=support.NOBODY, owner=65534)

    @support.needs_root
    @support.need("setpriv")
    def test_names_are_refused_as_the_oracle_says_when_the_program_drops_to_another_user(self):
        self.names_by_the_oracle(start=30_000, owner=65534, drops=True)

    # ---- the mirror

    def ours(self):
        """Processes with our directory in their command line: the monitor has its own session."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    ours = os.fsencode(self.root) in file.read() and int(pid) != os.getpid()
            except OSError:
                continue
            if ours:
                yield int(pid)

    def states(self):
        """What every task of ours is doing: for a hang, which no seed may bring back."""
        lines = []
        for pid in self.ours():
            for tid in sorted(os.listdir(f"/proc/{pid}/task")):
                task = f"/proc/{pid}/task/{tid}"
                status = [line for line in proc(f"{task}/status").splitlines()
                          if line.split(":")[0] in ("Name", "State", "PPid", "TracerPid", "SigPnd",
                                                    "ShdPnd", "SigBlk")]
                lines.append(f"{pid}/{tid} {' '.join(' '.join(status).split())} "
                             f"wchan {proc(f'{task}/wchan')} syscall {proc(f'{task}/syscall')}\n"
                             f"{proc(f'{task}/stack')}")
        return "\n".join(lines)

    def run_to_end(self, argv):
        """As support.run, but into files: whoever is left over keeps no pipe of ours open."""
        with open(self.root / "out", "w+b") as out, open(self.root / "err", "w+b") as err:
            process = subprocess.Popen(list(map(str, argv)), cwd=self.work, stdin=subprocess.DEVNULL,
                                       env=support.environment(), stdout=out, stderr=err)
            states = ""
            try:
                status = support.shell_status(process.wait(LONGEST))
            except subprocess.TimeoutExpired:
                status = -1
                states = self.states()
            for pid in self.ours():
                try:
                    os.kill(pid, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    pass
            process.wait()
            out.seek(0)
            err.seek(0)
            return support.Outcome(status, out.read(), err.read() + states.encode())

    def mirror(self, *words, start):
        program = self.program("mirror_fuzz")
        policy = self.policy(support.POLICIES["judged"])
        good = f"mirror_fuzz: {OPS_OF_A_SEED} operations, all tasks ended\n"
        ran = 0

        def differs(seed):
            nonlocal ran
            self.fresh()
            outcome = self.run_to_end(
                support.gated(policy, [program, seed, OPS_OF_A_SEED, *words], "--self-check", "--quiet"))
            if (outcome.status, outcome.errors) != (0, "") or not outcome.text.endswith(good):
                return str(outcome)
            ran += OPS_OF_A_SEED
            return None

        self.each_seed("mirror", seeds(start, OPS_OF_A_SEED), 6, differs)
        print(f"mirror: {ran} operations ran clean", flush=True)

    def test_the_mirror_equals_the_kernel_one_task_at_a_time(self):
        self.mirror(start=1)

    def test_the_mirror_equals_the_kernel_with_all_tasks_at_once(self):
        self.mirror("free", start=5000)

    # ---- the programs themselves

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
