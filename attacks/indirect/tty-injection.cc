// attack: tty-injection
// class: indirect
// severity: critical
// models: naive
// launch: tty
// trap: ioctl(TIOCSTI) puts bytes into the terminal's input as if typed; the shell that started
//   callgate executes them after the program is gone. With garbage in the command's high half.
//   TIOCVHANGUP takes the terminal away from all who have it open, that shell among them.
// naive: ioctl is harmless.
// kernel: TIOCSTI works on one's controlling terminal (ioctl_tty(2)); the command is an unsigned int, so
//   the upper 32 bits are ignored; dev.tty.legacy_tiocsti=0 turns it off since 6.2. TIOCVHANGUP asks
//   for CAP_SYS_ADMIN alone (drivers/tty/tty_io.c).
// sealed: TIOCSTI, TIOCLINUX and TIOCVHANGUP are refused, by the low 32 bits.
// source: CVE-2017-5226, CVE-2023-28100, CVE-2019-10063
// policy:
//   path allow read,execute /usr/**
//   path allow $T/
//   network deny all
// report: none
#include <sys/ioctl.h>

#include "tests/support/attack.h"

namespace attack {
namespace {

constexpr uint64_t kHangUp = 0x5437;  // TIOCVHANGUP

}  // namespace

void strike() {
  int tty = ::open("/dev/tty", O_RDWR);
  if (tty < 0) tty = 0;
  char byte = '#';
  for (uint64_t high : {uint64_t{0}, uint64_t{1} << 32, uint64_t{0xffffffff} << 32}) {
    if (!way("TIOCSTI, " + std::to_string(high >> 32) + " above")) continue;
    auto command = static_cast<unsigned long>(high | TIOCSTI);
    if (::syscall(SYS_ioctl, tty, command, &byte) == 0) prey_taken("typed into the terminal");
  }
  if (way("stdin") && ::syscall(SYS_ioctl, 0, TIOCSTI, &byte) == 0) prey_taken("typed into stdin");
  ::signal(SIGHUP, SIG_IGN);
  for (uint64_t high : {uint64_t{0}, uint64_t{0xffffffff} << 32}) {
    const auto command = static_cast<unsigned long>(high | kHangUp);
    if (way("TIOCVHANGUP, " + std::to_string(high >> 32) + " above", unless_root()) &&
        ::syscall(SYS_ioctl, tty, command, nullptr) == 0) {
      prey_taken("the terminal was taken from the others");
    }
  }
  // Pastes what was selected on a console, as if typed (ioctl_console(2), TIOCL_PASTESEL).
  char paste = 3;
  if (way("TIOCLINUX", "needs a virtual console") &&
      ::syscall(SYS_ioctl, tty, TIOCLINUX, &paste) == 0) {
    prey_taken("pasted into the terminal");
  }
  if (errno == EIO) {
    skip("dev.tty.legacy_tiocsti is 0");
  }
  held("TIOCSTI");
}

void twin() {
  winsize size{};
  must(::ioctl(0, TIOCGWINSZ, &size) == 0, "TIOCGWINSZ");
  must(::isatty(0) == 1, "isatty");
  must(::tcgetpgrp(0) > 0, "tcgetpgrp");
  must(::open("/dev/tty", O_RDWR) >= 0, "/dev/tty is the own terminal");
  int pending = -1;
  must(::ioctl(0, FIONREAD, &pending) == 0, "FIONREAD");
  twin_ok();
}

}  // namespace attack
