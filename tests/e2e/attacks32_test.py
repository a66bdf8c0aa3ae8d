"""Every attack of attacks/ as an i386 program, four ways: see attacks_test.py.

The same sources, built with -m32: other numbers, other structures in memory, other ways in
(socketcall, ipc, 16-bit user numbers). An attack whose head says `bits:` cannot be built so.
"""

import unittest

import attacks_test
import support


# i386's symlink has the number of x86_64's mkdir. The naive model, with its one table, takes the
# preparation of these for a directory to be made where none may be, and never sees the attack.
NAIVE_STUMBLES = {"follow-table", "lexical-normalisation", "metadata-oracle", "missing-target",
                  "own-domain", "symlink-swap"}


class Attack32(attacks_test.Attack):
    programs = "attacks32"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        if self.id in NAIVE_STUMBLES:
            self.models = [model for model in self.models if model != "naive"]

    def check_needs(self, test):
        if "bits" in self.head:
            test.skipTest("bits: " + " ".join(self.head["bits"]))
        if not self.program.parent.exists():
            test.skipTest("no 32-bit C++ compiler when this was built (g++-12-multilib)")
        if not support.runs_32_bits():
            test.skipTest("this kernel runs no 32-bit programs")
        super().check_needs(test)


def load_tests(loader, tests, pattern, races=False):
    return attacks_test.load_tests(loader, tests, pattern, Attack32, races)


if __name__ == "__main__":
    support.main()
