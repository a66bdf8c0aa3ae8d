// registers CASE...: makes calls with every register full of marks, unused argument registers and high
// halves included, and prints for each what it answered and which registers came back changed. The
// kernel changes the result alone (and rcx, r11 by `syscall`): a monitor that redirects calls must
// leave the same picture. With -m32 the calls are made by int 0x80, as in a 64-bit build when the
// case's name ends in "-int80".
//
// registers-signals: a handler that interrupts a blocking call must find the program's own arguments
// in the interrupted context, and the call must end or start over as signal(7) says.
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define WORD(pointer) ((uintptr_t)(pointer))

// ---- one call, all registers -------------------------------------------------------------------
#if defined(__x86_64__)
enum { kRegisters = 15 };  // in this order; rsp is checked by still being able to return
static const char* const kNames[kRegisters] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8",
                                               "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
uint64_t before[kRegisters];
uint64_t after[kRegisters];
uint64_t stack_before, stack_after;
void call_by_syscall(void);
void call_by_int80(void);
__asm__(
    ".macro LOAD\n"
    "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "mov %rsp, stack_before(%rip)\n"
    "mov before+0(%rip), %rax;  mov before+8(%rip), %rbx;   mov before+16(%rip), %rcx\n"
    "mov before+24(%rip), %rdx; mov before+32(%rip), %rsi;  mov before+40(%rip), %rdi\n"
    "mov before+48(%rip), %rbp; mov before+56(%rip), %r8;   mov before+64(%rip), %r9\n"
    "mov before+72(%rip), %r10; mov before+80(%rip), %r11;  mov before+88(%rip), %r12\n"
    "mov before+96(%rip), %r13; mov before+104(%rip), %r14; mov before+112(%rip), %r15\n"
    ".endm\n"
    ".macro STORE\n"
    "mov %rax, after+0(%rip);  mov %rbx, after+8(%rip);   mov %rcx, after+16(%rip)\n"
    "mov %rdx, after+24(%rip); mov %rsi, after+32(%rip);  mov %rdi, after+40(%rip)\n"
    "mov %rbp, after+48(%rip); mov %r8, after+56(%rip);   mov %r9, after+64(%rip)\n"
    "mov %r10, after+72(%rip); mov %r11, after+80(%rip);  mov %r12, after+88(%rip)\n"
    "mov %r13, after+96(%rip); mov %r14, after+104(%rip); mov %r15, after+112(%rip)\n"
    "mov %rsp, stack_after(%rip)\n"
    "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    "ret\n"
    ".endm\n"
    ".globl call_by_syscall\ncall_by_syscall:\nLOAD\nsyscall\nSTORE\n"
    ".globl call_by_int80\ncall_by_int80:\nLOAD\nint $0x80\nSTORE\n");
static const int kArguments[6] = {5, 4, 3, 9, 7, 8};
static const int kArguments32[6] = {1, 2, 3, 4, 5, 6};
static const int kClobbered[] = {2, 10};  // `syscall` keeps its return address and flags there
#else
enum { kRegisters = 7 };
static const char* const kNames[kRegisters] = {"eax", "ebx", "ecx", "edx", "esi", "edi", "ebp"};
uint32_t before[kRegisters];
uint32_t after[kRegisters];
uint32_t stack_before, stack_after;
void call_by_int80(void);
__asm__(
    ".globl call_by_int80\ncall_by_int80:\n"
    "push %ebx; push %ebp; push %esi; push %edi\n"
    "mov %esp, stack_before\n"
    "mov before+0, %eax; mov before+4, %ebx; mov before+8, %ecx; mov before+12, %edx\n"
    "mov before+16, %esi; mov before+20, %edi; mov before+24, %ebp\n"
    "int $0x80\n"
    "mov %eax, after+0; mov %ebx, after+4; mov %ecx, after+8; mov %edx, after+12\n"
    "mov %esi, after+16; mov %edi, after+20; mov %ebp, after+24\n"
    "mov %esp, stack_after\n"
    "pop %edi; pop %esi; pop %ebp; pop %ebx\n"
    "ret\n");
static const int kArguments32[6] = {1, 2, 3, 4, 5, 6};
#endif

typedef struct {
  const char* name;
  long number;    // of the 64-bit table; -1: not there
  long number32;  // of the i386 table
  int count;
  uint64_t arguments[6];
  unsigned narrow;  // bit i: the kernel takes argument i as an int; its high half is noise
} Case;

static void run_case(const Case* c, int by_int80) {
  for (int i = 0; i < kRegisters; ++i) before[i] = (typeof(before[0]))(0x5a5a0000c0de0000u + 0x101ull * (unsigned)i);
#if defined(__x86_64__)
  const int* order = by_int80 ? kArguments32 : kArguments;
  const uint64_t noise = 0xdeadbeef00000000u;
  before[0] = (uint64_t)(by_int80 ? c->number32 : c->number);
#else
  const int* order = kArguments32;
  before[0] = (uint32_t)c->number32;
  (void)by_int80;
#endif
  for (int i = 0; i < c->count; ++i) {
#if defined(__x86_64__)
    uint64_t value = c->arguments[i];
    // The i386 entry reads low halves alone; so does the kernel where it takes an int.
    if (by_int80 || (c->narrow & (1u << i)) != 0) value = (value & 0xffffffffu) | noise;
    before[order[i]] = value;
#else
    before[order[i]] = (uint32_t)c->arguments[i];
#endif
  }
#if defined(__x86_64__)
  if (by_int80) call_by_int80(); else call_by_syscall();
#else
  call_by_int80();
#endif
  const long result = (long)(intptr_t)after[0];
  const long shown = by_int80 ? (long)(int)result : result;
  printf("%s%s: result %ld", c->name, by_int80 ? "-int80" : "", shown);
  if (shown >= 3 && strstr(c->name, "open") != NULL) close((int)shown);
  for (int i = 1; i < kRegisters; ++i) {
    if (after[i] == before[i]) continue;
#if defined(__x86_64__)
    int expected = 0;
    for (size_t k = 0; k < sizeof kClobbered / sizeof *kClobbered; ++k) expected |= !by_int80 && kClobbered[k] == i;
    if (expected) continue;
#endif
    printf(" CHANGED %s %llx -> %llx", kNames[i], (unsigned long long)before[i],
           (unsigned long long)after[i]);
  }
  if (stack_before != stack_after) printf(" CHANGED the stack pointer");
  printf("\n");
}

// In .bss, below 4 GiB in a build that is not position-independent.
static char file[] = "file";
static char missing[] = "missing/file";
static char new_directory[] = "new";
static char other[] = "other";
static char link_name[] = "link";
static char text_of_link[] = "file";
static char not_a_program[] = "file";
static struct sockaddr_un listening, nobody;
static struct open_how how = {.flags = O_RDWR | O_CREAT, .mode = 0640};
static char word[] = "x";
static char* no_strings[] = {word, NULL};
static char content[] = "hello";
static struct iovec vector;
static struct msghdr message;
static struct mmsghdr messages[2];
static struct stat status;

#define ARGUMENT(pointer) ((uint64_t)WORD(pointer))
#define CWD ((uint64_t)(int64_t)AT_FDCWD)

#if defined(__x86_64__)
#define N64(name) SYS_##name
#else
#define N64(name) (-1)
#endif

static int make_listener(void) {
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  listening.sun_family = AF_UNIX;
  strcpy(listening.sun_path, "listening");
  nobody.sun_family = AF_UNIX;
  strcpy(nobody.sun_path, "nobody");
  if (fd < 0 || bind(fd, (struct sockaddr*)&listening, sizeof listening) != 0 || listen(fd, 20) != 0) exit(2);
  return fd;
}

// Without IA32 emulation the instruction faults, in a 64-bit program; no other comes to ask.
static int has_int80(void) {
#if defined(__x86_64__)
  int status = 0;
  const pid_t child = fork();
  if (child == 0) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "0"(20L) : "r8", "r9", "r10", "r11", "memory");
    _exit((int)result == getpid() ? 0 : 1);
  }
  return child > 0 && waitpid(child, &status, 0) == child && status == 0;
#else
  return 1;
#endif
}

static int run_registers(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  signal(SIGPIPE, SIG_IGN);
  close(open("file", O_RDWR | O_CREAT, 0644));
  make_listener();
  const int stream = socket(AF_UNIX, SOCK_STREAM, 0);
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) != 0) return 2;
  vector.iov_base = content;
  vector.iov_len = 5;
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  messages[0].msg_hdr = messages[1].msg_hdr = message;
  setpgid(0, 0);  // so that kill(0, ..) reaches nobody else

  const Case cases[] = {
      {"open", N64(open), 5, 3, {ARGUMENT(file), O_RDWR, 0}, 2},
      {"open-missing", N64(open), 5, 3, {ARGUMENT(missing), O_RDONLY, 0}, 2},
      {"open-create", N64(open), 5, 3, {ARGUMENT(other), O_RDWR | O_CREAT | O_EXCL, 0600}, 6},
      {"creat-open", N64(creat), 8, 2, {ARGUMENT(other), 0600}, 2},
      {"openat", N64(openat), 295, 4, {CWD, ARGUMENT(file), O_RDONLY, 0}, 5},
      {"openat-missing", N64(openat), 295, 4, {CWD, ARGUMENT(missing), O_RDONLY, 0}, 5},
      {"openat-bad-descriptor", N64(openat), 295, 4, {777, ARGUMENT(file), O_RDONLY, 0}, 5},
      {"openat2", N64(openat2), 437, 4, {CWD, ARGUMENT(file), ARGUMENT(&how), sizeof how}, 1},
      {"openat2-big", N64(openat2), 437, 4, {CWD, ARGUMENT(file), ARGUMENT(&how), 5000}, 1},
      {"symlink", N64(symlink), 83, 2, {ARGUMENT(text_of_link), ARGUMENT(link_name)}, 0},
      {"open-link", N64(open), 5, 3, {ARGUMENT(link_name), O_RDWR, 0}, 2},
      {"open-link-itself", N64(open), 5, 3, {ARGUMENT(link_name), O_RDWR | O_NOFOLLOW, 0}, 2},
      {"mkdir", N64(mkdir), 39, 2, {ARGUMENT(new_directory), 0755}, 2},
      {"mkdir-again", N64(mkdir), 39, 2, {ARGUMENT(new_directory), 0755}, 2},
      {"mkdirat", N64(mkdirat), 296, 3, {CWD, ARGUMENT(missing), 0755}, 5},
      {"rmdir", N64(rmdir), 40, 1, {ARGUMENT(new_directory)}, 0},
      {"unlinkat-flag", N64(unlinkat), 301, 3, {CWD, ARGUMENT(new_directory), AT_REMOVEDIR}, 5},
      {"rename", N64(rename), 38, 2, {ARGUMENT(other), ARGUMENT(new_directory)}, 0},
      {"renameat2", N64(renameat2), 353, 5, {CWD, ARGUMENT(new_directory), CWD, ARGUMENT(other), 1}, 21},
      {"link", N64(link), 9, 2, {ARGUMENT(other), ARGUMENT(new_directory)}, 0},
      {"linkat", N64(linkat), 303, 5, {CWD, ARGUMENT(other), CWD, ARGUMENT(file), 0}, 21},
      {"unlink", N64(unlink), 10, 1, {ARGUMENT(new_directory)}, 0},
      {"unlink-missing", N64(unlink), 10, 1, {ARGUMENT(missing)}, 0},
      {"truncate", N64(truncate), 92, 2, {ARGUMENT(other), 10}, 0},
      {"chmod", N64(chmod), 15, 2, {ARGUMENT(other), 0600}, 2},
      {"fchmodat", N64(fchmodat), 306, 3, {CWD, ARGUMENT(other), 0644}, 5},
      {"fchmod", N64(fchmod), 94, 2, {(uint64_t)pair[0], 0600}, 3},
      {"chown", N64(chown), -1, 3, {ARGUMENT(other), (uint64_t)-1, (uint64_t)-1}, 6},
      {"stat", N64(stat), -1, 2, {ARGUMENT(other), ARGUMENT(&status)}, 0},
      {"readlink", N64(readlink), 85, 3, {ARGUMENT(link_name), ARGUMENT(&status), 3}, 4},
      {"access", N64(access), 33, 2, {ARGUMENT(missing), R_OK}, 2},
      {"chdir-missing", N64(chdir), 12, 1, {ARGUMENT(missing)}, 0},
      {"execve-missing", N64(execve), 11, 3, {ARGUMENT(missing), ARGUMENT(no_strings), ARGUMENT(no_strings + 1)}, 0},
      {"execve-no-program", N64(execve), 11, 3, {ARGUMENT(not_a_program), ARGUMENT(no_strings), ARGUMENT(no_strings + 1)}, 0},
      {"connect-nobody", N64(connect), 362, 3, {(uint64_t)stream, ARGUMENT(&nobody), sizeof nobody}, 5},
      {"connect-no-socket", N64(connect), 362, 3, {0, ARGUMENT(&nobody), sizeof nobody}, 5},
      {"connect-short", N64(connect), 362, 3, {(uint64_t)stream, ARGUMENT(&listening), 1}, 5},
      {"connect", N64(connect), 362, 3, {(uint64_t)stream, ARGUMENT(&listening), sizeof listening}, 5},
      {"connect-again", N64(connect), 362, 3, {(uint64_t)stream, ARGUMENT(&listening), sizeof listening}, 5},
      {"bind-used", N64(bind), 361, 3, {(uint64_t)pair[0], ARGUMENT(&listening), sizeof listening}, 5},
      {"sendto", N64(sendto), 369, 6, {(uint64_t)pair[0], ARGUMENT(content), 5, 0, 0, 0}, 9},
      {"sendto-nobody", N64(sendto), 369, 6, {(uint64_t)pair[0], ARGUMENT(content), 5, 0, ARGUMENT(&nobody), sizeof nobody}, 41},
      {"sendmsg", N64(sendmsg), 370, 3, {(uint64_t)pair[0], ARGUMENT(&message), 0}, 5},
      {"sendmsg-unreadable", N64(sendmsg), 370, 3, {(uint64_t)pair[0], 16, 0}, 5},
      {"sendmmsg", N64(sendmmsg), 345, 4, {(uint64_t)pair[0], ARGUMENT(messages), 2, 0}, 13},
      {"listen", N64(listen), 363, 2, {(uint64_t)stream, 5}, 3},
      {"kill-group", N64(kill), 37, 2, {0, 0}, 3},
      {"kill-nobody", N64(kill), 37, 2, {0x7ffffff0, 0}, 3},
      {"close-range-unshare", N64(close_range), 436, 3, {900, 901, 2}, 7},
      {"unshare", N64(unshare), 310, 1, {0}, 0},
      {"shmdt-low", N64(shmdt), 398, 1, {0x6f000000}, 0},
  };
  const int count = (int)(sizeof cases / sizeof *cases);
  const int passes = has_int80() ? 2 : 1;
  if (passes == 1) puts("int80: this kernel has no IA32 emulation");
  for (int pass = 0; pass < passes; ++pass) {
    const int by_int80 = pass == 1;
    for (int i = 0; i < count; ++i) {
      const Case* c = &cases[i];
      if (by_int80 ? c->number32 < 0 : c->number < 0) continue;
      // Structures with pointers have another layout there.
      if (sizeof(void*) == 8 && by_int80 &&
          (strstr(c->name, "msg") != NULL || strstr(c->name, "execve-no") != NULL)) {
        continue;
      }
      run_case(c, by_int80);
    }
  }
  puts("registers: done");
  return 0;
}

// ---- signals while a call blocks ---------------------------------------------------------------
static volatile sig_atomic_t alarms;
static int tell_helper = -1;
static uint64_t seen[4];
static int in_handler_errno;

static void on_alarm(int signal_number, siginfo_t* info, void* context) {
  (void)signal_number;
  (void)info;
  const ucontext_t* at = context;
#if defined(__x86_64__)
  seen[0] = (uint64_t)at->uc_mcontext.gregs[REG_RDI];
  seen[1] = (uint64_t)at->uc_mcontext.gregs[REG_RSI];
  seen[2] = (uint64_t)at->uc_mcontext.gregs[REG_RDX];
  seen[3] = (uint64_t)at->uc_mcontext.gregs[REG_RAX];
#elif defined(__i386__)
  seen[0] = (uint32_t)at->uc_mcontext.gregs[REG_EBX];
  seen[1] = (uint32_t)at->uc_mcontext.gregs[REG_ECX];
  seen[2] = (uint32_t)at->uc_mcontext.gregs[REG_EDX];
  seen[3] = (uint32_t)at->uc_mcontext.gregs[REG_EAX];
#endif
  const int saved = errno;
  // A redirected call in a handler, while the interrupted one may have to start over.
  mkdir("in-handler", 0755);
  if (rmdir("in-handler") != 0) in_handler_errno = errno;
  if (++alarms == 3 && tell_helper >= 0) (void)!write(tell_helper, "x", 1);
  errno = saved;
}

static void start_alarms(int restart) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_alarm;
  action.sa_flags = SA_SIGINFO | (restart ? SA_RESTART : 0);
  sigaction(SIGALRM, &action, NULL);
  alarms = 0;
  const struct itimerval often = {{0, 15000}, {0, 15000}};
  setitimer(ITIMER_REAL, &often, NULL);
}

static void stop_alarms(void) {
  const struct itimerval never = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &never, NULL);
}

// The helper acts once the third alarm has come: a call that starts over ends then.
static pid_t start_helper(void (*act)(int), int argument) {
  int pipes[2];
  if (pipe(pipes) != 0) exit(2);
  const pid_t child = fork();
  if (child == 0) {
    char byte;
    close(pipes[1]);
    if (read(pipes[0], &byte, 1) == 1) act(argument);
    _exit(0);
  }
  close(pipes[0]);
  tell_helper = pipes[1];
  return child;
}

static void end_helper(pid_t child) {
  close(tell_helper);
  tell_helper = -1;
  waitpid(child, NULL, 0);
}

static void open_writer(int unused) {
  (void)unused;
  close(open("fifo", O_WRONLY));
}
static void do_connect(int unused) {
  (void)unused;
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  (void)connect(fd, (struct sockaddr*)&listening, sizeof listening);
  close(fd);
}
static void do_accept(int fd) { close(accept(fd, NULL, NULL)); }

static void say(const char* what, int restart, long result, int saved_errno, const uint64_t* own, int count) {
  printf("%s %s: %s errno %d", what, restart ? "SA_RESTART" : "interrupted",
         result >= 0 ? "done" : "failed", result >= 0 ? 0 : saved_errno);
  // What the handler saw while the call was blocked: it comes at least once in each case.
  for (int i = 0; i < count; ++i) {
    if (seen[i] != own[i]) printf(" argument %d seen as %llx, not %llx", i, (unsigned long long)seen[i], (unsigned long long)own[i]);
  }
  printf(" handler errno %d\n", in_handler_errno);
}

static int run_signals(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (mkfifo("fifo", 0600) != 0) return 2;
  const int listener = make_listener();
  for (int restart = 0; restart < 2; ++restart) {
    pid_t helper = start_helper(open_writer, 0);
    start_alarms(restart);
    long result = syscall(SYS_openat, AT_FDCWD, "fifo", O_RDONLY, 0);
    int saved = errno;
    stop_alarms();
    const uint64_t open_own[] = {};
    say("openat of a FIFO", restart, result, saved, open_own, 0);
    if (result >= 0) close((int)result);
    end_helper(helper);

    helper = start_helper(do_connect, 0);
    start_alarms(restart);
    result = accept(listener, NULL, NULL);
    saved = errno;
    stop_alarms();
    say("accept", restart, result, saved, open_own, 0);
    if (result >= 0) close((int)result);
    end_helper(helper);

    // A queue of one that is full: the next connect waits for room.
    struct sockaddr_un full;
    memset(&full, 0, sizeof full);
    full.sun_family = AF_UNIX;
    snprintf(full.sun_path, sizeof full.sun_path, "full%d", restart);
    const int queue = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(queue, (struct sockaddr*)&full, sizeof full) != 0 || listen(queue, 0) != 0) return 2;
    const int first = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(first, (struct sockaddr*)&full, sizeof full) != 0) return 2;
    const int second = socket(AF_UNIX, SOCK_STREAM, 0);
    helper = start_helper(do_accept, queue);
    start_alarms(restart);
    result = connect(second, (struct sockaddr*)&full, sizeof full);
    saved = errno;
    stop_alarms();
#if defined(__x86_64__)
    const uint64_t own[] = {(uint64_t)second, ARGUMENT(&full), sizeof full};
    say("connect", restart, result, saved, own, restart && alarms < 1 ? 0 : 3);
#else
    say("connect", restart, result, saved, open_own, 0);
#endif
    close(first);
    close(second);
    close(queue);
    end_helper(helper);
  }
  puts("signals: done");
  return 0;
}

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "signals") == 0) return run_signals();
  return run_registers();
}
