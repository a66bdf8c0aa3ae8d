"""docs/audit.md says every key of every record, and every key that it says occurs."""

import json
import os
import re
import textwrap

import support
from support import CALLGATE

TYPES = ("header", "event", "repeat", "unlisted", "process", "summary")
KINDS = {"path", "network", "exec", "signal", "process", "other"}


def documented():
    """type -> {key: whether its row says that it is a name}, keys as `objects[].links[].name`."""
    text = (support.SOURCE / "docs" / "audit.md").read_text()
    records = text[text.index("\n## Records\n"):]
    records = records[:records.index("\n## ", 4)]
    found = {}
    for section in records.split("\n### ")[1:]:
        title = section.splitlines()[0].split(":")[0]
        for kind in re.findall(r"`(\w+)`", title):
            keys = found.setdefault(kind, {"type": False})
            for row in re.findall(r"^\| (`[^|]*) \|(.*)\|$", section, re.MULTILINE):
                others = [t for t in TYPES if f"`{t}` only" in row[1]]
                if others and kind not in others:
                    continue
                for key in re.findall(r"`([^`]+)`", row[0]):
                    keys[key] = "*name" in row[1]
    return found


def keys_of(value, prefix=""):
    """Every key in a record, with its value; lists of objects as `objects[]`."""
    for key, inner in value.items():
        yield prefix + key, inner
        if isinstance(inner, dict):
            yield from keys_of(inner, f"{prefix}{key}.")
        elif isinstance(inner, list):
            for entry in inner:
                if isinstance(entry, dict):
                    yield from keys_of(entry, f"{prefix}{key}[].")


class Schema(support.WorldTest):
    PROGRAM = textwrap.dedent("""
        import os, signal, socket, subprocess
        def attempt(f, *args):
            try: return f(*args)
            except OSError: pass
        os.symlink("in", "l"); open("l").read(); open(b"odd\\xff", "w").write("x"); os.symlink(b"odd\\xff", b"odd\\xfel")
        open(b"odd\\xfel").read(); attempt(os.stat, "nosuch"); attempt(open, "secret")
        for _ in range(150): attempt(open, "secret")
        os.rename("in", "out"); attempt(os.link, "out", "free/x")
        s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen()
        socket.create_connection(s.getsockname()).close(); attempt(os.kill, os.getppid(), 0)
        subprocess.run(["true", b"\\xff"]); os.setpriority(0, 0, 1)
        p = subprocess.Popen(["sleep", "60"]); p.send_signal(signal.SIGTERM); p.wait()
        """)
    POLICY = ("path allow read,execute /usr/**\npath allow read,write,create,delete ${CWD}/**\n"
              "path allow all ${CWD}/free/** # \u00e9\npath deny log ${CWD}/secret\nnetwork allow tcp 127.0.0.1\n")

    def setUp(self):
        super().setUp()
        (self.work / "in").write_text("x")
        (self.work / "secret").write_text("x")
        (self.work / "free").mkdir()

    def records(self, path):
        found = [json.loads(line) for line in path.read_text().splitlines()]
        self.assertEqual((found[0]["type"], found[-1]["type"]), ("header", "summary"))
        self.assertEqual(found[0]["schema"], "callgate-audit/1")
        return found

    def every_kind_of_run(self):
        policy = self.policy(self.POLICY, "p\u00e9.policy")
        python = ["python3", "-Sc", self.PROGRAM]
        log = self.root / "run.jsonl"
        self.assertStatus(self.run_gated(policy, python, "--log", log), 0)
        yield "run", self.records(log)
        self.setUpAgain()
        log = self.root / "audit.jsonl"
        self.assertStatus(support.run([CALLGATE, "audit", "--policy", policy, "--json", log, "--", *python],
                                      cwd=self.work), 0)
        yield "audit", self.records(log)
        # More of refusals than there is room for: long names of bytes that are no text.
        flood = ("import os\nfor i in range(3000):\n"
                 "  try: open(b'/nowhere/' + b'/'.join([b'\\xff' * 250] * 15) + b'/%d' % i, 'w')\n"
                 "  except OSError: pass\n")
        policy = self.policy("path allow read,execute /usr/**\npath deny stat /nowhere/\n", "flood.policy")
        log = self.root / "flood.jsonl"
        self.assertStatus(self.run_gated(policy, ["python3", "-Sc", flood], "--quiet", "--log", log), 0)
        yield "flood", self.records(log)

    def setUpAgain(self):
        for name in ("l", "out", b"odd\xff", b"odd\xfel"):
            os.unlink(os.path.join(os.fsencode(self.work), os.fsencode(name)))
        (self.work / "in").write_text("x")

    def test_what_is_said_and_what_occurs_are_the_same(self):
        schema = documented()
        self.assertEqual(set(schema), set(TYPES))
        seen = {kind: set() for kind in TYPES}
        for run, records in self.every_kind_of_run():
            for record in records:
                keys = schema[record["type"]]
                for key, value in keys_of(record):
                    name = key.removesuffix("_hex")
                    with self.subTest(run=run, type=record["type"], key=key):
                        self.assertIn(name, keys, record)
                        if name != key:
                            self.assertTrue(keys[name], f"{name} is not said to be a name")
                            self.assertIn(name, dict(keys_of(record)))
                    seen[record["type"]].add(name)
                if record["type"] == "event":
                    self.assertIn(record["kind"], KINDS)
                    self.assertIn(record["verdict"], {"allow", "deny", "kill"})
        for kind, keys in schema.items():
            with self.subTest(kind):
                self.assertEqual(set(keys) - seen[kind], set(), "documented, and does not occur")

    def test_keys_that_are_absent_are_absent_as_said(self):
        for run, records in self.every_kind_of_run():
            events = [r for r in records if r["type"] == "event"]
            for event in events:
                self.assertEqual("errno" in event, event["result"] < 0, event)
                self.assertEqual("call_site" in event, run == "audit", event)
                if "would_deny" in event:
                    self.assertEqual((run, event["would_deny"]), ("audit", True))
                self.assertIn(event.get("lookup_failed", True), (True,))
            counted = sum(r["count"] for r in records if r["type"] in ("repeat", "unlisted"))
            summary = records[-1]
            self.assertEqual(summary["events"], len(events) + counted)
            self.assertEqual(summary["in_full"], len(events))
            self.assertEqual(summary["events"], summary["allowed"] + summary["denied"] + summary["killed"])


if __name__ == "__main__":
    support.main()
