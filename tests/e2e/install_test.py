"""What `cmake --install` puts where, and that it works from there: without the source, by whoever."""

import os
import re
import shutil
import tempfile
import unittest
from pathlib import Path

import support
from support import BUILD, IS_ROOT, SOURCE, environment, make_pdf, need


@unittest.skipUnless(os.access(BUILD, os.W_OK), "cmake --install writes into the build, which is someone else's")
class Installed(support.WorldTest):
    """One installation, below a directory that it was not configured for, as a package is made."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if shutil.which("cmake") is None:
            raise unittest.SkipTest("not installed: cmake")
        cls.stage = Path(tempfile.mkdtemp(prefix="callgate-e2e-"))
        cls.addClassCleanup(support.remove_tree, cls.stage)
        cls.stage.chmod(0o755)
        cls.said = support.run(["cmake", "--install", BUILD, "--prefix", "/usr"], env=environment(DESTDIR=str(cls.stage)), timeout=600)
        cls.usr = cls.stage / "usr"
        cls.callgate = cls.usr / "bin" / "callgate"

    def installed(self, *argv, user=None, **options):
        before = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--"] if user else []
        return support.run([*before, self.callgate, *argv], cwd=options.pop("cwd", self.work), **options)

    def users(self):
        return (None, "65534") if IS_ROOT else (None,)

    def test_everything_is_where_debian_puts_it(self):
        self.assertStatus(self.said, 0)
        self.assertTrue(os.access(self.callgate, os.X_OK))
        docs = self.usr / "share" / "doc" / "callgate"
        self.assertEqual({f.name for f in docs.iterdir()},
                         {f.name for f in (SOURCE / "docs").glob("*.md")} | {"README.md", "LICENSE"})
        data = self.usr / "share" / "callgate"
        self.assertEqual({f.name for f in (data / "profiles").iterdir()},
                         {f.name for f in (SOURCE / "policy" / "profiles").iterdir()})
        sources = {f.relative_to(SOURCE / "attacks") for f in (SOURCE / "attacks").rglob("*.cc")}
        self.assertEqual({f.relative_to(data / "attacks") for f in (data / "attacks").rglob("*.cc")}, sources)
        programs = {f.name for f in (self.usr / "libexec" / "callgate" / "lab").iterdir()}
        built = {f.name for f in (BUILD / "attacks").iterdir() if f.is_file() and os.access(f, os.X_OK)}
        self.assertGreater(len(built), 80)
        self.assertLessEqual({f.stem for f in sources} & built, programs)
        for file in self.usr.rglob("*"):
            mode = file.stat().st_mode & 0o777
            executable = file.is_dir() or file.parent.name in ("bin", "lab")
            self.assertEqual(mode, 0o755 if executable else 0o644, file)

    def test_its_own_profiles_are_used(self):
        mine = self.usr / "share" / "callgate" / "profiles" / "of-the-installed.policy"
        mine.write_text("path allow read /etc/hostname\n")
        self.addCleanup(mine.unlink)
        for user in self.users():
            self.assertStatus(self.installed("check", "of-the-installed", user=user), 0)
            explained = self.installed("explain", "pdf-reader", "read", "/etc/passwd", user=user)
            self.assertStatus(explained, 1)

    @need("pdftotext")
    def test_run_and_audit(self):
        make_pdf(self.work / "a.pdf")
        policy = self.policy("include pdf-reader\npath allow read ${CWD}/*.pdf\n")
        for user in self.users():
            run = self.installed("run", "--policy", policy, "--", "pdftotext", "a.pdf", "-", user=user)
            self.assertEqual((run.status, run.text.strip(), run.err), (0, support.MINIMAL_PDF_TEXT, b""))
            audit = self.installed("audit", "--", "pdftotext", "a.pdf", "-", user=user)
            self.assertStatus(audit, 0)
            self.assertSays(audit, f"{self.work}/a.pdf")

    def test_doctor_and_help(self):
        for user in self.users():
            self.assertStatus(self.installed("doctor", user=user), 0)
            self.assertIn("callgate doctor", self.installed("help", user=user).text)

    def test_the_lab(self):
        lessons = {f.stem for f in (SOURCE / "attacks").rglob("*.cc")}
        for user in self.users():
            listed = self.installed("lab", "list", user=user)
            self.assertLessEqual(lessons, set(re.findall(r"[\w-]+", listed.text)))
            self.assertStatus(self.installed("lab", "show", "symlink-swap", user=user), 0)
            ran = self.installed("lab", "run", "dup2-type-confusion", user=user, timeout=300)
            self.assertStatus(ran, 0)
            self.assertNotIn(str(SOURCE), ran.text + listed.text)

    @need("g++")
    def test_a_lesson_compiles_where_it_lies(self):
        attacks = self.usr / "share" / "callgate" / "attacks"
        built = support.run(["g++", "-std=c++20", "-I", attacks, "-fsyntax-only", attacks / "races" / "symlink-swap.cc"])
        self.assertStatus(built, 0)


if __name__ == "__main__":
    support.main()
