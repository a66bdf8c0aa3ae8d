"""Each shipped profile with the programs that it is described for: as bare, and without a denial."""

import os
import textwrap
from pathlib import Path

import support
from policy_test import serving
from support import environment, make_pdf, need


class OfProfiles(support.WorldTest):
    def setUp(self):
        super().setUp()
        self.home = self.root / "home"
        self.home.mkdir()
        (self.root / "tmp").mkdir()
        self.env = environment(HOME=str(self.home), TMPDIR=str(self.root / "tmp"), GIT_CONFIG_NOSYSTEM="0")

    def same(self, policy, script, shell="bash"):
        """The script's output, status and what it says are those without callgate."""
        argv = [shell, "-c", textwrap.dedent(script)]
        bare = self.run_bare(argv, env=self.env, cwd=self.fresh("bare"))
        gated = self.run_gated(policy, argv, env=self.env, cwd=self.fresh("gated"))
        self.assertStatus(bare, 0)
        self.assertSame(bare, gated)
        return gated

    def fresh(self, name):
        directory = self.root / name / "w"  # the same name at its end: programs print it
        support.remove_tree(directory.parent)
        directory.mkdir(parents=True)
        for file in self.work.iterdir():
            (directory / file.name).write_bytes(file.read_bytes())
        return directory


class ShellTools(OfProfiles):
    def test_tools_of_scripts(self):
        self.same("shell-tools", """
            set -e
            printf '3 c\\n1 a\\n2 b\\n' > f; sort -n f | awk '{ print $2 | "tac" }'
            tar czf a.tgz f; tar tzf a.tgz; xz -k f; xzcat f.xz | sed -n 2p; sed -i s/a/z/ f; grep -c z f
            find . -name '*.tgz' -exec basename {} +; seq 4 | xargs -P2 -n2 echo | sort
            t=$(mktemp); echo x > "$t"; cat "$t"; rm "$t"; d=$(mktemp -d); rmdir "$d"
            perl -MFile::Temp=tempfile -e '($h, $n) = tempfile(UNLINK => 1); print $h "x"; print "ok\\n"'
            cp f g; mv g h; ln -s h l; readlink l; install -m 600 f i; stat -c %a i; id -un; cut -c1 f | paste -s
            printf '#!/bin/sh\\necho from a script\\n' > s; chmod +x s; ./s
            """)

    @need("git")
    def test_git_with_the_users_configuration(self):
        (self.home / ".gitconfig").write_text("[user]\nname = T\nemail = t@example.org\n[init]\ndefaultBranch = trunk\n")
        (self.home / ".config" / "git").mkdir(parents=True)
        (self.home / ".config" / "git" / "ignore").write_text("*.o\n")
        self.same("shell-tools", """
            set -e
            git init -q; echo 1 > f; touch x.o; git add .; git commit -qm one; git ls-files; git log --format=%an%s
            git checkout -qb other; git clone -q . "$(mktemp -d)/copy"; git gc -q; git status -sb; git stash list
            """)

    @need("man", "groff")
    def test_man(self):
        found = self.run_bare(["man", "-w", "ls"])
        if found.status != 0:
            self.skipTest("no manual pages are installed")
        self.env.update(MANPAGER="cat", MANWIDTH="66")
        self.same("shell-tools", "man -w ls; man ls | head -3")

    def test_python_with_processes(self):
        (self.work / "m.py").write_text(textwrap.dedent("""
            import concurrent.futures, multiprocessing, multiprocessing.shared_memory
            def put(queue): queue.put(3)
            if __name__ == "__main__":
                queue = multiprocessing.Queue()
                multiprocessing.Process(target=put, args=(queue,)).start()
                print(queue.get(), multiprocessing.Value("i", 4).value)
                with concurrent.futures.ProcessPoolExecutor(2) as pool: print(list(pool.map(abs, [-1, 2])))
                memory = multiprocessing.shared_memory.SharedMemory(create=True, size=10)
                memory.close(); memory.unlink()
            """))
        self.same("shell-tools", "python3 m.py")

    @need("script")
    def test_a_terminal_of_its_own(self):
        self.same("shell-tools", "script -qec 'test -t 0 && echo a terminal' /dev/null < /dev/null")

    def test_secrets_stay_away(self):
        for name in (".ssh/id", ".config/git/credentials", ".git-credentials", ".netrc"):
            (self.home / name).parent.mkdir(parents=True, exist_ok=True)
            (self.home / name).write_text("canary")
            for profile in ("shell-tools", "compiler", "network-client", "pdf-reader", "runtime"):
                gated = self.run_gated(f"include {profile}\npath allow execute /usr/bin/cat\n",
                                       ["cat", self.home / name], env=self.env)
                self.assertEqual((gated.status, gated.out), (1, b""), f"{profile}\n{gated}")


class Compiler(OfProfiles):
    def setUp(self):
        super().setUp()
        (self.work / "m.c").write_text("#include <stdio.h>\nint main(void) { puts(\"42\"); return 0; }\n")
        (self.work / "m.cc").write_text(
            "#include <iostream>\n#include <thread>\nint main() { std::thread t([] { std::cout << 42 << '\\n'; }); t.join(); }\n")

    @need("gcc", "g++", "make")
    def test_make(self):
        (self.work / "Makefile").write_text(
            "all: a b\n\t./a; ./b\na: m.c\n\tgcc -O2 -g -o a m.c\nb: m.cc\n\tg++ -flto -O1 -pthread -o b m.cc\n")
        self.same("compiler", "make -s -j2")

    @need("cmake", "ninja")
    def test_cmake_and_ninja(self):
        (self.work / "CMakeLists.txt").write_text(textwrap.dedent("""
            cmake_minimum_required(VERSION 3.20)
            project(x C CXX)
            find_package(Threads REQUIRED)
            add_executable(x m.cc)
            target_link_libraries(x Threads::Threads)
            enable_testing()
            add_test(NAME t COMMAND x)
            install(TARGETS x)
            """))
        self.same("compiler", "set -e; cmake -G Ninja -B b > /dev/null; cmake --build b > /dev/null\n"
                  "ctest --test-dir b | grep -c Passed; cmake --install b --prefix i > /dev/null; i/bin/x")

    @need("clang")
    def test_clang(self):
        if os.path.exists("/usr/local/cuda"):
            self.skipTest("clang looks at CUDA's files here, which the profile does not know")
        self.same("compiler", "clang -O1 -o a m.c && ./a && clang++ -pthread -o b m.cc && ./b")


class NetworkClient(OfProfiles):
    MORE = "include network-client\nnetwork allow tcp connect 127.0.0.1:{port}\npath allow ${{CWD}}/\n"

    def test_clients(self):
        with serving(b"page\n") as port:
            url = f"http://localhost:{port}/"
            policy = self.policy(self.MORE.format(port=port))
            for program in (["wget", "-qO-", url], ["python3", "-c", f"import urllib.request as u; print(u.urlopen('{url}').read())"],
                            ["perl", "-MHTTP::Tiny", "-e", f"print HTTP::Tiny->new->get('{url}')->{{content}}"],
                            ["getent", "hosts", "localhost"], ["curl", "-sSo", "page", url]):
                with self.subTest(program[0]):
                    if not any((Path(d) / program[0]).exists() for d in self.env["PATH"].split(":")):
                        self.skipTest(f"not installed: {program[0]}")
                    bare = self.run_bare(program, env=self.env)
                    gated = self.run_gated(policy, program, env=self.env)
                    self.assertStatus(bare, 0)
                    self.assertEqual((gated.status, gated.out), (0, bare.out), f"\n{gated}")

    @need("git")
    def test_git_over_http(self):
        (self.home / ".gitconfig").write_text("[user]\nname = T\nemail = t@example.org\n")
        made = self.run_bare(["sh", "-c", "git init -q --bare r.git && git clone -q r.git t && git -C t commit -qm one "
                              "--allow-empty && git -C t push -q origin HEAD && git -C r.git update-server-info"], env=self.env)
        self.assertStatus(made, 0)
        files = support.subprocess.Popen(["python3", "-m", "http.server", "--bind", "127.0.0.1", "0"], cwd=self.work,
                                         stdout=support.subprocess.PIPE, stderr=support.subprocess.DEVNULL,
                                         env={**self.env, "PYTHONUNBUFFERED": "1"})
        self.addCleanup(files.stdout.close)
        self.addCleanup(files.wait)
        self.addCleanup(files.kill)
        port = files.stdout.readline().split()[5].decode()
        gated = self.run_gated(self.MORE.format(port=port), ["git", "clone", "-q", f"http://127.0.0.1:{port}/r.git", "c"], env=self.env)
        self.assertEqual((gated.status, gated.errors), (0, ""), f"\n{gated}")
        self.assertEqual(self.run_bare(["git", "-C", "c", "log", "--format=%s"], env=self.env).text, "one\n")

    def test_other_ports_are_refused(self):
        with serving(b"page\n") as port:
            gated = self.run_gated("network-client", ["python3", "-c", "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])))", port])
        self.assertNotEqual(gated.status, 0)
        self.assertSays(gated, f"tcp connect 127.0.0.1:{port}", "PermissionError")


class PdfReader(OfProfiles):
    POLICY = "include pdf-reader\npath allow read ${CWD}/*.pdf\npath allow ${CWD}/out/\npath allow execute /usr/bin/{bash,dash,mkdir}\n"

    def each(self, *programs):
        make_pdf(self.work / "a.pdf")
        for argv in programs:
            with self.subTest(argv[0]):
                if not any((Path(d) / argv[0]).exists() for d in self.env["PATH"].split(":")):
                    self.skipTest(f"not installed: {argv[0]}")
                left = {}
                for name in ("bare", "gated"):
                    directory = self.fresh(name)
                    (directory / "out").mkdir()
                    outcome = (self.run_bare(argv, cwd=directory, env=self.env) if name == "bare" else
                               self.run_gated(self.POLICY, argv, cwd=directory, env=self.env))
                    self.assertStatus(outcome, 0)
                    left[name] = (outcome.out, support.snapshot(directory))
                self.assertEqual(left["bare"], left["gated"])

    def test_readers(self):
        self.each(["pdftotext", "a.pdf", "-"], ["pdfinfo", "a.pdf"], ["pdfimages", "-list", "a.pdf"],
                  ["pdftoppm", "-r", "30", "a.pdf", "out/p"], ["pdftohtml", "-stdout", "a.pdf"],
                  ["mutool", "draw", "-r", "30", "-o", "out/m.png", "a.pdf"], ["mutool", "info", "a.pdf"],
                  ["mutool", "convert", "-o", "out/x.svg", "a.pdf"], ["qpdf", "--check", "a.pdf"],
                  ["gs", "-q", "-dBATCH", "-dNOPAUSE", "-sDEVICE=txtwrite", "-sOutputFile=-", "a.pdf"])


class Runtime(OfProfiles):
    POLICY = "include runtime\npath allow read ${CWD}\npath allow read /etc/passwd\n"

    def test_interpreters(self):
        for argv in (["python3", "-c", "import json, ssl, decimal, ctypes, locale; print(json.dumps([1]))"],
                     ["perl", "-MPOSIX", "-e", "print floor(1.5), \"\\n\""], ["sqlite3", ":memory:", "select 1"],
                     ["node", "-e", "console.log(JSON.stringify([1]), require('os').cpus().length > 0)"],
                     ["ls", "/usr/share"], ["date", "+%Y"], ["bash", "-c", "echo x"]):
            with self.subTest(argv[0]):
                if not any((Path(d) / argv[0]).exists() for d in self.env["PATH"].split(":")):
                    self.skipTest(f"not installed: {argv[0]}")
                bare = self.run_bare(argv, env=self.env)
                self.assertStatus(bare, 0)
                self.assertSame(bare, self.run_gated(self.POLICY, argv, env=self.env))


if __name__ == "__main__":
    support.main()
