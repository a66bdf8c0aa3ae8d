"""The edges: interrupted calls, fast timers, births from threads, few descriptors, depth, 32 bits.

As in transparency_test.py each case runs bare and then under three policies that deny nothing, and must
leave the same output, status and files. Debuggers and a second callgate cannot work inside; they
must be refused in words, and nothing may hang.
"""

import textwrap
import unittest

import support
import transparency_test
from support import ALLOW_ALL, CALLGATE, need
from transparency_test import multiply

ASM = "-I/usr/include/x86_64-linux-gnu"  # where gcc-multilib's own link to it is not installed

# Alarms that come again and again, so that none need come at the right moment; the third one has
# the helper process do what lets a restarted call end.
ALARMS = r"""
    #include <errno.h>
    #include <fcntl.h>
    #include <netinet/in.h>
    #include <signal.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    #include <sys/socket.h>
    #include <sys/stat.h>
    #include <sys/time.h>
    #include <sys/un.h>
    #include <sys/wait.h>
    #include <unistd.h>
    static volatile sig_atomic_t alarms; static int helper_end = -1;
    static void (*in_handler)(void);
    static void on_alarm(int n) { int saved = errno; (void)n; if (in_handler) in_handler();
      if (++alarms == 3 && helper_end >= 0) (void)!write(helper_end, "x", 1); errno = saved; }
    static void start_alarms(int restart, int usec) {
      struct sigaction a; memset(&a, 0, sizeof a); a.sa_handler = on_alarm; a.sa_flags = restart ? SA_RESTART : 0;
      sigaction(SIGALRM, &a, 0); alarms = 0; struct itimerval often = {{0, usec}, {0, usec}}; setitimer(ITIMER_REAL, &often, 0); }
    static void stop_alarms(void) { struct itimerval never = {{0, 0}, {0, 0}}; setitimer(ITIMER_REAL, &never, 0); }
    static pid_t start_helper(void (*act)(int), int argument) {
      int p[2]; if (pipe(p)) exit(2); pid_t c = fork();
      if (c == 0) { char b; close(p[1]); if (read(p[0], &b, 1) == 1) act(argument); _exit(0); }
      close(p[0]); helper_end = p[1]; return c; }
    static void end_helper(pid_t c) { close(helper_end); helper_end = -1; waitpid(c, 0, 0); }
    """


@multiply
class Interrupted(transparency_test.Twice):
    """FIFO opens, accept and connect to a pathname are in tests/programs/registers.c."""

    def case_sends_to_a_full_queue(self):
        self.compiled(ALARMS + r"""
            static void drain(int fd) { char b[64]; for (int i = 0; i < 30; i++) recv(fd, b, sizeof b, MSG_DONTWAIT); }
            int main(void) {
              for (int way = 0; way < 3; way++) for (int restart = 0; restart < 2; restart++) {
                struct sockaddr_un a = {AF_UNIX, "q"}; unlink("q");
                int in = socket(AF_UNIX, SOCK_DGRAM, 0), out = socket(AF_UNIX, SOCK_DGRAM, 0);
                if (bind(in, (void *)&a, sizeof a)) return 2;
                struct iovec v = {"x", 1}; struct mmsghdr m[100]; memset(m, 0, sizeof m);
                for (int i = 0; i < 100; i++) { m[i].msg_hdr.msg_name = &a; m[i].msg_hdr.msg_namelen = sizeof a; m[i].msg_hdr.msg_iov = &v; m[i].msg_hdr.msg_iovlen = 1; }
                if (way < 2) while (sendto(out, "x", 1, MSG_DONTWAIT, (void *)&a, sizeof a) == 1);
                pid_t h = start_helper(drain, in); start_alarms(restart, 15000);
                int r = way == 0 ? (int)sendto(out, "y", 1, 0, (void *)&a, sizeof a) : way == 1 ? (int)sendmsg(out, &m[0].msg_hdr, 0) : sendmmsg(out, m, 100, 0);
                int e = errno; stop_alarms(); end_helper(h);
                // A series may end early at any message.
                if (way == 2) printf("series: some %d all %d\n", r > 0, r == 100); else printf("%d restart %d: %d %s\n", way, restart, r, r < 0 ? strerror(e) : "");
                close(in); close(out); }
              puts("ok"); return 0; }
            """, says="0 restart 0: -1 Interrupted system call")

    def case_a_handler_changes_the_name_of_the_call_that_starts_over(self):
        self.compiled(ALARMS + r"""
            static char name[16] = "fifo";
            static void rename_it(void) { strcpy(name, "file"); }
            int main(void) {
              char b[8] = {0}; mkfifo("fifo", 0600); int fd = open("file", O_CREAT | O_RDWR, 0600); write(fd, "file's", 6); close(fd);
              in_handler = rename_it; start_alarms(1, 15000); fd = open(name, O_RDONLY); stop_alarms();
              printf("%s\n", fd < 0 ? strerror(errno) : (read(fd, b, 7), b)); puts("ok"); return 0; }
            """, says="file's")

    def case_connect_over_tcp(self):
        self.compiled(ALARMS + r"""
            static void accept_all(int fd) { for (int i = 0; i < 2; i++) close(accept(fd, 0, 0)); }
            int main(void) {
              for (int restart = 0; restart < 2; restart++) {
                struct sockaddr_in a = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {0}}; socklen_t n = sizeof a;
                int l = socket(AF_INET, SOCK_STREAM, 0); if (bind(l, (void *)&a, n) || listen(l, 0)) return 2;
                getsockname(l, (void *)&a, &n); int first = socket(AF_INET, SOCK_STREAM, 0); if (connect(first, (void *)&a, n)) return 3;
                int s = socket(AF_INET, SOCK_STREAM, 0); pid_t h = start_helper(accept_all, l); start_alarms(restart, 20000);
                int r = connect(s, (void *)&a, n); int e = errno; 
                if (!restart) { printf("first %d %s\n", r, r ? strerror(e) : ""); while (alarms < 3) pause();
                  while ((r = connect(s, (void *)&a, n)) && errno == EINTR); e = errno; }
                stop_alarms(); printf("then %d %s\n", r, r ? strerror(e) : "");
                struct sockaddr_in p; n = sizeof p; printf("peer %d\n", getpeername(s, (void *)&p, &n) == 0 && p.sin_port == a.sin_port);
                close(first); close(s); end_helper(h); close(l); }
              puts("ok"); return 0; }
            """, says="first -1 Interrupted system call")


@multiply
class Timers(transparency_test.Twice):
    def case_a_fast_timer_disturbs_no_call_that_does_not_wait(self):
        self.compiled(ALARMS + r"""
            #define IS(x) do { errno = 0; if (!(x)) { if (wrong++ < 5) printf("%s: %s\n", #x, strerror(errno)); } } while (0)
            int main(void) {
              int wrong = 0; char b[32]; struct stat st; struct sockaddr_un a = {AF_UNIX, "sock"};
              for (int restart = 0; restart < 2; restart++) {
                start_alarms(restart, 1000);
                for (int i = 0; i < 60 || (alarms < 20 && i < 100000); i++) {
                  IS(mkdir("d", 0750) == 0); int fd = open("d/f", O_CREAT | O_EXCL | O_RDWR, 0640); IS(fd >= 0); IS(write(fd, "abc", 3) == 3); IS(close(fd) == 0);
                  IS(open("d/f", O_CREAT | O_EXCL | O_RDWR, 0640) == -1 && errno == EEXIST); IS(open("none", O_RDONLY) == -1 && errno == ENOENT);
                  IS(rename("d/f", "d/g") == 0); IS(link("d/g", "d/h") == 0); IS(symlink("g", "d/l") == 0); IS(readlink("d/l", b, sizeof b) == 1);
                  IS(stat("d/l", &st) == 0 && st.st_size == 3 && st.st_nlink == 2); IS(chmod("d/h", 0600) == 0); IS(truncate("d/l", 1) == 0);
                  fd = open("d/../d/l", O_RDONLY); IS(fd >= 0); IS(read(fd, b, 9) == 1); IS(fchmod(fd, 0400) == 0); IS(close(fd) == 0);
                  int in = socket(AF_UNIX, SOCK_DGRAM, 0), out = socket(AF_UNIX, SOCK_DGRAM, 0); IS(bind(in, (void *)&a, sizeof a) == 0);
                  IS(sendto(out, "x", 1, 0, (void *)&a, sizeof a) == 1); IS(connect(out, (void *)&a, sizeof a) == 0); IS(send(out, "yz", 2, 0) == 2);
                  IS(recv(in, b, 9, 0) == 1); IS(recv(in, b, 9, 0) == 2); close(in); close(out); IS(unlink("sock") == 0);
                  IS(chdir("d") == 0); IS(access("g", R_OK) == 0); IS(chdir("..") == 0); IS(unlink("d/l") == 0); IS(unlink("d/g") == 0); IS(unlink("d/h") == 0); IS(rmdir("d") == 0); }
                stop_alarms(); printf("ticked %d\n", alarms >= 20); }
              printf("%d wrong ok\n", wrong); return wrong != 0; }
            """, says="0 wrong ok", timeout=300)

    def case_timers_of_all_kinds_fire(self):
        self.compiled(r"""
            #include <errno.h>
            #include <fcntl.h>
            #include <poll.h>
            #include <signal.h>
            #include <stdio.h>
            #include <sys/timerfd.h>
            #include <time.h>
            #include <sys/time.h>
            #include <unistd.h>
            static volatile sig_atomic_t real, prof, rt;
            static void on(int n) { if (n == SIGALRM) real++; else if (n == SIGPROF) prof++; else rt++; }
            int main(void) {
              struct sigaction a = {.sa_handler = on, .sa_flags = SA_RESTART}; sigaction(SIGALRM, &a, 0); sigaction(SIGPROF, &a, 0); sigaction(SIGRTMIN, &a, 0);
              struct itimerval often = {{0, 2000}, {0, 2000}}; setitimer(ITIMER_REAL, &often, 0); setitimer(ITIMER_PROF, &often, 0);
              timer_t t; struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN}; timer_create(CLOCK_MONOTONIC, &e, &t);
              struct itimerspec s = {{0, 2000000}, {0, 2000000}}; timer_settime(t, 0, &s, 0);
              int fd = timerfd_create(CLOCK_MONOTONIC, 0); timerfd_settime(fd, 0, &s, 0); unsigned long long n, sum = 0;
              while (real < 10 || prof < 10 || rt < 10 || sum < 10) { int f = open("f", O_CREAT | O_RDWR, 0600); if (f < 0) { perror("open"); return 1; }
                close(f); if (unlink("f")) { perror("unlink"); return 1; } if (read(fd, &n, 8) == 8) sum += n;
                for (volatile int spin = 0; spin < 1000000; spin++); }
              puts("ok"); return 0; }
            """, timeout=300)


@multiply
class Landlocked(transparency_test.Twice):
    def case_a_program_in_a_domain_of_its_own(self):
        self.compiled(r"""
            #include <errno.h>
            #include <fcntl.h>
            #include <linux/landlock.h>
            #include <stdio.h>
            #include <string.h>
            #include <sys/prctl.h>
            #include <sys/stat.h>
            #include <sys/syscall.h>
            #include <sys/wait.h>
            #include <unistd.h>
            static int wrong;
            #define IS(x) do { if (!(x)) { wrong++; printf("%s: %s\n", #x, strerror(errno)); } } while (0)
            static void calls(int n) {
              char d[32], f[64], g[64], l[64]; sprintf(d, "d%d", n); sprintf(f, "d%d/f", n); sprintf(g, "d%d/../d%d/g", n, n); sprintf(l, "l%d", n);
              struct stat st; int fd;
              IS(mkdir(d, 0755) == 0); IS((fd = open(f, O_CREAT | O_RDWR, 0600)) >= 0); IS(write(fd, "text", 4) == 4); close(fd);
              IS(rename(f, g) == 0); IS(chmod(g, 0640) == 0); IS(symlink(g, l) == 0); IS((fd = open(l, O_RDONLY)) >= 0);
              IS(truncate(l, 3) == 0); IS(fstat(fd, &st) == 0 && st.st_size == 3 && st.st_mode == (S_IFREG | 0640)); close(fd);
              IS(lstat(l, &st) == 0 && S_ISLNK(st.st_mode)); IS(stat(l, &st) == 0 && S_ISREG(st.st_mode)); IS(unlink(l) == 0);
              IS(link(g, f) == 0); IS(unlink(f) == 0); IS(unlink(g) == 0); IS(rmdir(d) == 0);
              IS(chmod("nothing", 0600) == -1 && errno == ENOENT); IS(rename("nothing", "else") == -1 && errno == ENOENT);
              IS(mkdir("/etc/d", 0755) == -1 && errno == EACCES); IS(open("/etc/passwd", O_RDONLY) == -1 && errno == EACCES); }
            int main(void) {
              struct landlock_ruleset_attr a = {.handled_access_fs = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR};
              struct landlock_path_beneath_attr p = {.allowed_access = a.handled_access_fs, .parent_fd = open(".", O_PATH)};
              int r = syscall(SYS_landlock_create_ruleset, &a, sizeof a, 0);
              if (r < 0) { printf("0 wrong ok, but no Landlock: %s\n", strerror(errno)); return 0; }
              IS(syscall(SYS_landlock_add_rule, r, LANDLOCK_RULE_PATH_BENEATH, &p, 0) == 0);
              IS(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0); IS(syscall(SYS_landlock_restrict_self, r, 0) == 0);
              calls(0);  // alone, then among others that call without pause
              for (int i = 1; i < 5; i++) if (fork() == 0) { for (int n = 0; n < 25; n++) calls(i); _exit(wrong); }
              for (int i = 1, status; i < 5; i++) IS(wait(&status) > 0 && status == 0);
              printf("%d wrong ok\n", wrong); return wrong != 0; }
            """, says="0 wrong ok", timeout=300)


@multiply
class Births(transparency_test.Twice):
    def case_posix_spawn_and_vfork_from_threads(self):
        self.compiled(r"""
            #include <errno.h>
            #include <fcntl.h>
            #include <pthread.h>
            #include <spawn.h>
            #include <stdio.h>
            #include <stdlib.h>
            #include <string.h>
            #include <sys/wait.h>
            #include <unistd.h>
            extern char **environ; static int wrong;
            #define IS(x) do { if (!(x)) { __atomic_add_fetch(&wrong, 1, 5); printf("%s: %s\n", #x, strerror(errno)); } } while (0)
            static void *run(void *arg) {
              for (int i = 0; i < 12; i++) {
                char name[32], text[32] = {0}, code[32]; int status; pid_t pid; snprintf(name, sizeof name, "out%ld", (long)arg); snprintf(code, sizeof code, "echo %d; exit %d", i, i);
                posix_spawn_file_actions_t acts; posix_spawn_file_actions_init(&acts); posix_spawn_file_actions_addopen(&acts, 1, name, O_CREAT | O_TRUNC | O_WRONLY, 0600);
                char *argv[] = {"sh", "-c", code, 0}; IS((errno = posix_spawnp(&pid, "sh", &acts, 0, argv, environ)) == 0); posix_spawn_file_actions_destroy(&acts);
                IS(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == i);
                int fd = open(name, O_RDONLY | O_CLOEXEC); IS(fd >= 0 && read(fd, text, 31) > 0 && atoi(text) == i); close(fd); unlink(name);
                IS(posix_spawnp(&pid, "/nonexistent/program", 0, 0, argv, environ) == ENOENT);
                pid = vfork(); if (pid == 0) { execl("/nonexistent/program", "x", (char *)0); _exit(errno == ENOENT ? 40 : 41); }
                IS(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 40);
                pid = vfork(); if (pid == 0) { execl("/bin/true", "true", (char *)0); _exit(42); }
                IS(waitpid(pid, &status, 0) == pid && status == 0); }
              return 0; }
            int main(void) { pthread_t t[8]; for (long i = 0; i < 8; i++) if (pthread_create(t + i, 0, run, (void *)i)) return 2;
              for (int i = 0; i < 8; i++) pthread_join(t[i], 0); printf("%d wrong ok\n", wrong); return wrong != 0; }
            """, says="0 wrong ok", timeout=300)

    def case_exec_by_a_thread_ends_the_others(self):
        self.compiled(r"""
            #include <fcntl.h>
            #include <pthread.h>
            #include <stdio.h>
            #include <string.h>
            #include <unistd.h>
            static char *self; static pthread_barrier_t b;
            static void *busy(void *p) { pthread_barrier_wait(&b); for (;;) { int fd = open("/dev/null", O_RDONLY | O_CLOEXEC); close(fd); } return p; }
            static void *last(void *p) { pthread_barrier_wait(&b); char pid[16]; snprintf(pid, 16, "%d", getpid()); execl(self, self, pid, (char *)0); perror("exec"); return p; }
            int main(int c, char **v) { if (c > 1) { char pid[16]; snprintf(pid, 16, "%d", getpid()); printf("%s %d ok\n", strcmp(pid, v[1]) ? "another pid" : "same pid", gettid() == getpid()); return 0; }
              self = v[0]; pthread_t t; pthread_barrier_init(&b, 0, 4); for (int i = 0; i < 3; i++) pthread_create(&t, 0, i == 2 ? last : busy, 0); busy(0); return 1; }
            """, says="same pid 1 ok")


@multiply
class Groups(transparency_test.Twice):
    def case_a_signal_to_a_group_reaches_each_of_it_once(self):
        self.compiled(r"""
            #include <errno.h>
            #include <fcntl.h>
            #include <limits.h>
            #include <signal.h>
            #include <stdio.h>
            #include <stdlib.h>
            #include <string.h>
            #include <sys/wait.h>
            #include <unistd.h>
            static volatile sig_atomic_t own; static siginfo_t info; static int status;
            static void on_child(int n) { int e = errno; (void)n; close(open("/dev/null", O_RDONLY)); errno = e; }  // a call that is judged
            static void on_own(int n) { (void)n; own++; }
            static void handle(int n, void (*f)(int)) { struct sigaction a; memset(&a, 0, sizeof a); a.sa_handler = f; a.sa_flags = SA_RESTART; sigaction(n, &a, 0); }
            static pid_t start(int count) { pid_t group = 0;
              for (int i = 0; i < count; i++) { pid_t c = fork(); if (c == 0) for (;;) pause(); if (!group) group = c; if (setpgid(c, group)) exit(2); }
              return group; }
            static void become_another(void) { if (setgid(65534) || setuid(65534)) _exit(99); }
            #define T(x) do { errno = 0; int r_ = (x); printf("%s: %d %s\n", #x, r_, r_ ? strerror(errno) : ""); } while (0)
            int main(void) { handle(SIGCHLD, on_child); setvbuf(stdout, 0, _IONBF, 0);
              for (int round = 0; round < 10; round++) {  // each dies at once, of which the caller is told
                pid_t g = start(8); if (kill(-g, SIGTERM)) puts("not killed"); int n = 0; while (n < 8 && waitpid(-g, &status, 0) > 0) n += WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM; if (n != 8) printf("%d died\n", n); }
              pid_t z = start(1); kill(z, SIGKILL); waitid(P_PID, z, &info, WEXITED | WNOWAIT);  // a zombie is a member
              T(kill(-z, 0)); T(kill(-z, SIGTERM)); T(kill(z, SIGTERM)); T(kill(-z, 99)); T(kill(z, 99)); waitpid(z, 0, 0); T(kill(-z, 0)); T(kill(-z, 99)); T(kill(INT_MIN, 0)); T(kill(INT_MIN + 1, 0));
              pid_t c = fork(); if (c == 0) { setpgid(0, 0); for (int n = 0; n < 5; n++) if (fork() == 0) for (;;) pause();
                handle(SIGTERM, on_own); T(kill(0, SIGTERM)); printf("own %d\n", own); for (int n = 0; n < 5; n++) if (wait(&status) < 0 || !WIFSIGNALED(status)) puts("one lives");
                for (int n = 0; n < 5; n++) if (fork() == 0) for (;;) pause(); kill(0, SIGKILL); puts("the caller lives"); _exit(0); }
              waitpid(c, &status, 0); printf("caller: %d\n", WTERMSIG(status));
              if (geteuid() == 0) { pid_t g = start(3); c = fork(); if (c == 0) { setpgid(0, g); become_another(); errno = 0; kill(-g, SIGUSR1); _exit(errno); }
                waitpid(c, &status, 0); printf("one of four may be: %d %d\n", WIFSIGNALED(status), WTERMSIG(status));
                c = fork(); if (c == 0) { become_another(); errno = 0; kill(-g, SIGUSR1); _exit(errno); } waitpid(c, &status, 0); printf("none may be: %d\n", WEXITSTATUS(status)); kill(-g, SIGKILL); while (waitpid(-g, 0, 0) > 0); }
              puts("ok"); return 0; }
            """, says="caller: 9", timeout=300)


@multiply
class Flags(transparency_test.Twice):
    def case_flags_by_magic_links(self):
        self.compiled(r"""
            #include <errno.h>
            #include <fcntl.h>
            #include <stdio.h>
            #include <string.h>
            #include <sys/stat.h>
            #include <unistd.h>
            static void show(const char *name, int flags) { int fd = open(name, flags, 0600); printf("%s %o: %s %o\n", name, flags, fd < 0 ? strerror(errno) : "open", fd < 0 ? 0 : fcntl(fd, F_GETFL)); close(fd); }
            int main(void) {
              mkdir("plain", 0700); mkdir("sticky", 0700); chmod("sticky", 01777); const char *directories[] = {"plain", "sticky"};
              for (int i = 0; i < 2; i++) { char name[64], other[64]; sprintf(name, "/proc/self/cwd/%s/f", directories[i]); sprintf(other, "%s/other", directories[i]);
                int flags[] = {O_RDWR | O_CREAT, O_RDWR | O_CREAT, O_WRONLY | O_CREAT | O_TRUNC, O_WRONLY | O_CREAT | O_APPEND, O_RDONLY | O_NOFOLLOW, O_RDWR | O_CREAT | O_NOFOLLOW, O_RDWR | O_CREAT | O_EXCL, O_RDONLY, O_PATH};
                for (unsigned k = 0; k < sizeof flags / sizeof *flags; k++) show(name, flags[k]);
                close(open(other, O_CREAT | O_RDWR, 0666)); chmod(other, 0666); FILE *f = fopen("/proc/sys/fs/protected_regular", "r"); int kept = f ? fgetc(f) - '0' : 0; if (f) fclose(f);
                if (geteuid() == 0 && kept > 0 && chown(other, 65534, 65534) == 0) { sprintf(name, "/proc/self/cwd/%s", other); show(name, O_RDWR | O_CREAT); show(name, O_RDWR); } }
              puts("ok"); return 0; }
            """)


@multiply
class Few(transparency_test.Twice):
    def case_sixteen_descriptors(self):
        self.bash(r"""
            ulimit -n 16; ulimit -n; echo x > a; cat a; mkdir d; mv a d/b; ln -s d/b l; cat l; sh -c 'echo deep | cat'
            python3 -S -c '
            import os, errno, socket
            n = 0
            try:
                while True: os.open("l", os.O_RDONLY); n += 1
            except OSError as e: print(n, errno.errorcode[e.errno])
            for call in (lambda: os.mkdir("m"), lambda: os.rename("m", "n"), lambda: os.rmdir("n"), lambda: os.stat("l"), lambda: os.open("new", os.O_CREAT)):
                try: print(type(call()).__name__)
                except OSError as e: print(errno.errorcode[e.errno])
            os.close(5)
            try: s = socket.socket(); socket.socket()
            except OSError as e: print(errno.errorcode[e.errno])'
            """.replace("            ", ""), says="EMFILE")

    def case_all_descriptors_closed(self):
        self.compiled(r"""
            #include <fcntl.h>
            #include <stdio.h>
            #include <string.h>
            #include <sys/socket.h>
            #include <sys/stat.h>
            #include <sys/syscall.h>
            #include <sys/un.h>
            #include <sys/wait.h>
            #include <unistd.h>
            int main(void) {
              int keep = dup(1); int out = fcntl(1, F_DUPFD_CLOEXEC, 100); close(keep); char text[400]; int n = 0;
              syscall(SYS_close_range, 0, 99, 0); syscall(SYS_close_range, 101, ~0U, 0);
              int fd = open("f", O_CREAT | O_RDWR, 0600); n += sprintf(text + n, "%d ", fd); write(fd, "file", 4); n += sprintf(text + n, "%d ", mkdir("d", 0700));
              n += sprintf(text + n, "%d ", rename("f", "d/f")); int s = socket(AF_UNIX, SOCK_STREAM, 0); struct sockaddr_un a = {AF_UNIX, "s"};
              n += sprintf(text + n, "%d %d ", s, bind(s, (void *)&a, sizeof a)); n += sprintf(text + n, "%d ", open("none", O_RDONLY));
              pid_t c = fork(); if (!c) { close(0); close(1); open("d/f", O_RDONLY); open("copy", O_CREAT | O_WRONLY, 0600); execl("/bin/cat", "cat", (char *)0); _exit(9); }
              int w; waitpid(c, &w, 0); n += sprintf(text + n, "%d ok\n", w); write(out, text, n); return 0; }
            """, says="0 0 0 1 0 -1 0 ok")


@multiply
class Depth(transparency_test.Twice):
    @need("find", "tar")
    def case_directories_deeper_than_any_name(self):
        self.bash(r"""
            d=$(printf 'd%.0s' $(seq 200)); for i in $(seq 30); do mkdir $d; cd -P $d 2>/dev/null || cd ./$d; done
            printf '#!/bin/sh\necho "script $0"\n' > run; chmod +x run; ./run; cp /bin/echo e; ./e copied; ln -s run l; ./l
            mkfifo p; (echo through > p &) ; cat p; python3 -S -c 'import socket; s = socket.socket(1); s.bind("sock"); s.listen(); c = socket.socket(1); c.connect("sock"); print(c.getpeername(), s.getsockname())'
            mv run r2; chmod 700 r2; touch -d @7 r2; stat -c '%Y %a' r2; rm sock e; (cd .. && ls && mkdir up && rmdir up); pwd -P 2>&1 | wc -c
            """, says="copied", files=False)
        self.bash(r"""
            d=$(printf 'd%.0s' $(seq 200)); top=$PWD; for i in $(seq 30); do mkdir $d; cd ./$d 2>/dev/null; echo $i > f; done; cd "$top"
            find . -type f | wc -l; tar -cf t.tar --exclude=t.tar . 2>/dev/null; tar -tf t.tar | wc -l; rm t.tar; rm -rf d*; ls
            """, says="30")


@multiply
class ThirtyTwoBits(transparency_test.Twice):
    FILES = r"""
        #include <errno.h>
        #include <fcntl.h>
        #include <signal.h>
        #include <stdio.h>
        #include <string.h>
        #include <sys/stat.h>
        #include <sys/syscall.h>
        #include <sys/types.h>
        #include <unistd.h>
        static void show(const char *what, int fd) { printf("%s: %s %o\n", what, fd < 0 ? strerror(errno) : "open", fd < 0 ? 0 : fcntl(fd, F_GETFL)); }
        int main(void) { signal(SIGXFSZ, SIG_IGN);
          int big = open("big", O_RDWR | O_CREAT | 0100000, 0644); show("large", big); ftruncate64(big, 3LL << 30); close(big);
          show("small and existing", open("big", O_RDONLY)); show("large and existing", open("big", O_RDONLY | 0100000));
          int fd = open("new", O_RDWR | O_CREAT, 0600); show("small and new", fd); show("once more", open("new", O_RDWR | O_CREAT, 0600)); show("exclusive", open("new", O_RDWR | O_CREAT | O_EXCL, 0600));
          show("truncated", open("new", O_WRONLY | O_TRUNC)); symlink("new", "l"); show("by a link", open("l", O_WRONLY | O_APPEND)); show("not followed", open("l", O_RDONLY | O_NOFOLLOW));
          show("not a link", open("new", O_RDONLY | O_NOFOLLOW)); symlink("later", "dangling"); show("created by a link", open("dangling", O_CREAT | O_RDWR, 0640)); show("directory", open(".", O_RDONLY | O_DIRECTORY));
          show("slash", open("new/", O_RDONLY)); show("creat", creat("made", 0600)); show("temporary", open(".", O_TMPFILE | O_RDWR, 0600)); show("path", open("new", O_PATH)); show("null", open("/dev/null", O_RDWR));
          char own[64]; sprintf(own, "/proc/self/fd/%d", fd); show("by descriptor", open(own, O_RDONLY)); show("tty", open("/dev/tty", O_RDWR));
          off64_t at; syscall(SYS__llseek, fd, 0, 0x7ffffff0, &at, SEEK_SET); printf("%d ", (int)write(fd, "0123456789abcdefghij", 20)); printf("%d %s\n", (int)write(fd, "x", 1), strerror(errno));
          ftruncate(fd, 0); struct stat st; printf("%d %s\n", stat("big", &st), strerror(errno)); struct stat64 s64; printf("%d %lld\n", stat64("big", &s64), (long long)s64.st_size);
          printf("%d ", truncate("big", 5)); printf("%d %lld\n", stat64("big", &s64), (long long)s64.st_size); unlink("big"); puts("ok"); return 0; }
        """

    def case_files_large_and_small(self):
        self.compiled(self.FILES, flags=["-m32", "-static", "-w", ASM], says="small and existing: Value too large")

    def case_owners_of_sixteen_bits(self):
        self.compiled(r"""
            #include <errno.h>
            #include <fcntl.h>
            #include <stdio.h>
            #include <string.h>
            #include <sys/stat.h>
            #include <sys/syscall.h>
            #include <unistd.h>
            #define T(x) do { errno = 0; printf("%s: %ld %s\n", #x, (long)(x), strerror(errno)); } while (0)
            int main(void) { struct stat64 s; int fd = open("f", O_CREAT | O_RDWR, 0600); symlink("f", "l"); unsigned u = getuid();
              T(syscall(SYS_chown, "f", u, 0xffff)); T(syscall(SYS_chown32, "f", u, -1)); T(syscall(SYS_lchown, "l", 0xffff, 0xffff)); T(syscall(SYS_lchown32, "l", -1, -1));
              T(syscall(SYS_fchown, fd, 0xffff, 0xffff)); T(syscall(SYS_fchown32, fd, u, -1)); T(syscall(SYS_fchownat, AT_FDCWD, "l", u, -1, AT_SYMLINK_NOFOLLOW)); T(syscall(SYS_chown, "none", 0, 0));
              T(syscall(SYS_chown, "f", 0, 0)); T(syscall(SYS_chown32, "f", 0x10000, 0x10000)); T(syscall(SYS_fchmod, fd, 0640)); T(syscall(SYS_truncate64, "f", 0, 1)); T(syscall(SYS_ftruncate64, fd, 7, 0));
              T(syscall(SYS_utime, "f", 0)); T(syscall(SYS_utimes, "f", 0)); T(syscall(SYS_utimensat, AT_FDCWD, "f", 0, 0)); T(syscall(SYS_utimensat_time64, AT_FDCWD, "f", 0, 0)); T(syscall(SYS_futimesat, AT_FDCWD, "f", 0));
              T(syscall(SYS_statfs64, "f", 84, &s)); T(syscall(SYS_oldstat, "none", &s)); T(syscall(SYS_oldlstat, "l/", &s)); T(syscall(SYS_uselib, "f")); T(syscall(SYS_umount, "f") == -1);
              lstat64("f", &s); printf("%o %d %d %lld\n", s.st_mode, (int)s.st_uid == (int)u || u == 0, (int)s.st_gid >= 0, (long long)s.st_size); puts("ok"); return 0; }
            """, flags=["-m32", "-static", "-w", ASM], says="SYS_chown")

    def case_multiplexed_sockets_and_memory(self):
        self.compiled(r"""
            #include <arpa/inet.h>
            #include <errno.h>
            #include <stdio.h>
            #include <string.h>
            #include <sys/ipc.h>
            #include <sys/shm.h>
            #include <sys/socket.h>
            #include <sys/syscall.h>
            #include <sys/un.h>
            #include <sys/wait.h>
            #include <unistd.h>
            static long mux(int sub, long a, long b, long c, long d, long e, long f) { long words[] = {a, b, c, d, e, f}; return syscall(SYS_socketcall, sub, words); }
            #define T(x) do { errno = 0; printf("%s: %ld %s\n", #x, (long)(x), strerror(errno)); } while (0)
            int main(void) { char b[32]; struct sockaddr_un u = {AF_UNIX, "sock"}; long n = sizeof u; int pair[2];
              int l = mux(1, AF_UNIX, SOCK_STREAM, 0, 0, 0, 0); T(mux(2, l, (long)&u, n, 0, 0, 0)); T(mux(4, l, 2, 0, 0, 0, 0)); int c = mux(1, AF_UNIX, SOCK_STREAM, 0, 0, 0, 0);
              T(mux(3, c, (long)&u, n, 0, 0, 0)); struct sockaddr_un p; int k = sizeof p; int s = mux(5, l, (long)&p, (long)&k, 0, 0, 0); printf("%d %d\n", s > 0, k); T(mux(9, c, (long)"hello", 5, 0, 0, 0)); T(mux(10, s, (long)b, 32, 0, 0, 0));
              k = sizeof p; T(mux(6, l, (long)&p, (long)&k, 0, 0, 0)); printf("%s %d\n", p.sun_path, k); k = sizeof p; T(mux(7, c, (long)&p, (long)&k, 0, 0, 0)); printf("%s\n", p.sun_path);
              T(mux(8, AF_UNIX, SOCK_DGRAM, 0, (long)pair, 0, 0)); struct iovec v[2] = {{"ab", 2}, {"cd", 2}}; struct msghdr m = {0, 0, v, 2, 0, 0, 0}; T(mux(16, pair[0], (long)&m, 0, 0, 0, 0));
              struct iovec w = {b, 32}; struct msghdr r = {0, 0, &w, 1, 0, 0, 0}; T(mux(17, pair[1], (long)&r, 0, 0, 0, 0)); T(mux(13, c, 1, 0, 0, 0, 0)); T(mux(10, s, (long)b, 32, 0, 0, 0));
              int d = mux(1, AF_INET, SOCK_DGRAM, 0, 0, 0, 0); struct sockaddr_in a = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {0}}; T(mux(2, d, (long)&a, sizeof a, 0, 0, 0)); k = sizeof a; mux(6, d, (long)&a, (long)&k, 0, 0, 0);
              T(mux(11, d, (long)"to", 2, 0, (long)&a, sizeof a)); struct sockaddr_in from; k = sizeof from; T(mux(12, d, (long)b, 32, 0, (long)&from, (long)&k)); printf("%d %d\n", from.sin_port == a.sin_port, k);
              struct mmsghdr mm[2]; memset(mm, 0, sizeof mm); for (int i = 0; i < 2; i++) { mm[i].msg_hdr = m; mm[i].msg_hdr.msg_name = &a; mm[i].msg_hdr.msg_namelen = sizeof a; } T(mux(20, d, (long)mm, 2, 0, 0, 0)); printf("%u %u\n", mm[0].msg_len, mm[1].msg_len);
              memset(mm, 0, sizeof mm); mm[0].msg_hdr = r; mm[1].msg_hdr = r; T(mux(19, d, (long)mm, 2, 0, 0, 0)); int on = 1; T(mux(14, d, SOL_SOCKET, SO_REUSEADDR, (long)&on, sizeof on, 0)); k = sizeof on; T(mux(15, d, SOL_SOCKET, SO_TYPE, (long)&on, (long)&k, 0)); printf("%d\n", on);
              int x = mux(1, AF_UNIX, SOCK_STREAM, 0, 0, 0, 0); T(mux(3, x, (long)&u, n, 0, 0, 0)); T((s = mux(18, l, 0, 0, SOCK_CLOEXEC, 0, 0)) > 0);
              T(mux(0, 0, 0, 0, 0, 0, 0)); T(mux(21, 0, 0, 0, 0, 0, 0)); T(syscall(SYS_socketcall, 3, 8)); T(mux(3, 0, (long)&u, n, 0, 0, 0)); T(mux(3, 999, (long)&u, n, 0, 0, 0)); T(mux(3, c, 8, n, 0, 0, 0));
              int id = syscall(SYS_ipc, 23, IPC_PRIVATE, 4096, 0600 | IPC_CREAT, 0, 0); unsigned long at = 0; T(id >= 0); T(syscall(SYS_ipc, 21, id, 0, &at, 0, 0)); printf("%d\n", at != 0); *(int *)at = 5;
              T(syscall(SYS_ipc, 22, 0, 0, 0, at, 0)); T(syscall(SYS_ipc, 24, id, IPC_RMID, 0, 0, 0)); T(syscall(SYS_ipc, 99, 0, 0, 0, 0, 0)); T(syscall(SYS_ipc, 21, -1, 0, &at, 0, 0)); puts("ok"); return 0; }
            """, flags=["-m32", "-static", "-w", ASM], says="hello")


class Refused(support.WorldTest):
    """What cannot work inside says so at once."""

    def refused(self, argv, *words, status=1, env=None):
        for policy in (ALLOW_ALL, support.WATCHED):
            outcome = self.run_gated(policy, argv, timeout=60, env=env)
            self.assertStatus(outcome, status)
            for word in words:
                self.assertIn(word, outcome.errors + outcome.text, f"\n{outcome}")

    @need("strace")
    def test_strace(self):
        self.refused(["strace", "true"], "Operation not permitted")
        self.refused(["strace", "-f", "-o", "out", "sh", "-c", "true"], "Operation not permitted")

    @need("strace")
    def test_strace_of_another(self):
        self.refused(["sh", "-c", "strace -p $$"], "Operation not permitted")

    @need("gdb")
    def test_gdb(self):
        self.refused(["gdb", "-q", "-nx", "-batch", "-ex", "run", "/bin/true"], "Operation not permitted")

    def test_callgate_in_callgate(self):
        inner = self.policy(ALLOW_ALL, "inner.policy")
        for command in (["run", "--policy", inner], ["audit"]):
            self.refused([CALLGATE, *command, "--", "echo", "ran"], "traces callgate itself", status=125,
                         env=support.traced_environment())
        outcome = self.run_gated(ALLOW_ALL, [CALLGATE, "run", "--policy", inner, "--", "echo", "ran"],
                                 env=support.traced_environment())
        self.assertNotIn("ran", outcome.text)

    @need("strace")
    def test_callgate_in_strace(self):
        inner = self.policy(ALLOW_ALL, "inner.policy")
        outcome = support.run(["strace", "-f", "-o", "/dev/null", CALLGATE, "run", "--policy", inner, "--", "echo", "ran"],
                              cwd=self.work, env=support.traced_environment())
        self.assertStatus(outcome, 125)
        self.assertSays(outcome, "traces callgate itself")

    def test_a_32_bit_program_starts_under_three_lines(self):
        source = self.root / "p.c"
        source.write_text(textwrap.dedent(r"""
            #include <math.h>
            #include <stdio.h>
            int main(int c, char **v) { FILE *f = fopen("/etc/passwd", "r"); printf("%d %d %.1f\n", (int)sizeof(v), f != 0, pow(c, 2)); return 0; }
            """))
        built = support.run(["gcc", "-m32", ASM, "-o", self.root / "p", source, "-lm"], env=None)
        if built.status != 0:
            self.skipTest("no 32-bit C library: " + built.errors.splitlines()[-1])
        if not support.runs_32_bits():
            self.skipTest("this kernel runs no 32-bit programs")
        outcome = self.run_gated("path allow /tmp/*\npath deny /etc/passwd\nnetwork deny all\n", [self.root / "p"])
        self.assertEqual((outcome.status, outcome.text), (0, "4 0 1.0\n"), f"\n{outcome}")
        self.assertSays(outcome, "denied read of /etc/passwd")


if __name__ == "__main__":
    unittest.main()
