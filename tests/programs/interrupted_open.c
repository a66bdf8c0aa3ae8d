// Opens under a storm of signals: whatever a handler interrupts, and wherever it jumps, the program
// must find its own registers, its own program counter and the kernel's own answers.
// Usage: interrupted_open DIRECTORY ROUNDS MICROSECONDS. A signal comes as often as that; the last line
// is "ok" or says what differed.
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

static sigjmp_buf away;
static volatile sig_atomic_t may_jump, handled, strange;
static char nested[4096];

static void on_alarm(int number, siginfo_t* info, void* context) {
  (void)number;
  (void)info;
  const int saved = errno;
  const greg_t* regs = ((ucontext_t*)context)->uc_mcontext.gregs;
  const uint64_t at = (uint64_t)regs[REG_RIP];
  if (at >= 0x70000000 && at < 0x74000000) strange = 1;
  ++handled;
  const int fd = open(nested, O_RDONLY | O_CLOEXEC);
  if (fd < 0) strange = 2;
  close(fd);
  errno = saved;
  if (may_jump && handled % 7 == 0) siglongjmp(away, 1);
}

struct answer {
  long result;
  uint64_t rdi, rsi, rdx, r10, r8, r9, rcx, r11, here, flags;
};

static struct answer raw_open(const char* path, long flags) {
  struct answer out;
  register uint64_t r10 __asm__("r10") = 0x1010101010101010;
  register uint64_t r8 __asm__("r8") = 0x0808080808080808;
  register uint64_t r9 __asm__("r9") = 0x0909090909090909;
  uint64_t rdi = (uint64_t)path, rsi = (uint64_t)flags, rdx = 0xd0d0d0d0000001b6, rcx, r11, here;
  long rax = 2;
  uint64_t want;
  __asm__ volatile(
      "stc\n\tpushfq\n\tpopq %[want]\n\tsyscall\n1:\tmovq %%r11, %[r11]\n\tleaq 1b(%%rip), %[here]"
      : "+a"(rax), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r10), "+r"(r8), "+r"(r9), "=&c"(rcx),
        [r11] "=&r"(r11), [here] "=&r"(here), [want] "=&r"(want)
      :
      : "r11", "memory", "cc");
  out.result = rax;
  out.rdi = rdi;
  out.rsi = rsi;
  out.rdx = rdx;
  out.r10 = r10;
  out.r8 = r8;
  out.r9 = r9;
  out.rcx = rcx;
  out.r11 = r11;
  out.here = here;
  out.flags = want;
  return out;
}

static int wrong(const char* what, long number) {
  printf("differs: %s %ld\n", what, number);
  return 1;
}

static int check(const char* path, long flags, long expected) {
  const struct answer a = raw_open(path, flags);
  if (a.result >= 0) close((int)a.result);
  if (expected < 0 ? a.result != expected : a.result < 0) return wrong(path, a.result);
  if (a.rdi != (uint64_t)path || a.rsi != (uint64_t)flags) return wrong("rdi or rsi", 0);
  if (a.rdx != 0xd0d0d0d0000001b6 || a.r10 != 0x1010101010101010) return wrong("rdx or r10", 0);
  if (a.r8 != 0x0808080808080808 || a.r9 != 0x0909090909090909) return wrong("r8 or r9", 0);
  if (a.rcx != a.here) return wrong("rcx", (long)a.rcx);
  if ((a.r11 & 1) == 0 || a.r11 != a.flags) return wrong("r11", (long)a.r11);
  return 0;
}

static char names[6][4096];

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  const int rounds = atoi(argv[2]);
  const int interval = atoi(argv[3]);
  const char* leaf[] = {"plain", "link", "missing", "loop", "fifo", "dir/../plain"};
  for (int i = 0; i < 6; ++i) snprintf(names[i], sizeof names[i], "%s/%s", argv[1], leaf[i]);
  snprintf(nested, sizeof nested, "%s/plain", argv[1]);
  close(open(names[0], O_CREAT | O_WRONLY, 0644));
  if (symlink("plain", names[1]) != 0 || symlink("loop", names[3]) != 0) return 2;
  char dir[4096];
  snprintf(dir, sizeof dir, "%s/dir", argv[1]);
  if (mkdir(dir, 0755) != 0 || mkfifo(names[4], 0600) != 0) return 2;

  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_alarm;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigaction(SIGALRM, &action, NULL);
  const struct itimerval often = {{0, interval}, {0, interval}}, never = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &often, NULL);
  volatile int done = 0, jumped = 0;
  // At least so many rounds, and until a handler has jumped out of one.
  while (done < rounds || (jumped == 0 && done < 1000 * rounds)) {
    if (sigsetjmp(away, 1) != 0) {
      may_jump = 0;
      ++jumped;
      for (int fd = 3; fd < 32; ++fd) close(fd);  // what was open when the handler left
    }
    ++done;
    may_jump = done % 3 == 0;
    const int bad = check(names[0], O_RDONLY, 0) || check(names[1], O_RDONLY, 0) ||
                    check(names[2], O_RDONLY, -ENOENT) || check(names[3], O_RDONLY, -ELOOP) ||
                    check(names[5], O_RDONLY, 0) || check(names[1], O_RDONLY | O_NOFOLLOW, -ELOOP);
    may_jump = 0;
    if (bad) return 1;
  }
  setitimer(ITIMER_REAL, &never, NULL);
  // A blocking open is interrupted for good by a handler without SA_RESTART, and goes on with it.
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGALRM, &action, NULL);
  const struct itimerval once = {{0, 0}, {0, 20000}};
  setitimer(ITIMER_REAL, &once, NULL);
  if (check(names[4], O_RDONLY, -EINTR)) return 1;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigaction(SIGALRM, &action, NULL);
  if (fork() == 0) {
    usleep(60000);
    _exit(open(names[4], O_WRONLY) < 0);
  }
  const int before = handled;
  setitimer(ITIMER_REAL, &once, NULL);
  if (check(names[4], O_RDONLY, 0)) return 1;
  if (handled == before) return wrong("the alarm did not come", 0);
  if (strange) return wrong(strange == 1 ? "a handler saw a foreign program counter" : "open", 0);
  if (jumped == 0) return wrong("nothing was jumped out of", 0);
  printf("ok\n");
  return 0;
}
