"""A redirected call changes its result and nothing else, and signals interrupt it as they would bare.

tests/programs/registers.c fills every register with marks, garbage in the high halves of what the
kernel takes as an int included, makes calls of every redirected kind, and prints each result and
each register that came back changed. Its output under callgate must equal its output without.
"""

import os
import shutil
import unittest

import support

POLICIES = support.POLICIES
PROGRAMS = support.BUILD / "programs"


class RegistersTest(support.WorldTest):
    def world(self):
        support.remove_tree(self.work)
        self.work.mkdir()
        self.work.chmod(0o755)

    def program(self, name):
        built = PROGRAMS / name
        if not built.exists():
            if name.endswith("_32"):
                self.skipTest(f"no 32-bit C compiler when this was built: {built}")
            self.fail(f"not built: {built}")
        if name.endswith("_32") and not support.runs_32_bits():
            self.skipTest("this kernel runs no 32-bit programs")
        # The build tree may lie where an ordinary user's sandbox has no search permission.
        copy = self.root / name
        shutil.copy(built, copy)
        return copy

    def compare(self, name, *arguments, last):
        argv = [self.program(name), *arguments]
        self.world()
        bare = self.run_bare(argv)
        self.assertStatus(bare, 0)
        self.assertTrue(bare.text.endswith(last), f"bare\n{bare}")
        self.assertNotIn("CHANGED", bare.text, "the kernel itself changed a register")
        for variant, policy in POLICIES.items():
            with self.subTest(policy=variant):
                self.world()
                self.assertSame(bare, self.run_gated(policy, argv))
        # Recording every call redirects more of them, and follows each to its exit.
        with self.subTest(policy="judged", log=True):
            self.world()
            log = self.root / f"{name}.jsonl"
            policy = POLICIES["watched"] + f"path deny {log}\n"
            self.assertSame(bare, self.run_gated(policy, argv, "--log", log))

    def test_every_register_but_the_result_survives_a_redirected_call(self):
        self.compare("registers", last="registers: done\n")

    def test_every_register_survives_in_a_32_bit_program(self):
        self.compare("registers_32", last="registers: done\n")

    def test_signals_interrupt_or_restart_a_blocking_call_as_bare(self):
        self.compare("registers", "signals", last="signals: done\n")

    def test_signals_interrupt_or_restart_a_blocking_call_of_a_32_bit_program_as_bare(self):
        self.compare("registers_32", "signals", last="signals: done\n")

    @unittest.skipUnless(os.uname().machine == "x86_64", "the return stub is of x86_64")
    def test_opens_under_a_storm_of_signals_come_back_as_bare(self):
        # Who gets signals faster than they are handled does nothing else, and a handler opens as well.
        microseconds = "5000" if support.is_sanitized() else "500"
        self.compare("interrupted_open", self.work, "600", microseconds, last="ok\n")


if __name__ == "__main__":
    support.main()
