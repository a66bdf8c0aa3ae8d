"""The layers are a fact: reads every #include "..." and fails on an arrow that points upward.

    attacks/ -> tests/support      monitor/ -> policy/ -> arch/

Also: third-party headers stay in the .cc files of the module that owns them, policy/ does not reach
for the world, machine #ifdefs stay in arch/, and no file grows past 400 lines.
"""

import os
import re
import unittest
from pathlib import Path

SOURCE = Path(os.environ.get("CALLGATE_SOURCE", Path(__file__).resolve().parents[1]))

# What a file below the first name may include.
LAYERS = {
    "arch": ("arch",),
    "policy": ("policy", "arch"),
    "monitor": ("monitor", "policy", "arch"),
    "attacks": ("tests/support",),
    "tests/arch": ("tests/support", "tests/arch", "arch"),
    "tests/policy": ("tests/support", "tests/policy", "policy", "arch"),
    "tests/monitor": ("tests/support", "tests/monitor", "monitor", "policy", "arch"),
    "tests/programs": ("tests/support", "tests/programs"),  # run inside the sandbox
    "tests/bench": ("tests/support", "monitor", "policy", "arch"),
    "tests/fuzz": ("tests/fuzz", "tests/support", "monitor", "policy", "arch"),
    "tests/support": ("tests/support", "monitor", "policy", "arch"),
}

# Who owns a third-party header: the only files that may include it.
OWNERS = {
    r"seccomp\.h": r"monitor/filter[a-z_]*\.cc|tests/.*\.cc",
    r"capstone/.*": r"arch/instruction[a-z_]*\.cc",
    r"re2/.*": r"policy/[a-z_]*\.cc",
    r"boost/.*": r"monitor/cli/[a-z_]*\.cc",
    r"spdlog/(?!fmt/).*": r"monitor/(log|record|denial)[a-z_]*\.cc|monitor/cli/[a-z_]*\.cc",
    r"nlohmann/.*": r"monitor/audit_json\.cc|monitor/cli/bench_json\.cc|tests/.*\.cc",
    r"gtest/.*|gmock/.*": r"tests/.*\.(cc|h)",
    r"benchmark/.*": r"tests/bench/.*\.cc",
}

# policy/ is pure: no descriptor, process, clock or file.
IMPURE = re.compile(r"(unistd|fcntl|sys/(stat|ptrace|wait|socket|mman)|dirent|time)\.h|"
                    r"fstream|filesystem|chrono|thread|mutex|ctime|iostream")

# The table, which reads as one.
LONG = {"arch/syscalls.def"}
LIMIT = 400


def sources():
    for top in ("arch", "policy", "monitor", "tests", "attacks"):
        for path in sorted((SOURCE / top).rglob("*")):
            if path.suffix in (".cc", ".h", ".def"):
                yield path.relative_to(SOURCE).as_posix(), path.read_text()


def layer_of(name):
    return max((layer for layer in LAYERS if name.startswith(layer + "/")), key=len, default=None)


class Layering(unittest.TestCase):
    maxDiff = None

    def test_includes_point_down(self):
        wrong = []
        for name, text in sources():
            layer = layer_of(name)
            if layer is None:
                wrong.append(f"{name}: in no layer")
                continue
            for line, included in self.includes(text, '"'):
                if not any(included.startswith(below + "/") for below in LAYERS[layer]):
                    wrong.append(f'{name}:{line}: {layer}/ may not include "{included}"')
                elif not (SOURCE / included).exists():
                    wrong.append(f'{name}:{line}: no such file from the root: "{included}"')
        self.assertEqual(wrong, [])

    def test_own_header_first(self):
        wrong = []
        for name, text in sources():
            own = name[:-3] + ".h"
            if name.endswith(".cc") and (SOURCE / own).exists():
                first = re.search(r'^#include ["<]([^">]+)[">]', text, re.MULTILINE)
                if not first or first[1] != own:
                    wrong.append(f"{name}: the first include is not its own header")
        self.assertEqual(wrong, [])

    def test_third_party_headers_have_one_owner(self):
        wrong = []
        for name, text in sources():
            for line, included in self.includes(text, "<"):
                for header, owner in OWNERS.items():
                    if re.fullmatch(header, included) and not re.fullmatch(owner, name):
                        wrong.append(f"{name}:{line}: <{included}> belongs to {owner}")
        self.assertEqual(wrong, [])

    def test_policy_is_pure(self):
        wrong = [f"{name}:{line}: <{included}>"
                 for name, text in sources() if name.startswith("policy/")
                 for line, included in self.includes(text, "<") if IMPURE.fullmatch(included)]
        self.assertEqual(wrong, [])

    def test_machine_ifdefs_stay_in_arch(self):
        machine = re.compile(r"^\s*#\s*(if|ifdef|elif).*__(x86_64|i386|aarch64|arm)__")
        wrong = [f"{name}:{i}" for name, text in sources()
                 if name.startswith(("policy/", "monitor/"))
                 for i, line in enumerate(text.splitlines(), 1) if machine.match(line)]
        self.assertEqual(wrong, [])

    def test_files_stay_short(self):
        wrong = [f"{name}: {text.count(chr(10))} lines" for name, text in sources()
                 if text.count("\n") > LIMIT and name not in LONG]
        self.assertEqual(wrong, [])

    def test_headers_open_with_a_sentence(self):
        wrong = [name for name, text in sources()
                 if name.endswith(".h") and not re.match(r"// \S.*\S", text)]
        self.assertEqual(wrong, [])

    @staticmethod
    def includes(text, quote):
        end = {'"': '"', "<": ">"}[quote]
        for i, line in enumerate(text.splitlines(), 1):
            match = re.match(rf"\s*#\s*include\s*{quote}([^{end}]+){end}", line)
            if match:
                yield i, match[1]


if __name__ == "__main__":
    unittest.main()
