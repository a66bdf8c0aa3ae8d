"""callgate bench: what it says has the right shape. No timing decides anything here."""

import json
import shutil

import support
from support import CALLGATE, need

GROUPS = ("micro", "steps", "works", "server", "start-up", "memory", "scale")
OURS = ("bare", "null", "naive", "canonical", "sealed")


class Bench(support.WorldTest):
    def bench(self, *argv, **options):
        return support.run([CALLGATE, "bench", *argv], cwd=self.work,
                           env=support.environment(TMPDIR=str(self.work)), timeout=600, **options)

    def measured(self, *argv):
        """Runs quickly, one round; the report and what was printed."""
        outcome = self.bench("--quick", "--rounds", "1", "--json", "out.json", *argv)
        self.assertStatus(outcome, 0)
        return json.loads((self.work / "out.json").read_text()), outcome

    def work_named(self, report, name):
        found = [work for work in report["works"] if work["name"] == name]
        self.assertEqual(len(found), 1, name)
        return found[0]

    def test_help_teaches_and_the_list_names_every_work(self):
        outcome = self.bench("--help")
        self.assertStatus(outcome, 0)
        for word in ("--only", "--with", "--rounds", "--quick", "--json", *GROUPS):
            self.assertIn(word, outcome.text)
        listed = self.bench("--list")
        self.assertStatus(listed, 0)
        for word in ("open", "tar", "server-new", "memory-1000-processes", "tasks-16", "strace",
                     "proot", "gvisor", "target: sealed at most 2.6x the null monitor"):
            self.assertIn(word, listed.text)
        some = self.bench("--list", "--only", "open,server")
        self.assertStatus(some, 0)
        self.assertIn("server-new", some.text)
        self.assertNotIn("grep", some.text.split("contestants:")[0])

    def test_wrong_words_are_said(self):
        for argv, words in ((["--only", "opne"], ["opne", "did you mean open?"]),
                            (["--with", "starce"], ["did you mean strace?"]),
                            (["--list", "--only", "opne"], ["did you mean open?"]),
                            (["--rounds", "0"], ["from 1 to 1000"]),
                            (["--rounds", "many"], ["from 1 to 1000"]),
                            (["--olny", "open"], ["did you mean --only?"]),
                            (["open"], ["--only"]),
                            (["loop", "nothing"], ["usage"]),
                            (["loop", "open", "tasks=x"], ["usage"]),
                            (["hold", "1"], ["usage"]),
                            (["null", "--", "x"], ["usage"])):
            with self.subTest(argv):
                outcome = self.bench(*argv)
                self.assertStatus(outcome, 2)
                self.assertSays(outcome, *words)

    def test_open_is_measured_under_every_contestant(self):
        report, outcome = self.measured("--only", "open,getpid")
        self.assertEqual(report["schema"], "callgate-bench/1")
        self.assertTrue(report["quick"])
        self.assertTrue(report["complete"])
        self.assertEqual(report["rounds"], 1)
        self.assertEqual([work["name"] for work in report["works"]], ["open", "getpid"])
        work = self.work_named(report, "open")
        self.assertEqual((work["group"], work["unit"], work["better"]), ("micro", "us", "less"))
        measured = {each["name"]: each for each in work["contestants"]}
        absent = {each["name"] for each in report["absent"]}
        for name in OURS:
            self.assertIn(name, measured)
        for peer, program in (("strace", "strace"), ("proot", "proot"), ("gvisor", "runsc")):
            self.assertTrue((peer in measured) != (peer in absent), peer)
            if shutil.which(program) is None:
                self.assertIn(peer, absent)
                self.assertIn(f"not measured: {peer}", outcome.text)
        for name, each in measured.items():
            if name not in OURS and each["failure"] is not None:
                continue  # a peer that is installed and cannot run here says so in its row
            self.assertIsNone(each["failure"], f"{name}: {each}")
            self.assertEqual(len(each["samples"]), 1)
            self.assertGreater(each["samples"][0], 0)
            self.assertEqual(each["median"], each["samples"][0])
        self.assertEqual(measured["bare"]["over_bare"], 1)
        ratio = measured["sealed"]["median"] / measured["bare"]["median"]
        self.assertAlmostEqual(measured["sealed"]["over_bare"], ratio, places=6)
        null = work["targets"][0]
        self.assertEqual(null["limit"], 2.6)
        self.assertEqual(null["met"], null["measured"] <= 2.6)
        for word in ("open: open and close of an absolute name", "sealed", "target:", "#",
                     "targets met"):
            self.assertIn(word, outcome.text)

    @need("tar")
    def test_a_whole_work_and_the_start(self):
        report, _ = self.measured("--only", "tar,start", "--with", "null")
        if self.work_named(report, "tar")["skipped"]:
            self.assertIn("/usr/include", self.work_named(report, "tar")["skipped"])
        else:
            for name in ("bare", "null", "sealed"):
                self.assertIn(name, report["whole_works_over_bare"])
        start = self.work_named(report, "start")
        self.assertEqual([each["failure"] for each in start["contestants"]], [None] * 3)

    def test_the_server_serves_under_the_policy(self):
        report, _ = self.measured("--only", "server", "--with", "sealed")
        for work in report["works"]:
            with self.subTest(work["name"]):
                self.assertEqual((work["unit"], work["better"]), ("requests/s", "more"))
                for each in work["contestants"]:
                    self.assertIsNone(each["failure"])
                    self.assertGreater(each["median"], 0)

    def test_memory_and_scale(self):
        report, _ = self.measured("--only", "memory-1,tasks-2,descriptors-1000,past-20000,tasks-1")
        memory = self.work_named(report, "memory-1")
        self.assertEqual([each["name"] for each in memory["contestants"]], ["sealed"])
        self.assertIsNone(memory["contestants"][0]["failure"])
        self.assertGreater(memory["contestants"][0]["median"], 1)
        grown = self.work_named(report, "tasks-2")["targets"]
        self.assertEqual(len(grown), 1)
        self.assertIn("tasks-1", grown[0]["text"])
        self.assertIsNotNone(grown[0]["measured"])

    def test_the_steps_add_up(self):
        report, outcome = self.measured("--only", "steps")
        self.assertEqual(report["works"][0]["name"], "step-bare")
        self.assertIn("step-sealed", [work["name"] for work in report["works"]])
        for work in report["works"]:
            self.assertIsNone(work["contestants"][0]["failure"], work["name"])
        self.assertIn("adds", outcome.text)

    def test_a_work_without_its_program_is_skipped_and_says_so(self):
        bin_directory = self.work / "bin"
        bin_directory.mkdir()
        outcome = support.run([CALLGATE, "bench", "--quick", "--rounds", "1", "--only", "make,c++"],
                              cwd=self.work, env=support.environment(PATH=str(bin_directory)))
        self.assertStatus(outcome, 0)
        self.assertIn("make: make -j2 of 40 C files\n  skipped: not there: make, cc", outcome.text)
        self.assertIn("strace is not installed", outcome.text)

    def test_the_null_monitor_runs_a_tree_to_its_end(self):
        policy = self.policy("path allow read,execute /**\n")
        for where in ("one-cpu", "all-cpus"):
            for step in ("continue", "exit-stop", "restore"):
                with self.subTest(step, where=where):
                    outcome = self.bench("null", "--", str(policy), step, where, "sh", "-c",
                                         "for i in 1 2 3; do cat /etc/hostname | cat >/dev/null; done;"
                                         "sleep 1000 & kill -STOP $!; kill -CONT $!; kill $!; wait; exit 7")
                    self.assertStatus(outcome, 7)

    def test_it_leaves_nothing_behind(self):
        self.measured("--only", "getpid", "--with", "sealed")
        self.assertEqual([path.name for path in self.work.iterdir()], ["out.json"])

    def test_a_report_that_cannot_be_written_fails(self):
        outcome = self.bench("--quick", "--rounds", "1", "--only", "getpid", "--with", "sealed",
                             "--json", "/nonexistent/out.json")
        self.assertStatus(outcome, 1)
        self.assertSays(outcome, "/nonexistent/out.json")


if __name__ == "__main__":
    support.main()
